// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>

#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;

const std::string kContent = pattern(300'000);
constexpr std::uint64_t kSize = 300'000;

class RangeTest : public HubFixture {
 protected:
  ~RangeTest() override { stop(); }
  void serve(RawServer::Script script) {
    server_ = std::make_unique<RawServer>(std::move(script));
    HubOptions options;
    options.endpoint = server_->url();
    options.token = "hf_secret";
    options.idle_timeout = milliseconds(500);
    connect(options);
  }
  void serve_bytes(std::string bytes) {
    serve([bytes = std::move(bytes)](const RawRequest&, RawConnection& c) {
      c.send(bytes);
      c.close();
    });
  }
  void expect_bad(const RangeRequest& request, bool retryable) {
    const Outcome outcome = fetch(request);
    ASSERT_FALSE(outcome.result);
    EXPECT_EQ(outcome.result.error().error.kind, ErrorKind::kBadContent) << outcome.result.error().error.message;
    EXPECT_EQ(outcome.result.error().retryable, retryable) << outcome.result.error().error.message;
    EXPECT_LE(outcome.body.size(), request.last - request.first + 1);
    EXPECT_TRUE(kContent.substr(request.first).starts_with(outcome.body));
  }
};

TEST_F(RangeTest, FetchesByCommitAndQuotesThePath) {
  const std::string etag(64, 'e');
  const Quit quit(*this);
  serve([&](const RawRequest& r, RawConnection& c) {
    c.send(
        range_of(r, kContent,
                 "X-Repo-Commit: " + commit().text() + "\r\nETag: \"" + etag + "\"\r\nX-Xet-Hash: " + etag + "\r\n"));
  });
  const Outcome outcome = fetch(range(kSize, 1000, 250'000, "sub dir/ü?#%.bin"));
  ASSERT_TRUE(outcome.result) << outcome.result.error().error.message;
  EXPECT_TRUE(outcome.body == kContent.substr(1000, 249'001));
  EXPECT_EQ(outcome.heads, 1);
  EXPECT_EQ(outcome.file.etag, etag);
  EXPECT_EQ(outcome.file.xet_hash->text(), etag);
  const RawRequest seen = server_->requests().at(0);
  EXPECT_EQ(seen.target, "/org/name/resolve/" + commit().text() + "/sub%20dir/%C3%BC%3F%23%25.bin");
  EXPECT_EQ(seen.header("range"), "bytes=1000-250000");
  EXPECT_EQ(seen.header("accept-encoding"), "identity");
}

TEST_F(RangeTest, OtherTypesHaveTheirPrefix) {
  serve([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); });
  for (const RepoType type : {RepoType::kDataset, RepoType::kSpace, RepoType::kKernel}) {
    RangeRequest request = range(kSize, 0, 9);
    request.key.type = type;
    ASSERT_TRUE(fetch(request).result);
    EXPECT_TRUE(server_->requests().back().target.starts_with("/" + std::string(plural(type)) + "/org/name/resolve/"));
  }
}

TEST_F(RangeTest, RangesOutsideOfTheFileAreNeverAsked) {
  serve([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); });
  for (const auto& request : {range(10, 5, 4), range(10, 0, 10), range(0, 0, 0)}) {
    const Outcome outcome = fetch(request);
    ASSERT_FALSE(outcome.result);
    EXPECT_EQ(outcome.result.error().error.kind, ErrorKind::kInvalid);
  }
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(RangeTest, RemembersWhereTheHubRedirectsTo) {
  RawServer cdn([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent, "ETag: \"cdn\"\r\n")); });
  const std::string etag(64, 'e');
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) {
    c.send(redirect(cdn.url("/f"), "X-Linked-Size: 300000\r\nX-Linked-Etag: \"" + etag + "\"\r\n"));
  });
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = fetch(range(kSize, 10, 19));
    ASSERT_TRUE(outcome.result);
    EXPECT_EQ(outcome.file.etag, etag);
    EXPECT_EQ(outcome.file.size, kSize);
  }
  EXPECT_EQ(server_->requests().size(), 1U);
  EXPECT_EQ(cdn.requests().size(), 5U);
  EXPECT_EQ(cdn.connections(), 1);
  ASSERT_TRUE(fetch(range(kSize, 10, 19, "other.bin")).result);
  EXPECT_EQ(server_->requests().size(), 2U);
}

