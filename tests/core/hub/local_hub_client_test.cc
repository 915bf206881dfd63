// SPDX-License-Identifier: Apache-2.0
//
// The client against the local Hub: what the real one's endpoints, redirects and refusals look like from here.
#include "tests/hub/local_hub.h"

#include <gtest/gtest.h>

#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;

class LocalHubClientTest : public HubFixture {
 protected:
  LocalHubClientTest() : big_(pattern(3'000'000)), hub_({.tokens = {{.value = "hf_good"}, {"hf_other", "x", false}}}) {
    testing::RepoSpec repo{.id = "org/name", .xet = true};
    repo.revisions["main"] = {{"config.json", testing::Content::bytes("{}")},
                              {"sub/big file.safetensors", testing::Content::bytes(big_)},
                              {"empty", testing::Content::bytes("")}};
    repo.revisions["v1/x"] = {{"config.json", testing::Content::bytes("{1}")}};
    hub_.add_repo(repo);
    repo.id = "org/gated";
    repo.gated = true;
    hub_.add_repo(repo);
    repo.id = "org/private";
    repo.gated = false;
    repo.is_private = true;
    hub_.add_repo(repo);
    hub_.start();
    connect_as("hf_good");
  }
  ~LocalHubClientTest() override {
    stop();
    EXPECT_EQ(hub_.stats().token_leaks, 0U);
  }
  void connect_as(std::optional<std::string> token) {
    HubOptions options;
    options.endpoint = hub_.url();
    options.token = std::move(token);
    options.idle_timeout = milliseconds(600);
    connect(options);
  }
  RangeRequest big(std::uint64_t first, std::uint64_t last) {
    RangeRequest request = range(big_.size(), first, last, "sub/big file.safetensors");
    request.commit = *CommitHash::parse(hub_.commit(testing::RepoType::kModel, "org/name"));
    return request;
  }
  std::uint64_t asked(const char* kind) { return hub_.stats().by_kind[kind]; }

  std::string big_;
  testing::LocalHub hub_;
};

TEST_F(LocalHubClientTest, ResolvesListsAndFetches) {
  const auto sha = resolve("org/name", std::nullopt);
  ASSERT_TRUE(sha) << sha.error().error.message;
  EXPECT_EQ(sha->text(), hub_.commit(testing::RepoType::kModel, "org/name"));
  EXPECT_EQ(resolve("org/name", "v1/x")->text(), hub_.commit(testing::RepoType::kModel, "org/name", "v1/x"));
  hub_.set_page_size(1);
  const auto listing = list_at("org/name", *sha);
  ASSERT_TRUE(listing) << listing.error().error.message;
  ASSERT_EQ(listing->size(), 3U);
  const ListedFile& file = listing->at("sub/big file.safetensors");
  EXPECT_EQ(file.size, big_.size());
  EXPECT_TRUE(file.xet_hash);
  const Outcome whole = fetch(big(0, big_.size() - 1));
  ASSERT_TRUE(whole.result) << whole.result.error().error.message;
  EXPECT_TRUE(whole.body == big_);
  EXPECT_EQ(whole.file.etag, file.etag());
  EXPECT_EQ(whole.file.size, big_.size());
  EXPECT_EQ(whole.file.xet_hash, file.xet_hash);
}

TEST_F(LocalHubClientTest, AsksTheHubOncePerFileAndAgainWhenTheAddressExpires) {
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Outcome outcome = fetch(big(i * 1000, i * 1000 + 999));
    ASSERT_TRUE(outcome.result);
    EXPECT_TRUE(outcome.body == big_.substr(i * 1000, 1000));
  }
  EXPECT_EQ(hub_.stats().by_method["GET resolve"], 1U);
  hub_.add_fault({.origin = testing::OriginKind::kCdn, .count = 1, .status = 403});
  ASSERT_TRUE(fetch(big(0, 9)).result);
  EXPECT_EQ(hub_.stats().by_method["GET resolve"], 2U);
}

TEST_F(LocalHubClientTest, SmallFilesBehindTheResolveCache) {
  hub_.set_resolve_cache(true);
  RangeRequest request = range(2, 0, 1, "config.json");
  request.commit = *resolve("org/name", std::nullopt);
  const Outcome outcome = fetch(request);
  ASSERT_TRUE(outcome.result) << outcome.result.error().error.message;
  EXPECT_EQ(outcome.body, "{}");
  EXPECT_EQ(outcome.file.etag.size(), 40U);
}

TEST_F(LocalHubClientTest, RefusalsByWhoAsks) {
  const auto kind = [this](const std::string& id, const std::optional<std::string>& revision = std::nullopt) {
    const auto sha = resolve(id, revision);
    return sha ? ErrorKind::kSystem : sha.error().error.kind;
  };
  EXPECT_EQ(kind("org/nothing"), ErrorKind::kNotFound);
  EXPECT_EQ(kind("org/name", "nothing"), ErrorKind::kNotFound);
  EXPECT_EQ(kind("org/private"), ErrorKind::kSystem) << "the token may";
  RangeRequest missing = big(0, 9);
  missing.path = *RelPath::parse("nothing.bin");
  EXPECT_EQ(fetch(missing).result.error().error.kind, ErrorKind::kNotFound);
  RangeRequest gated = big(0, 9);
  gated.key = model("org/gated");
  connect_as("hf_other");
  EXPECT_EQ(kind("org/private"), ErrorKind::kNotFound);
  EXPECT_EQ(fetch(gated).result.error().error.kind, ErrorKind::kAccessDenied);
  connect_as(std::nullopt);
  EXPECT_EQ(kind("org/private"), ErrorKind::kNotFound);
  EXPECT_EQ(fetch(gated).result.error().error.kind, ErrorKind::kAccessDenied);
  connect_as("hf_wrong");
  EXPECT_EQ(kind("org/name"), ErrorKind::kAccessDenied);
}

