// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "tests/core/hub/hub_fixture.h"
#include "tests/core/hub/raw_server.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class HttpLoopTest : public HubFixture {};

HttpRequest request_to(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

TEST_F(HttpLoopTest, AnswersWithHeadAndBody) {
  RawServer server([](const RawRequest&, RawConnection& c) { c.send(answer(200, "X-Word:  a b \r\n", "hello")); });
  HttpRequest request = request_to(server.url("/x?y=1"));
  request.headers = {"X-Mine: 7"};
  const Outcome outcome = get(request);
  ASSERT_TRUE(outcome.end) << outcome.end.error().message;
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body, "hello");
  EXPECT_EQ(outcome.head.header("x-word"), "a b");
  EXPECT_EQ(outcome.head.header("x-none"), "");
  const RawRequest seen = server.requests().at(0);
  EXPECT_EQ(seen.target, "/x?y=1");
  EXPECT_EQ(seen.header("x-mine"), "7");
  EXPECT_EQ(seen.header("accept-encoding"), "identity");
  EXPECT_EQ(seen.header("user-agent"), "hubfs-test");
  EXPECT_EQ(seen.header("authorization"), "");
}

TEST_F(HttpLoopTest, SendsAddressesVerbatim) {
  RawServer server([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "")); });
  ASSERT_TRUE(get(request_to(server.url("/a/../b/./c%2Fd?sig=a%2Bb+c"))).end);
  EXPECT_EQ(server.requests().at(0).target, "/a/../b/./c%2Fd?sig=a%2Bb+c");
}

TEST_F(HttpLoopTest, PostsBodies) {
  RawServer server([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "")); });
  HttpRequest request = request_to(server.url("/p"));
  request.method = "POST";
  request.body = "paths=a&paths=b";
  ASSERT_TRUE(get(request).end);
  EXPECT_EQ(server.requests().at(0).method, "POST");
  EXPECT_EQ(server.requests().at(0).body, request.body);
}

TEST_F(HttpLoopTest, HeadHasNoBody) {
  RawServer server(
      [](const RawRequest&, RawConnection& c) { c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"); });
  HttpRequest request = request_to(server.url("/p"));
  request.method = "HEAD";
  const Outcome outcome = get(request);
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.head.header("content-length"), "1000");
}

TEST_F(HttpLoopTest, ReusesConnections) {
  RawServer server([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "hello")); });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(get(request_to(server.url("/"))).end);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpLoopTest, SurvivesAServerThatClosesIdleConnections) {
  RawServer server([](const RawRequest&, RawConnection& c) {
    c.send(answer(200, "", "hello"));
    c.close();
  });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(get(request_to(server.url("/"))).end);
}

TEST_F(HttpLoopTest, RunsFiveHundredSmallRequestsOverFewConnections) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  RawServer server([&](const RawRequest& r, RawConnection& c) {
    const int now = ++running;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
    c.wait(milliseconds(2));
    --running;
    c.send(answer(200, "", r.target));
  });
  constexpr int kCount = 500;
  std::vector<std::promise<Outcome>> promises(kCount);
  struct Handler final : HttpHandler {
    explicit Handler(std::promise<Outcome>& into) : promise(into) {}
    bool on_head(const HttpHead&) override { return true; }
    bool on_body(std::span<const std::byte> b) override {
      outcome.body.append(reinterpret_cast<const char*>(b.data()), b.size());
      return true;
    }
    void on_end(const Status& s) override {
      outcome.end = s;
      promise.set_value(outcome);
    }
    std::promise<Outcome>& promise;
    Outcome outcome;
  };
  on_loop([&] {
    for (std::size_t i = 0; i < kCount; ++i) {
      HttpRequest request = request_to(server.url("/" + std::to_string(i)));
      request.connect_timeout = milliseconds(1000);  // waiting for a turn is not connecting
      loop().start(request, std::make_unique<Handler>(promises[i]));
    }
  });
  for (std::size_t i = 0; i < kCount; ++i) {
    const Outcome outcome = promises[i].get_future().get();
    ASSERT_TRUE(outcome.end) << outcome.end.error().message;
    EXPECT_EQ(outcome.body, "/" + std::to_string(i));
  }
  EXPECT_LE(most, 16);
  EXPECT_LE(server.connections(), 32);
}

TEST_F(HttpLoopTest, RefusesOtherSchemesAndSplitHeaders) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "", "http://a@127.0.0.1/",
                          "http://127.0.0.1\\@x/", "http://127.0.0.1/\r\nX: y"}) {
    const Outcome outcome = get(request_to(url));
    ASSERT_FALSE(outcome.end) << url;
    EXPECT_EQ(outcome.end.error().kind, ErrorKind::kInvalid) << url;
  }
  HttpRequest request = request_to("http://127.0.0.1:1/");
  request.headers = {"X: a\r\nY: b"};
  EXPECT_EQ(get(request).end.error().kind, ErrorKind::kInvalid);
}