TEST_F(RangeTest, RenewsAnAddressThatIsRefusedWithinTheCall) {
  std::atomic<int> generation{0};
  std::atomic<int> refuse_with{403};
  RawServer cdn([&](const RawRequest& r, RawConnection& c) {
    if (r.target == "/f" + std::to_string(generation)) return (void)c.send(range_of(r, kContent));
    c.send(answer(refuse_with, "", "expired"));
  });
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) { c.send(redirect(cdn.url("/f" + std::to_string(generation)))); });
  std::size_t asked = 1;
  ASSERT_TRUE(fetch(range(kSize, 0, 9)).result);
  for (const int status : {401, 403, 404, 410}) {
    refuse_with = status;
    ++generation;
    const Outcome outcome = fetch(range(kSize, 0, 9));
    ASSERT_TRUE(outcome.result) << outcome.result.error().error.message;
    EXPECT_EQ(outcome.heads, 1);
    EXPECT_EQ(server_->requests().size(), ++asked);
  }
  ++generation;
  refuse_with = 500;
  EXPECT_TRUE(fetch(range(kSize, 0, 9)).result.error().retryable);
  EXPECT_EQ(server_->requests().size(), asked) << "a server that fails is no expired address";
  EXPECT_TRUE(fetch(range(kSize, 0, 9)).result) << "but it is forgotten for the next try";
}

TEST_F(RangeTest, GivesUpWhenTheRenewedAddressIsRefusedToo) {
  std::atomic<bool> refuse{false};
  RawServer cdn(
      [&](const RawRequest& r, RawConnection& c) { c.send(refuse ? answer(403, "", "") : range_of(r, kContent)); });
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) { c.send(redirect(cdn.url("/f"))); });
  ASSERT_TRUE(fetch(range(kSize, 0, 9)).result);
  refuse = true;
  const Outcome outcome = fetch(range(kSize, 0, 9));
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().error.kind, ErrorKind::kAccessDenied);
  EXPECT_EQ(server_->requests().size(), 2U);
}

TEST_F(RangeTest, ExpiredAddressesAreNotUsed) {
  RawServer cdn([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); });
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) { c.send(redirect(cdn.url("/f?Expires=1000"))); });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(fetch(range(kSize, 0, 9)).result);
  EXPECT_EQ(server_->requests().size(), 3U);
}

