// SPDX-License-Identifier: Apache-2.0
//
// What the local Hub does when it is told to misbehave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "tests/hub/local_hub.h"

namespace hubfs::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::uint64_t kSize = 200'000;

class LocalHubFaultTest : public ::testing::Test {
 protected:
  LocalHubFaultTest() {
    RepoSpec spec;
    spec.id = "org/model";
    spec.revisions["main"] = {{"plain.txt", content_}, {"weights.bin", content_}};
    hub_.add_repo(std::move(spec));
    hub_.start();
  }

  httplib::Result get(const httplib::Headers& headers = {}, std::chrono::seconds patience = 2s) const {
    httplib::Client client(hub_.url());
    client.set_read_timeout(patience);
    return client.Get(kPath, headers);
  }
  // How many body bytes arrive, and whether the end was a clean one.
  std::pair<std::string, bool> receive() const {
    httplib::Client client(hub_.url());
    client.set_read_timeout(1s);
    std::string body;
    const auto result = client.Get(kPath, [&](const char* data, std::size_t size) {
      body.append(data, size);
      return true;
    });
    return {body, static_cast<bool>(result)};
  }
  std::string all() const { return content_->slice(0, kSize); }

  static constexpr const char* kPath = "/org/model/resolve/main/plain.txt";
  ContentPtr content_ = Content::synthetic(kSize, 5);
  LocalHub hub_;
};

TEST_F(LocalHubFaultTest, StatusWithHeadersSoManyTimes) {
  const auto id =
      hub_.add_fault({.path = "*/plain.txt", .skip = 1, .count = 2, .status = 429, .headers = {{"Retry-After", "1"}}});
  EXPECT_EQ(get()->status, 200);
  EXPECT_EQ(get()->status, 429);
  EXPECT_EQ(get()->get_header_value("Retry-After"), "1");
  EXPECT_EQ(get()->status, 200);
  EXPECT_EQ(hub_.fault_hits(id), 2U);
}

TEST_F(LocalHubFaultTest, PicksByMethodOriginRegexAndHeader) {
  hub_.add_fault({.method = "HEAD", .status = 500});
  hub_.add_fault({.origin = OriginKind::kCdn, .status = 501});
  hub_.add_fault({.regex = "plain\\.md", .status = 502});
  hub_.add_fault({.header = "range: bytes=7-*", .status = 503});
  EXPECT_EQ(get()->status, 200);
  EXPECT_EQ(get({{"Range", "bytes=7-8"}})->status, 503);
}

TEST_F(LocalHubFaultTest, DelayAndLatency) {
  hub_.set_latency(100ms);
  hub_.add_fault({.delay = 200ms});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get()->status, 200);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
}

TEST_F(LocalHubFaultTest, RateHolds) {
  hub_.add_fault({.rate = 400'000});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get()->body, all());
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 450ms);
  EXPECT_LE(took, 2s);
}

TEST_F(LocalHubFaultTest, CutEndsEarlyAndIsCountedRight) {
  hub_.add_fault({.cut_after = 1000});
  const auto [body, clean] = receive();
  EXPECT_EQ(body, content_->slice(0, 1000));
  EXPECT_FALSE(clean);
  EXPECT_EQ(hub_.stats().file_bytes, 1000U);
}

TEST_F(LocalHubFaultTest, HangsBeforeAndWithinTheBody) {
  hub_.add_fault({.count = 1, .hang = true});
  EXPECT_FALSE(receive().second);
  hub_.add_fault({.hang_after = 5000});
  const auto [body, clean] = receive();
  EXPECT_EQ(body.size(), 5000U);
  EXPECT_FALSE(clean);
}

TEST_F(LocalHubFaultTest, StopEndsConnectionsThatHang) {
  hub_.add_fault({.hang = true});
  std::thread client([&] { EXPECT_FALSE(get()); });
  while (hub_.log().empty()) std::this_thread::sleep_for(1ms);
  const auto start = std::chrono::steady_clock::now();
  hub_.stop();
  EXPECT_LE(std::chrono::steady_clock::now() - start, 1s);
  client.join();
}

TEST_F(LocalHubFaultTest, ResetIsNoAnswer) {
  hub_.add_fault({.reset = true});
  EXPECT_FALSE(get());
  EXPECT_EQ(hub_.log().at(0).status, 0);
}

TEST_F(LocalHubFaultTest, Trickle) {
  hub_.add_fault({.cut_after = 5, .trickle_bytes = 1, .trickle_interval = 50ms});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(receive().first, content_->slice(0, 5));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 200ms);
}

TEST_F(LocalHubFaultTest, RangesAnsweredWrongly) {
  hub_.add_fault({.count = 1, .ignore_range = true});
  const auto whole = get({{"Range", "bytes=10-19"}});
  EXPECT_EQ(whole->status, 200);
  EXPECT_EQ(whole->body, all());
  hub_.add_fault({.content_range = "bytes 11-20/200000"});
  const auto shifted = get({{"Range", "bytes=10-19"}});
  EXPECT_EQ(shifted->status, 206);
  EXPECT_EQ(shifted->get_header_value("Content-Range"), "bytes 11-20/200000");
  EXPECT_EQ(shifted->body, content_->slice(10, 10));
}

