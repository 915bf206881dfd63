// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class ResolveTest : public HubFixture {
 protected:
  void serve(RawServer::Script script, std::optional<std::string> token = std::nullopt) {
    server_ = std::make_unique<RawServer>(std::move(script));
    HubOptions options;
    options.endpoint = server_->url("/");
    options.token = std::move(token);
    options.idle_timeout = milliseconds(1000);
    connect(options);
  }
  ~ResolveTest() override { stop(); }
};

const std::string kSha(40, 'a');

TEST_F(ResolveTest, AsksTheApi) {
  serve(
      [](const RawRequest&, RawConnection& c) {
        c.send(
            answer(200, "", R"({"id":"x","siblings":[{"sha":"no","x":[{}]}],"sha":")" + kSha + R"(","z":{"sha":1}})"));
      },
      "hf_secret");
  const auto sha = resolve("org/name", "refs/pr/1");
  ASSERT_TRUE(sha) << sha.error().error.message;
  EXPECT_EQ(sha->text(), kSha);
  ASSERT_TRUE(resolve("gpt2", std::nullopt));
  EXPECT_EQ(server_->requests().at(0).target, "/api/models/org/name/revision/refs%2Fpr%2F1");
  EXPECT_EQ(server_->requests().at(0).header("authorization"), "Bearer hf_secret");
  EXPECT_EQ(server_->requests().at(1).target, "/api/models/gpt2");
}

TEST_F(ResolveTest, RefusesAnswersWithoutACommit) {
  std::string body;
  const Quit quit(*this);
  serve([&](const RawRequest&, RawConnection& c) { c.send(answer(200, "", body)); });
  for (const char* bad :
       {"", "{}", "[]", "null", R"({"sha":1})", R"({"sha":"abc"})", R"({"sha":null})", "<html>",
        R"({"x":{"sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}})",
        R"({"sha":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})", R"({"sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")",
        R"({"sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}x)"}) {
    body = bad;
    const auto sha = resolve("org/name", "main");
    ASSERT_FALSE(sha) << bad;
    EXPECT_EQ(sha.error().error.kind, ErrorKind::kBadContent);
    EXPECT_FALSE(sha.error().retryable);
    EXPECT_NE(sha.error().error.message.find("org/name"), std::string::npos);
  }
}

TEST_F(ResolveTest, RefusesAnEndlessAnswer) {
  serve([](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 200 OK\r\n\r\n{\"x\":\"");
    const std::string piece(65536, 'x');
    while (c.send(piece)) {
    }
  });
  const auto sha = resolve("org/name", "main");
  ASSERT_FALSE(sha);
  EXPECT_EQ(sha.error().error.kind, ErrorKind::kBadContent);
}

TEST_F(ResolveTest, TheLimitBoundsTheWholeCall) {
  serve([](const RawRequest&, RawConnection& c) {
    c.wait(milliseconds(100));
    c.send(redirect("/again"));
  });
  const auto before = Clock::now();
  const auto sha = resolve("org/name", "main", milliseconds(250));
  EXPECT_LT(Clock::now() - before, milliseconds(800));
  ASSERT_FALSE(sha);
  EXPECT_EQ(sha.error().error.kind, ErrorKind::kTimeout);
  EXPECT_TRUE(sha.error().retryable);
}

TEST_F(ResolveTest, ClassifiesRefusals) {
  serve([](const RawRequest& r, RawConnection& c) {
    if (r.target.ends_with("none")) return (void)c.send(answer(404, "X-Error-Code: RevisionNotFound\r\n", "{}"));
    if (r.target.ends_with("gated")) return (void)c.send(answer(401, "X-Error-Code: GatedRepo\r\n", "{}"));
    c.send(answer(429, "Retry-After: 9\r\n", "{}"));
  });
  EXPECT_EQ(resolve("org/name", "none").error().error.kind, ErrorKind::kNotFound);
  EXPECT_EQ(resolve("org/name", "gated").error().error.kind, ErrorKind::kAccessDenied);
  const auto busy = resolve("org/name", "busy");
  EXPECT_EQ(busy.error().error.kind, ErrorKind::kBadContent);
  EXPECT_TRUE(busy.error().retryable);
  EXPECT_EQ(busy.error().retry_after, std::chrono::seconds(10));
  EXPECT_EQ(server_->connections(), 1) << "refusals keep the connection";
}

TEST_F(ResolveTest, TransportFaultsAreRetryable) {
  serve([](const RawRequest& r, RawConnection& c) {
    if (r.target.ends_with("hang")) return c.hang();
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    c.close();
  });
  const auto hang = resolve("org/name", "hang");
  EXPECT_EQ(hang.error().error.kind, ErrorKind::kTimeout);
  EXPECT_TRUE(hang.error().retryable);
  const auto cut = resolve("org/name", "cut");
  EXPECT_EQ(cut.error().error.kind, ErrorKind::kBadContent);
  EXPECT_TRUE(cut.error().retryable);
  EXPECT_EQ(cut.error().http_status, 0);
}

TEST_F(ResolveTest, OfflineAndUselessEndpointsFailAtOnceButNotInsideTheCall) {
  const Quit quit(*this);
  for (const bool offline : {true, false}) {
    HubOptions options;
    options.offline = offline;
    options.endpoint = offline ? "http://127.0.0.1:1" : "file:///etc";
    connect(options);
    std::promise<HubError> promise;
    HubCall call;
    bool inside = true;
    on_loop([&] {
      call = client().resolve(model("org/name"), std::nullopt, milliseconds(1000), [&](const auto& r) {
        EXPECT_FALSE(inside);
        promise.set_value(r.error());
      });
      inside = false;
    });
    const HubError error = promise.get_future().get();
    EXPECT_EQ(error.error.kind, offline ? ErrorKind::kUnreachable : ErrorKind::kInvalid);
    EXPECT_FALSE(error.retryable);
    on_loop([&] { call.cancel(); });
  }
}

TEST_F(ResolveTest, CancelledCallsAreSilentAndCallsMayOutliveTheClient) {
  const Quit quit(*this);
  serve([](const RawRequest&, RawConnection& c) { c.hang(); });
  std::vector<HubCall> calls;
  on_loop([&] {
    for (int i = 0; i < 5; ++i) {
      calls.push_back(
          client().resolve(model("org/name"), std::nullopt, milliseconds(0), [](const auto&) { ADD_FAILURE(); }));
    }
    calls[0].cancel();
    calls[1] = HubCall();
  });
  on_loop([&] { calls[2].cancel(); });
  stop();
  calls.clear();
}

TEST_F(ResolveTest, TheCallbackMayDropItsCallAndStartAnother) {
  const Quit quit(*this);
  serve([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", R"({"sha":")" + kSha + "\"}")); });
  std::promise<void> second;
  HubCall call;
  on_loop([&] {
    call = client().resolve(model("org/name"), std::nullopt, milliseconds(1000), [&](const auto&) {
      call = client().resolve(model("org/name"), "b", milliseconds(1000), [&](const auto& r) {
        EXPECT_TRUE(r);
        call.cancel();
        second.set_value();
      });
    });
  });
  second.get_future().wait();
  on_loop([] {});
}

}  // namespace
}  // namespace hubfs::test