TEST_F(RangeTest, AWholeFileServesItsBeginning) {
  std::atomic<bool> endless{false};
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) {
    if (!endless) return (void)c.send(answer(200, "", kContent));
    c.send("HTTP/1.1 200 OK\r\n\r\n");
    c.send(kContent);
    c.hang();
  });
  for (const bool unknown_length : {false, true}) {
    endless = unknown_length;
    const Outcome part = fetch(range(kSize, 0, 99'999));
    ASSERT_TRUE(part.result) << part.result.error().error.message;
    EXPECT_TRUE(part.body == kContent.substr(0, 100'000));
  }
  endless = false;
  const Outcome whole = fetch(range(kSize, 0, kSize - 1));
  ASSERT_TRUE(whole.result);
  EXPECT_TRUE(whole.body == kContent);
  expect_bad(range(kSize, 1, 10), false);
  expect_bad(range(kSize + 1, 0, 10), false);
}

TEST_F(RangeTest, WrongAnswersAreRefused) {
  const std::string head = "HTTP/1.1 206 Partial\r\n";
  const auto body = [](std::size_t n) {
    return "Content-Length: " + std::to_string(n) + "\r\n\r\n" + kContent.substr(10, n);
  };
  for (const std::string& bytes : {
           head + body(10),
           head + "Content-Range: bytes 0-9/300000\r\n" + body(10),
           head + "Content-Range: bytes 10-20/300000\r\n" + body(11),
           head + "Content-Range: bytes 10-19/300001\r\n" + body(10),
           head + "Content-Range: bytes 10-19/300000\r\n" + body(11),
           head + "Content-Range: bytes 10-19/300000\r\nContent-Encoding: gzip\r\n" + body(10),
           head + "Content-Range: bytes 10-19/300000\r\nX-Repo-Commit: " + std::string(40, 'd') + "\r\n" + body(10),
           head + "Content-Range: bytes 10-19/300000\r\nX-Linked-Size: 5\r\n" + body(10),
           answer(416, "Content-Range: bytes */5\r\n", ""),
           answer(204, "", ""),
           answer(400, "", "x"),
       }) {
    serve_bytes(bytes);
    expect_bad(range(kSize, 10, 19), false);
  }
  serve_bytes(head + "Content-Range: bytes 10-19/*\r\n" + body(10));
  EXPECT_TRUE(fetch(range(kSize, 10, 19)).result);
}

TEST_F(RangeTest, MoreThanWasAskedForIsNeverDelivered) {
  serve([](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-19/300000\r\n\r\n" + kContent.substr(10, 1000));
    c.close();
  });
  expect_bad(range(kSize, 10, 19), false);
  serve([](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-19/300000\r\nTransfer-Encoding: chunked\r\n\r\n");
    c.send("5\r\n" + kContent.substr(10, 5) + "\r\n6\r\n" + kContent.substr(15, 6) + "\r\n0\r\n\r\n");
  });
  expect_bad(range(kSize, 10, 19), false);
}

TEST_F(RangeTest, CutBodiesKeepWhatCame) {
  const std::string head = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-99999/300000\r\n";
  const Quit quit(*this);
  serve_bytes(head + "Content-Length: 99990\r\n\r\n" + kContent.substr(10, 5000));
  expect_bad(range(kSize, 10, 99'999), true);
  serve_bytes(head + "Content-Length: 5000\r\n\r\n" + kContent.substr(10, 5000));
  expect_bad(range(kSize, 10, 99'999), true);
  serve_bytes(head + "\r\n" + kContent.substr(10, 5000));
  const Outcome outcome = fetch(range(kSize, 10, 99'999));
  EXPECT_TRUE(outcome.result.error().retryable);
  EXPECT_TRUE(outcome.body == kContent.substr(10, 5000));
  serve([&](const RawRequest&, RawConnection& c) {
    c.send(head + "Content-Length: 99990\r\n\r\n" + kContent.substr(10, 5000));
    c.wait(milliseconds(50));
    c.reset();
  });
  expect_bad(range(kSize, 10, 99'999), true);
}

TEST_F(RangeTest, AShorterRangeIsGoodAndAskedOnFrom) {
  serve_bytes("HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-14/300000\r\nContent-Length: 5\r\n\r\n" +
              kContent.substr(10, 5));
  expect_bad(range(kSize, 10, 19), true);
}

TEST_F(RangeTest, SilenceIsATimeout) {
  const Quit quit(*this);
  for (const bool at_head : {true, false}) {
    serve([at_head](const RawRequest&, RawConnection& c) {
      if (!at_head) c.send("HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/300000\r\nContent-Length: 10\r\n\r\nabc");
      c.hang();
    });
    const Outcome outcome = fetch(range(kSize, 0, 9));
    ASSERT_FALSE(outcome.result);
    EXPECT_EQ(outcome.result.error().error.kind, ErrorKind::kTimeout);
    EXPECT_TRUE(outcome.result.error().retryable);
  }
}

enum class Where { kHead, kBytes, kEnd };
struct Actor final : RangeHandler {
  Actor(Where w, std::function<bool()> a) : where(w), act(std::move(a)) {}
  bool at(Where w) {
    EXPECT_FALSE(acted) << "called after the end";
    if (w != where) return true;
    acted = true;
    const bool go_on = act();
    EXPECT_EQ(canary, 0x5eed);
    return go_on;
  }
  bool on_head(const FileHead&) override { return at(Where::kHead); }
  bool on_bytes(std::span<const std::byte>) override { return at(Where::kBytes); }
  void on_end(const HubResult<void>&) override { at(Where::kEnd); }
  Where where;
  std::function<bool()> act;
  bool acted = false;
  int canary = 0x5eed;
};

TEST_F(RangeTest, CancelsFromEachCallback) {
  const Quit quit(*this);
  serve([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); });
  for (const Where where : {Where::kHead, Where::kBytes, Where::kEnd}) {
    for (const bool go_on : {false, true}) {
      std::promise<void> acted;
      HubCall call;
      on_loop([&] {
        call = client().fetch(range(kSize, 0, kSize - 1), std::make_unique<Actor>(where, [&, go_on] {
                                call.cancel();
                                acted.set_value();
                                return go_on;
                              }));
      });
      acted.get_future().wait();
      on_loop([] {});
      on_loop([] {});
    }
  }
}

TEST_F(RangeTest, ReturningFalseEndsWithInterrupted) {
  const Quit quit(*this);
  serve([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); });
  struct Handler final : RangeHandler {
    Handler(bool h, std::promise<HubResult<void>>& p) : at_head(h), promise(p) {}
    bool on_head(const FileHead&) override { return !at_head; }
    bool on_bytes(std::span<const std::byte>) override { return false; }
    void on_end(const HubResult<void>& r) override { promise.set_value(r); }
    bool at_head;
    std::promise<HubResult<void>>& promise;
  };
  for (const bool at_head : {true, false}) {
    std::promise<HubResult<void>> promise;
    HubCall call;
    on_loop([&] { call = client().fetch(range(kSize, 0, 9), std::make_unique<Handler>(at_head, promise)); });
    const auto result = promise.get_future().get();
    on_loop([&] { call.cancel(); });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().error.kind, ErrorKind::kInterrupted);
    EXPECT_FALSE(result.error().retryable);
  }
}

TEST_F(RangeTest, StopsWithOpenCalls) {
  const Quit quit(*this);
  serve([](const RawRequest&, RawConnection& c) { c.hang(); });
  std::vector<HubCall> calls;
  on_loop([&] {
    for (int i = 0; i < 40; ++i) {
      calls.push_back(client().fetch(range(kSize, 0, 9), std::make_unique<Actor>(Where::kEnd, [] {
                                       ADD_FAILURE();
                                       return true;
                                     })));
    }
  });
  std::this_thread::sleep_for(milliseconds(30));
  const auto before = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(100));
}

}  // namespace
}  // namespace hubfs::test