TEST_F(LocalHubClientTest, FaultsOfTheCdn) {
  using testing::Fault;
  using testing::OriginKind;
  struct Case {
    Fault fault;
    ErrorKind kind;
    bool retryable;
  };
  const Case cases[] = {
      {{.origin = OriginKind::kCdn, .status = 503}, ErrorKind::kBadContent, true},
      {{.origin = OriginKind::kCdn, .hang = true}, ErrorKind::kTimeout, true},
      {{.origin = OriginKind::kCdn, .reset = true}, ErrorKind::kBadContent, true},
      {{.origin = OriginKind::kCdn, .content_range = "bytes 0-9/10"}, ErrorKind::kBadContent, false},
      {{.origin = OriginKind::kCdn, .ignore_range = true}, ErrorKind::kBadContent, false},
      {{.origin = OriginKind::kCdn, .cut_after = 500}, ErrorKind::kBadContent, true},
      {{.origin = OriginKind::kCdn, .hang_after = 500}, ErrorKind::kTimeout, true},
      {{.origin = OriginKind::kCdn, .short_by = 5}, ErrorKind::kBadContent, true},
      {{.origin = OriginKind::kCdn, .long_by = 5}, ErrorKind::kBadContent, false},
      {{.origin = OriginKind::kCdn, .gzip = true}, ErrorKind::kBadContent, false},
      {{.origin = OriginKind::kHub, .redirect = "self"}, ErrorKind::kBadContent, false},
      {{.origin = OriginKind::kHub, .redirect = "file:///etc/passwd"}, ErrorKind::kBadContent, false},
  };
  for (const Case& one : cases) {
    connect_as("hf_good");
    const auto id = hub_.add_fault(one.fault);
    const Outcome outcome = fetch(big(1000, 2999));
    ASSERT_FALSE(outcome.result) << &one - cases;
    EXPECT_EQ(outcome.result.error().error.kind, one.kind) << outcome.result.error().error.message;
    EXPECT_EQ(outcome.result.error().retryable, one.retryable) << outcome.result.error().error.message;
    EXPECT_TRUE(big_.substr(1000, 2000).starts_with(outcome.body));
    EXPECT_GT(hub_.fault_hits(id), 0U);
    hub_.clear_faults();
    EXPECT_TRUE(fetch(big(1000, 2999)).result) << "the next try is not poisoned";
  }
}

TEST_F(LocalHubClientTest, BytesAfterTheEndCostTheNextAnswerAtMostOneTry) {
  ASSERT_TRUE(fetch(big(0, 9)).result);
  hub_.add_fault({.origin = testing::OriginKind::kCdn, .count = 1, .surplus = 100});
  const Outcome outcome = fetch(big(10, 19));
  EXPECT_TRUE(!outcome.result || outcome.body == big_.substr(10, 10));
  Outcome after = fetch(big(20, 29));
  if (!after.result) {
    EXPECT_TRUE(after.result.error().retryable) << after.result.error().error.message;
    after = fetch(big(20, 29));
  }
  ASSERT_TRUE(after.result) << after.result.error().error.message;
  EXPECT_TRUE(after.body == big_.substr(20, 10));
}

TEST_F(LocalHubClientTest, ACdnThatIsGoneIsAskedForAgainAtTheHub) {
  ASSERT_TRUE(fetch(big(0, 9)).result);
  hub_.stop_cdn();
  const Outcome gone = fetch(big(0, 9));
  EXPECT_FALSE(gone.result);
  EXPECT_TRUE(gone.result.error().retryable);
  hub_.start_cdn();
  ASSERT_TRUE(fetch(big(0, 9)).result);
  EXPECT_EQ(hub_.stats().by_method["GET resolve"], 2U);
}

TEST_F(LocalHubClientTest, HostileListingsAreRefused) {
  const auto sha = resolve("org/name", std::nullopt);
  ASSERT_TRUE(sha);
  const std::string oid(40, 'a');
  for (const std::string& body :
       {std::string(R"({"error":"no"})"), R"([{"type":"file","path":"../x","size":1,"oid":")" + oid + "\"}]",
        R"([{"type":"file","path":"x","size":-1,"oid":")" + oid + "\"}]"}) {
    hub_.add_fault({.path = "*/tree/*", .count = 1, .replacement = nlohmann::json::parse(body)});
    const auto listing = list_at("org/name", *sha);
    ASSERT_FALSE(listing);
    EXPECT_EQ(listing.error().error.kind, ErrorKind::kBadContent);
  }
  hub_.add_fault({.path = "*/tree/*", .link_next = "self"});
  EXPECT_EQ(list_at("org/name", *sha).error().error.kind, ErrorKind::kBadContent);
}

TEST_F(LocalHubClientTest, RenamedReposAreFollowedWithTheToken) {
  hub_.add_alias(testing::RepoType::kModel, "old/private", "org/private");
  EXPECT_TRUE(resolve("old/private", std::nullopt));
}

}  // namespace
}  // namespace hubfs::test