TEST_F(LocalHubFaultTest, FlippedBytesAreThoseOfTheFile) {
  hub_.add_fault({.flip = {150'000, 150'002}});
  std::string expected = content_->slice(149'999, 5);
  for (const std::size_t at : {1U, 3U}) expected[at] = static_cast<char>(~expected[at]);
  EXPECT_EQ(get({{"Range", "bytes=149999-150003"}})->body, expected);
  EXPECT_EQ(get({{"Range", "bytes=0-99"}})->body, content_->slice(0, 100));
}

TEST_F(LocalHubFaultTest, BodiesOfTheWrongLength) {
  hub_.add_fault({.count = 1, .short_by = 10});
  EXPECT_EQ(get()->body.size(), kSize - 10);
  hub_.add_fault({.count = 1, .long_by = 10});
  EXPECT_EQ(get()->body, all() + std::string(10, '\0'));
  hub_.add_fault({.count = 1, .surplus = 10});
  EXPECT_EQ(get()->body, all());
  EXPECT_EQ(hub_.log().back().body_bytes, kSize + 10);
}

TEST_F(LocalHubFaultTest, Redirects) {
  hub_.add_fault({.count = 1, .redirect = "self"});
  EXPECT_EQ(get()->get_header_value("Location"), hub_.url() + kPath);
  hub_.add_fault({.count = 1, .redirect = "ftp://127.0.0.1/x"});
  const auto answer = get();
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(answer->get_header_value("Location"), "ftp://127.0.0.1/x");
  EXPECT_EQ(answer->get_header_value("X-Repo-Commit"), hub_.commit(RepoType::kModel, "org/model"));
}

TEST_F(LocalHubFaultTest, GzipUnasked) {
  hub_.add_fault({.gzip = true});
  const auto answer = get();  // the client decodes it, so the encoding is valid
  EXPECT_EQ(answer->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(answer->body, all());
}

TEST_F(LocalHubFaultTest, EtagsVerbatim) {
  hub_.add_fault({.etag = "W/\"../../x\""});
  EXPECT_EQ(get()->get_header_value("ETag"), "W/\"../../x\"");
  httplib::Client client(hub_.url());
  EXPECT_EQ(client.Head("/org/model/resolve/main/weights.bin")->get_header_value("X-Linked-ETag"), "W/\"../../x\"");
}

TEST_F(LocalHubFaultTest, ExpiredAddressOnceThenAGoodOne) {
  hub_.add_fault({.path = "*/resolve/*", .count = 1, .expired = true});
  for (const int status : {403, 200}) {
    httplib::Client client(hub_.url());
    const std::string url = client.Head("/org/model/resolve/main/weights.bin")->get_header_value("Location");
    httplib::Client cdn(hub_.cdn_url());
    EXPECT_EQ(cdn.Get(url.substr(hub_.cdn_url().size()))->status, status);
  }
}

TEST_F(LocalHubFaultTest, HostileListings) {
  const std::string tree = "/api/models/org/model/tree/main";
  httplib::Client client(hub_.url());
  hub_.add_fault({.path = "*/tree/*",
                  .count = 1,
                  .replacement = nlohmann::json::parse(R"([{"type":"file","path":"../../x","size":-1,"oid":"z"}])")});
  EXPECT_THAT(client.Get(tree)->body, HasSubstr("../../x"));
  hub_.add_fault({.path = "*/tree/*", .count = 1, .link_next = "self"});
  EXPECT_EQ(client.Get(tree)->get_header_value("Link"), "<" + hub_.url() + tree + ">; rel=\"next\"");
  hub_.add_fault({.path = "*/tree/*", .count = 1, .link_next = "http://127.0.0.1:1/x"});
  EXPECT_EQ(client.Get(tree)->get_header_value("Link"), "<http://127.0.0.1:1/x>; rel=\"next\"");
}

TEST_F(LocalHubFaultTest, HeadersThatLieOrAreMissing) {
  hub_.add_fault({.count = 1, .drop_headers = {"content-length", "X-Repo-Commit"}});
  const auto answer = get();
  EXPECT_FALSE(answer->has_header("Content-Length"));
  EXPECT_FALSE(answer->has_header("X-Repo-Commit"));
  EXPECT_EQ(answer->body, all());
  hub_.add_fault({.headers = {{"Content-Length", "12"}}});
  EXPECT_EQ(get()->body, content_->slice(0, 12));
}

TEST_F(LocalHubFaultTest, FaultsAddUp) {
  hub_.add_fault({.flip = {0}});
  hub_.add_fault({.cut_after = 1});
  EXPECT_EQ(receive().first, std::string(1, static_cast<char>(~all()[0])));
}

TEST_F(LocalHubFaultTest, CdnCanBeDown) {
  hub_.stop_cdn();
  EXPECT_FALSE(httplib::Client(hub_.cdn_url()).Get("/"));
  EXPECT_EQ(get()->status, 200);
  hub_.start_cdn();
  EXPECT_EQ(httplib::Client(hub_.cdn_url()).Get("/")->status, 403);
}

TEST_F(LocalHubFaultTest, ManyConnectionsThatHangHoldUpNobody) {
  ASSERT_TRUE(get());  // see FirstRequest in origin.cc: likewise for the library's clients
  hub_.add_fault({.header = "x-hang: *", .hang = true});
  std::vector<std::thread> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back([&] { EXPECT_FALSE(get({{"X-Hang", "1"}})); });
  while (hub_.log().size() < 101) std::this_thread::sleep_for(1ms);
  const auto answer = get({}, 30s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  hub_.stop();
  for (auto& client : clients) client.join();
}

}  // namespace
}  // namespace hubfs::testing
