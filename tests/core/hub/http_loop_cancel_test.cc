// SPDX-License-Identifier: Apache-2.0
//
// Ending requests from wherever it can happen.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/core/hub/hub_fixture.h"
#include "tests/core/hub/raw_server.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;

class HttpCancelTest : public HubFixture {
 protected:
  HttpCancelTest()
      : server_([](const RawRequest& r, RawConnection& c) {
          if (r.target == "/hang") return c.hang();
          c.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(100'000, 'a'));
          c.wait(milliseconds(20));
          c.send(std::string(100'000, 'b'));
        }) {}
  ~HttpCancelTest() override { stop(); }

  HttpRequest request(const std::string& path = "/") const {
    HttpRequest r;
    r.url = server_.url(path);
    return r;
  }

  RawServer server_;
};

enum class Where { kHead, kBody, kEnd };

// Acts once, at one of its callbacks.
class Actor final : public HttpHandler {
 public:
  Actor(Where where, std::function<bool()> act, std::atomic<int>& destroyed, bool silent_after = false)
      : where_(where), act_(std::move(act)), destroyed_(destroyed), silent_after_(silent_after) {}
  ~Actor() override { ++destroyed_; }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  bool on_head(const HttpHead&) override { return at(Where::kHead); }
  bool on_body(std::span<const std::byte>) override { return at(Where::kBody); }
  void on_end(const Status& status) override {
    ended_ = status;
    at(Where::kEnd);
  }

 private:
  bool at(Where where) {
    EXPECT_FALSE(acted_ && silent_after_) << "called after it was cancelled";
    if (where != where_ || acted_) return true;
    acted_ = true;
    const bool go_on = act_();
    EXPECT_EQ(canary_, 0x5eed) << "destroyed inside its own callback";
    return go_on;
  }
  Where where_;
  std::function<bool()> act_;
  std::atomic<int>& destroyed_;
  bool silent_after_;
  bool acted_ = false;
  Status ended_;
  int canary_ = 0x5eed;
};

TEST_F(HttpCancelTest, ARequestMayCancelItselfInEachCallback) {
  for (const Where where : {Where::kHead, Where::kBody, Where::kEnd}) {
    for (const bool go_on : {false, true}) {
      std::atomic<int> destroyed{0};
      std::promise<void> acted;
      HttpLoop::RequestId id = 0;
      on_loop([&] {
        id = loop().start(request(), std::make_unique<Actor>(
                                         where,
                                         [&] {
                                           loop().cancel(id);
                                           loop().cancel(id);
                                           acted.set_value();
                                           return go_on;
                                         },
                                         destroyed, true));
      });
      acted.get_future().wait();
      on_loop([] {});
      on_loop([] {});
      EXPECT_EQ(destroyed, 1);
    }
  }
}

TEST_F(HttpCancelTest, ACallbackMayCancelAnotherAndStartMore) {
  for (const Where where : {Where::kHead, Where::kBody, Where::kEnd}) {
    std::atomic<int> destroyed{0};
    std::promise<void> second_done;
    on_loop([&] {
      const auto victim = loop().start(request("/hang"), std::make_unique<Actor>(
                                                             Where::kEnd,
                                                             [] {
                                                               ADD_FAILURE();
                                                               return true;
                                                             },
                                                             destroyed));
      loop().start(request(), std::make_unique<Actor>(
                                  where,
                                  [&, victim] {
                                    loop().cancel(victim);
                                    const auto done = [&] {
                                      second_done.set_value();
                                      return true;
                                    };
                                    loop().start(request(), std::make_unique<Actor>(Where::kEnd, done, destroyed));
                                    return false;
                                  },
                                  destroyed));
    });
    second_done.get_future().wait();
    on_loop([] {});
    on_loop([] {});
    EXPECT_EQ(destroyed, 3);
  }
}

TEST_F(HttpCancelTest, ReturningFalseReportsInterrupted) {
  struct Handler final : HttpHandler {
    Handler(bool at_head, std::promise<Status>& into) : at_head_(at_head), into_(into) {}
    bool on_head(const HttpHead&) override { return !at_head_; }
    bool on_body(std::span<const std::byte>) override { return false; }
    void on_end(const Status& s) override { into_.set_value(s); }
    bool at_head_;
    std::promise<Status>& into_;
  };
  for (const bool at_head : {true, false}) {
    std::promise<Status> promise;
    on_loop([&] { loop().start(request(), std::make_unique<Handler>(at_head, promise)); });
    const Status status = promise.get_future().get();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::kInterrupted);
  }
}

TEST_F(HttpCancelTest, CancellingWhatWaitsFreesNoOneElsesPlace) {
  std::atomic<int> destroyed{0};
  std::promise<void> done;
  on_loop([&] {
    std::vector<HttpLoop::RequestId> ids;
    const auto never = [] {
      ADD_FAILURE();
      return true;
    };
    for (int i = 0; i < 40; ++i) {
      ids.push_back(loop().start(request("/hang"), std::make_unique<Actor>(Where::kEnd, never, destroyed)));
    }
    loop().start(request(), std::make_unique<Actor>(
                                Where::kEnd,
                                [&] {
                                  done.set_value();
                                  return true;
                                },
                                destroyed));
    loop().after(milliseconds(50), [this, ids] {
      for (const auto id : ids) loop().cancel(id);
    });
  });
  done.get_future().wait();
  on_loop([] {});
  on_loop([] {});
  EXPECT_EQ(destroyed, 41);
}

TEST_F(HttpCancelTest, AHandlerThatCancelsWhenItGoesIsFine) {
  struct Handler final : HttpHandler {
    Handler(HttpLoop& l, HttpLoop::RequestId o) : loop(l), other(o) {}
    ~Handler() override { loop.cancel(other); }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    bool on_head(const HttpHead&) override { return true; }
    bool on_body(std::span<const std::byte>) override { return true; }
    void on_end(const Status&) override {}
    HttpLoop& loop;
    HttpLoop::RequestId other;
  };
  on_loop([&] {
    HttpLoop::RequestId last = 0;
    for (int i = 0; i < 10; ++i) last = loop().start(request("/hang"), std::make_unique<Handler>(loop(), last));
    loop().cancel(last);
  });
  on_loop([] {});
  on_loop([&] {
    const auto id = loop().start(request("/hang"), std::make_unique<Handler>(loop(), 0));
    loop().start(request("/hang"), std::make_unique<Handler>(loop(), id));
  });
  stop();
}

TEST_F(HttpCancelTest, RandomStartsAndCancels) {
  std::atomic<int> destroyed{0};
  std::uint32_t seed = 42;
  const auto dice = [&seed](std::uint32_t sides) {
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8U) % sides;
  };
  std::vector<HttpLoop::RequestId> ids;
  for (int round = 0; round < 60; ++round) {
    on_loop([&] {
      for (int i = 0; i < 5; ++i) {
        const auto where = static_cast<Where>(dice(3));
        const bool go_on = dice(2) == 0;
        ids.push_back(loop().start(request(dice(4) == 0 ? "/hang" : "/"), std::make_unique<Actor>(
                                                                              where,
                                                                              [&, pick = dice(1000), go_on] {
                                                                                loop().cancel(ids[pick % ids.size()]);
                                                                                return go_on;
                                                                              },
                                                                              destroyed)));
      }
      for (int i = 0; i < 3; ++i) loop().cancel(ids[dice(static_cast<std::uint32_t>(ids.size()))]);
    });
  }
  stop();
  EXPECT_EQ(destroyed, 300);
}

}  // namespace
}  // namespace hubfs::test