TEST_F(HttpLoopTest, ConnectionRefusedIsUnreachable) {
  std::string url;
  {
    RawServer gone([](const RawRequest&, RawConnection&) {});
    url = gone.url("/secret?sig=1");
  }
  const Outcome outcome = get(request_to(url));
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kUnreachable);
  EXPECT_EQ(outcome.end.error().message.find("secret"), std::string::npos);
}

TEST_F(HttpLoopTest, UnknownNameIsUnreachable) {
  const Outcome outcome = get(request_to("http://no-such-host.invalid/"));
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kUnreachable) << outcome.end.error().message;
}

TEST_F(HttpLoopTest, HangingResolverTimesOutAndDoesNotHoldUpOthers) {
  RawServer server([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "hello")); });
  HttpRequest hanging = request_to("http://hang1.test/");
  hanging.connect_timeout = milliseconds(200);
  const auto before = Clock::now();
  const Outcome outcome = get(hanging);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout) << outcome.end.error().message;
  EXPECT_LT(Clock::now() - before, milliseconds(1000));
  ASSERT_TRUE(get(request_to(server.url("/"))).end);
  EXPECT_LT(Clock::now() - before, milliseconds(1500));
}

TEST_F(HttpLoopTest, StopsAtOnceWhileAResolverHangs) {
  on_loop([&] {
    struct Handler final : HttpHandler {
      bool on_head(const HttpHead&) override { return true; }
      bool on_body(std::span<const std::byte>) override { return true; }
      void on_end(const Status&) override { ADD_FAILURE() << "called after stop()"; }
    };
    loop().start(request_to("http://hang2.test/"), std::make_unique<Handler>());
  });
  std::this_thread::sleep_for(milliseconds(50));
  const auto before = Clock::now();
  stop();
  EXPECT_LT(Clock::now() - before, milliseconds(100));
}

TEST_F(HttpLoopTest, StopsAtOnceWithOpenRequests) {
  std::latch arrived(16);  // one for each connection that a host may have
  RawServer server([&](const RawRequest& r, RawConnection& c) {
    if (r.target == "/body") c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
    arrived.count_down();
    c.hang();
  });
  static std::atomic<int> destroyed;
  destroyed = 0;
  struct Handler final : HttpHandler {
    Handler() = default;
    ~Handler() override { ++destroyed; }
    bool on_head(const HttpHead&) override { return true; }
    bool on_body(std::span<const std::byte>) override { return true; }
    void on_end(const Status&) override { ADD_FAILURE() << "called after stop()"; }
  };
  on_loop([&] {
    for (int i = 0; i < 30; ++i) {
      loop().start(request_to(server.url(i % 2 == 0 ? "/body" : "/silent")), std::make_unique<Handler>());
    }
    loop().after(seconds(60), [] { ADD_FAILURE(); });
  });
  arrived.wait();
  const auto before = Clock::now();
  stop();
  EXPECT_LT(Clock::now() - before, milliseconds(100));
  EXPECT_EQ(destroyed, 30);
  stop();
  bool ran = false;
  loop().post([&] { ran = true; });
  EXPECT_FALSE(ran);
}

TEST_F(HttpLoopTest, TimersRunInOrderAndCanBeCancelled) {
  std::promise<std::string> promise;
  std::string order;
  on_loop([&] {
    EXPECT_TRUE(loop().on_loop_thread());
    loop().after(milliseconds(60), [&] { promise.set_value(order); });
    const auto never = loop().after(milliseconds(30), [&] { order += "x"; });
    loop().after(milliseconds(20), [&, never] {
      order += "b";
      loop().cancel_timer(never);
      loop().after(milliseconds(0), [&] { order += "c"; });
    });
    loop().after(milliseconds(5), [&] { order += "a"; });
  });
  EXPECT_EQ(promise.get_future().get(), "abc");
  EXPECT_FALSE(loop().on_loop_thread());
}

TEST_F(HttpLoopTest, PostedWorkComesInOrderFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::vector<int>> seen(kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) loop().post([&, t, i] { seen[t].push_back(i); });
      });
    }
  }
  on_loop([] {});
  for (const auto& one : seen) {
    ASSERT_EQ(one.size(), static_cast<std::size_t>(kEach));
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
}

TEST_F(HttpLoopTest, PostWakesASleepingLoopAtOnce) {
  on_loop([] {});
  std::this_thread::sleep_for(milliseconds(50));
  const auto before = Clock::now();
  on_loop([] {});
  EXPECT_LT(Clock::now() - before, milliseconds(500));
}

TEST_F(HttpLoopTest, ALoopThatWasHeldUpDoesNotCallThatSilence) {
  RawServer server([](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    c.wait(milliseconds(150));
    c.send("def");
  });
  std::promise<void> started;
  std::thread blocker([&] {
    started.get_future().wait();
    loop().post([] { std::this_thread::sleep_for(milliseconds(600)); });
  });
  HttpRequest request = request_to(server.url("/"));
  request.idle_timeout = milliseconds(300);
  started.set_value();
  const Outcome outcome = get(request);
  blocker.join();
  ASSERT_TRUE(outcome.end) << outcome.end.error().message;
  EXPECT_EQ(outcome.body, "abcdef");
}

}  // namespace
}  // namespace hubfs::test
