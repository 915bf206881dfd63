// SPDX-License-Identifier: Apache-2.0
//
// Servers that break the protocol, hang, trickle or flood.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/core/hub/hub_fixture.h"
#include "tests/core/hub/raw_server.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class HttpWireTest : public HubFixture {
 protected:
  // One request to a server that follows `script` for its first request.
  Outcome get_from(const RawServer::Script& script, const std::function<void(HttpRequest&)>& change = {}) {
    RawServer server(script);
    HttpRequest request;
    request.url = server.url("/");
    request.idle_timeout = milliseconds(2000);
    if (change) change(request);
    const auto before = Clock::now();
    Outcome outcome = get(request);
    took_ = std::chrono::duration_cast<milliseconds>(Clock::now() - before);
    return outcome;
  }
  Outcome get_bytes(const std::string& bytes) {
    return get_from([&](const RawRequest&, RawConnection& c) {
      c.send(bytes);
      c.close();
    });
  }
  milliseconds took_{0};
};

TEST_F(HttpWireTest, ABodyCutShortIsCut) {
  const Outcome outcome = get_bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kBadContent);
  EXPECT_EQ(outcome.end.error().sys_errno, ECONNRESET);
  EXPECT_EQ(outcome.body, "abc");
}

TEST_F(HttpWireTest, AResetIsCut) {
  const Outcome outcome = get_from([](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    c.wait(milliseconds(50));
    c.reset();
  });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().sys_errno, ECONNRESET);
}

TEST_F(HttpWireTest, ACutChunkedBodyIsCut) {
  const Outcome outcome = get_bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n9\r\nabc");
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().sys_errno, ECONNRESET);
}

TEST_F(HttpWireTest, NoAnswerAtAllIsCut) {
  const Outcome outcome = get_bytes("");
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().sys_errno, ECONNRESET);
}

TEST_F(HttpWireTest, GarbageIsBadContent) {
  for (const char* bytes : {"garbage\r\n\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 abc\r\n\r\nx", "\r\n\r\n"}) {
    const Outcome outcome = get_bytes(bytes);
    ASSERT_FALSE(outcome.end) << bytes;
    EXPECT_EQ(outcome.end.error().kind, ErrorKind::kBadContent) << bytes;
  }
}

TEST_F(HttpWireTest, InterimAnswersAreSkipped) {
  const Outcome outcome =
      get_bytes("HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 1\r\n\r\nx");
  ASSERT_TRUE(outcome.end) << outcome.end.error().message;
  EXPECT_EQ(outcome.heads, 1);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.head.header("x-a"), "");
  EXPECT_EQ(outcome.head.header("x-b"), "2");
}

TEST_F(HttpWireTest, RedirectsAreNotFollowedAndTrailersAreNoHead) {
  const Outcome moved = get_bytes(redirect("http://127.0.0.1:1/"));
  ASSERT_TRUE(moved.end);
  EXPECT_EQ(moved.status, 302);
  const Outcome trailer =
      get_bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n");
  ASSERT_TRUE(trailer.end) << trailer.end.error().message;
  EXPECT_EQ(trailer.heads, 1);
  EXPECT_EQ(trailer.body, "a");
}

TEST_F(HttpWireTest, CompressedBodiesAreNotUnpacked) {
  const Outcome outcome = get_bytes(answer(200, "Content-Encoding: gzip\r\n", "\x1f\x8bxyz"));
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.body, "\x1f\x8bxyz");
}

TEST_F(HttpWireTest, SilenceTimesOutToTheMillisecond) {
  const Outcome outcome = get_from([](const RawRequest&, RawConnection& c) { c.hang(); },
                                   [](HttpRequest& r) { r.idle_timeout = milliseconds(150); });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout);
  EXPECT_GE(took_, milliseconds(150));
  EXPECT_LT(took_, milliseconds(1000));
}

TEST_F(HttpWireTest, SilenceInTheBodyTimesOut) {
  const Outcome outcome = get_from(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        c.hang();
      },
      [](HttpRequest& r) { r.idle_timeout = milliseconds(150); });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout);
  EXPECT_EQ(outcome.body, "abc");
}

TEST_F(HttpWireTest, ASlowButSteadyBodyIsNotSilence) {
  const Outcome outcome = get_from(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for (int i = 0; i < 10 && c.wait(milliseconds(60)); ++i) c.send("x");
      },
      [](HttpRequest& r) { r.idle_timeout = milliseconds(400); });
  EXPECT_TRUE(outcome.end) << outcome.end.error().message;
}

TEST_F(HttpWireTest, ATrickleBelowTheMinimumSpeedTimesOut) {
  const Outcome outcome = get_from(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while (c.wait(milliseconds(20)) && c.send("x")) {
        }
      },
      [](HttpRequest& r) { r.min_speed_window = milliseconds(300); });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout) << outcome.end.error().message;
  EXPECT_GE(took_, milliseconds(300));
}

TEST_F(HttpWireTest, ATrickleOfHeaderLinesTimesOutToo) {
  const Outcome outcome = get_from(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\n");
        while (c.wait(milliseconds(20)) && c.send("X-A: b\r\n")) {
        }
      },
      [](HttpRequest& r) { r.min_speed_window = milliseconds(300); });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout);
  EXPECT_EQ(outcome.heads, 0);
}

TEST_F(HttpWireTest, TheTotalTimeHolds) {
  const Outcome outcome = get_from(
      [](const RawRequest&, RawConnection& c) {
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (c.wait(milliseconds(10)) && c.send("x")) {
        }
      },
      [](HttpRequest& r) { r.total_timeout = milliseconds(200); });
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout);
  EXPECT_LT(took_, milliseconds(1000));
}

TEST_F(HttpWireTest, AHeaderFloodIsRefused) {
  const auto flood = [](std::string_view begin, std::string_view line) {
    return [begin = std::string(begin), line = std::string(line)](const RawRequest&, RawConnection& c) {
      c.send(begin);
      for (int i = 0; i < 100'000 && c.send(line); ++i) {
      }
    };
  };
  for (const auto& script : {flood("HTTP/1.1 200 OK\r\n", "X-A: " + std::string(1000, 'y') + "\r\n"),
                             flood("HTTP/1.1 200 OK\r\nX-A: ", std::string(1000, 'y')),
                             flood("", "HTTP/1.1 103 Hints\r\nX-A: " + std::string(1000, 'y') + "\r\n\r\n")}) {
    const Outcome outcome = get_from(script, [](HttpRequest& r) { r.max_head_bytes = 64U * 1024U; });
    ASSERT_FALSE(outcome.end);
    EXPECT_EQ(outcome.end.error().kind, ErrorKind::kBadContent) << outcome.end.error().message;
    EXPECT_EQ(outcome.heads, 0);
  }
}

TEST_F(HttpWireTest, LargeBodiesArriveWhole) {
  const std::string body = pattern(8U << 20U);
  const Outcome outcome = get_from([&](const RawRequest&, RawConnection& c) { c.send(answer(200, "", body)); });
  ASSERT_TRUE(outcome.end);
  EXPECT_TRUE(outcome.body == body);
}

}  // namespace
}  // namespace hubfs::test
