// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>

#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;

std::string page(const std::string& path) {
  return R"([{"type":"file","path":")" + path + R"(","oid":")" + std::string(40, 'a') + R"(","size":5}])";
}
std::string next(const std::string& url) { return "Link: <" + url + ">; rel=\"next\"\r\n"; }

class ListingTest : public HubFixture {
 protected:
  void serve(RawServer::Script script, HubOptions options = {}) {
    server_ = std::make_unique<RawServer>(std::move(script));
    options.endpoint = server_->url();
    options.token = "hf_secret";
    options.idle_timeout = milliseconds(1000);
    connect(options);
  }
  ~ListingTest() override { stop(); }
  void expect_refused(const std::string& words) {
    const auto listing = list("org/name");
    ASSERT_FALSE(listing);
    EXPECT_EQ(listing.error().error.kind, ErrorKind::kBadContent);
    EXPECT_NE(listing.error().error.message.find(words), std::string::npos) << listing.error().error.message;
  }
};

TEST_F(ListingTest, PutsPagesTogether) {
  serve([this](const RawRequest& r, RawConnection& c) {
    if (r.target.ends_with("page=3")) return (void)c.send(answer(200, "", page("c/d")));
    if (r.target.ends_with("page=2")) return (void)c.send(answer(200, next("?page=3"), page("b")));
    c.send(answer(200, next(server_->url("/api/models/org/name/tree/x?page=2")), page("a")));
  });
  const auto listing = list("org/name");
  ASSERT_TRUE(listing) << listing.error().error.message;
  EXPECT_EQ(listing->size(), 3U);
  const auto requests = server_->requests();
  EXPECT_EQ(requests.at(0).target, "/api/models/org/name/tree/" + commit().text() + "?recursive=true&expand=false");
  EXPECT_EQ(requests.at(2).target, "/api/models/org/name/tree/x?page=3");
  for (const auto& r : requests) EXPECT_EQ(r.header("authorization"), "Bearer hf_secret");
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(ListingTest, NeverGoesElsewhereForAPage) {
  RawServer other([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", page("evil"))); });
  std::string target;
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) { c.send(answer(200, next(target), page("a"))); });
  for (const std::string& to : {other.url("/x"), std::string("file:///etc/passwd"), std::string("https://127.0.0.1/"),
                                "//127.0.0.1:" + std::to_string(other.port()) + "/", std::string("http://a@b/")}) {
    target = to;
    expect_refused("not on the Hub");
  }
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(ListingTest, EndlessChainsEnd) {
  std::atomic<int> count{0};
  const Quit quit(*this);
  serve([](const RawRequest& r, RawConnection& c) { c.send(answer(200, next(r.target), "[]")); });
  expect_refused("circle");
  serve([&](const RawRequest&, RawConnection& c) {
    c.send(answer(200, next("?page=" + std::to_string(++count)), "[]"));
  });
  expect_refused("too many pages");
  EXPECT_LE(count, 10'001);
}

TEST_F(ListingTest, BoundsBytesAndFiles) {
  HubOptions options;
  options.max_listing_bytes = 1000;
  std::atomic<int> count{0};
  const Quit quit(*this);
  serve(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\n\r\n[");
        while (c.send("                    ")) {
        }
      },
      options);
  expect_refused("too long");
  options.max_listing_bytes = 1U << 20U;
  options.max_listing_files = 2;
  serve(
      [&](const RawRequest&, RawConnection& c) {
        const std::string n = std::to_string(++count);
        c.send(answer(200, next("?page=" + n), page("f" + n)));
      },
      options);
  expect_refused("too many files");
}

TEST_F(ListingTest, OneBadPageRefusesAll) {
  serve([](const RawRequest& r, RawConnection& c) {
    if (r.target.ends_with("page=2")) return (void)c.send(answer(200, "", page("../\\u0007x")));
    c.send(answer(200, next("?page=2"), page("a")));
  });
  expect_refused("\"../\\x07x\"");
}

TEST_F(ListingTest, CutAtEveryByteOfTheWireIsRefused) {
  const std::string whole = answer(200, "", page("a"));
  std::atomic<std::size_t> length{0};
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) {
    c.send(std::string_view(whole).substr(0, length));
    c.close();
  });
  for (length = 0; length < whole.size(); ++length) {
    const auto listing = list("org/name");
    ASSERT_FALSE(listing) << length;
    EXPECT_EQ(listing.error().error.kind, ErrorKind::kBadContent) << length;
  }
  EXPECT_TRUE(list("org/name"));
}

TEST_F(ListingTest, CutWithoutContentLengthIsRefused) {
  const std::string body = page("a");
  std::atomic<std::size_t> length{0};
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body.substr(0, length));
    c.close();
  });
  for (length = 0; length < body.size(); length = length + 7) EXPECT_FALSE(list("org/name")) << length;
}

TEST_F(ListingTest, OtherTypesHaveTheirFolders) {
  const Quit quit(*this);
  serve([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", page("a"))); });
  for (const RepoType type : kRepoTypes) {
    std::promise<bool> promise;
    HubCall call;
    on_loop([&] {
      call = client().list({type, *RepoId::parse("o/n")}, commit(), milliseconds(1000),
                           [&](const auto& r) { promise.set_value(r.has_value()); });
    });
    EXPECT_TRUE(promise.get_future().get());
    on_loop([&] { call.cancel(); });
    EXPECT_TRUE(server_->requests().back().target.starts_with("/api/" + std::string(plural(type)) + "/o/n/tree/"));
  }
}

TEST_F(ListingTest, TheLimitHoldsOverAllPages) {
  std::atomic<int> count{0};
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) {
    c.wait(milliseconds(30));
    c.send(answer(200, next("?page=" + std::to_string(++count)), "[]"));
  });
  const auto listing = list("org/name", milliseconds(300));
  ASSERT_FALSE(listing);
  EXPECT_EQ(listing.error().error.kind, ErrorKind::kTimeout);
}

}  // namespace
}  // namespace hubfs::test
