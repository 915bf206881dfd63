// SPDX-License-Identifier: Apache-2.0
//
// Where calls are led, and what goes along.
#include <gtest/gtest.h>

#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {
namespace {

using std::chrono::milliseconds;

const std::string kContent = pattern(5000);

class RedirectTest : public HubFixture {
 protected:
  RedirectTest() : cdn_([](const RawRequest& r, RawConnection& c) { c.send(range_of(r, kContent)); }) {}
  ~RedirectTest() override { stop(); }
  void serve(RawServer::Script script) {
    server_ = std::make_unique<RawServer>(std::move(script));
    HubOptions options;
    options.endpoint = server_->url();
    options.token = "hf_secret";
    options.idle_timeout = milliseconds(1000);
    connect(options);
  }
  void serve_redirect(const std::string& to, int status = 302) {
    serve([to, status](const RawRequest&, RawConnection& c) { c.send(redirect(to, "", status)); });
  }
  Outcome fetch_all() { return fetch(range(kContent.size(), 0, kContent.size() - 1)); }
  void expect_refused(const std::string& words) {
    const Outcome outcome = fetch_all();
    ASSERT_FALSE(outcome.result);
    EXPECT_EQ(outcome.result.error().error.kind, ErrorKind::kBadContent);
    EXPECT_FALSE(outcome.result.error().retryable);
    EXPECT_NE(outcome.result.error().error.message.find(words), std::string::npos)
        << outcome.result.error().error.message;
    EXPECT_EQ(outcome.heads, 0);
  }
  RawServer cdn_;
};

TEST_F(RedirectTest, AnotherOriginGetsNoToken) {
  for (const int status : {301, 302, 303, 307, 308}) {
    serve_redirect(cdn_.url("/signed?Signature=s3cr3t"), status);
    const Outcome outcome = fetch_all();
    ASSERT_TRUE(outcome.result) << outcome.result.error().error.message;
    EXPECT_TRUE(outcome.body == kContent);
    EXPECT_EQ(server_->requests().at(0).header("authorization"), "Bearer hf_secret");
  }
  for (const RawRequest& r : cdn_.requests()) {
    EXPECT_FALSE(r.headers.contains("authorization")) << "another port is another origin";
    EXPECT_EQ(r.target, "/signed?Signature=s3cr3t");
    EXPECT_EQ(r.header("range"), "bytes=0-4999");
  }
}

TEST_F(RedirectTest, TheHubsOwnOriginKeepsTheToken) {
  serve([](const RawRequest& r, RawConnection& c) {
    if (r.target.starts_with("/new/")) return (void)c.send(range_of(r, kContent));
    c.send(redirect("/new/place"));
  });
  ASSERT_TRUE(fetch_all().result);
  EXPECT_EQ(server_->requests().at(1).header("authorization"), "Bearer hf_secret");
}

TEST_F(RedirectTest, ATokenOnceDroppedStaysDropped) {
  RawServer detour([this](const RawRequest&, RawConnection& c) { c.send(redirect(server_->url("/back"))); });
  const Quit quit(*this);
  serve([&](const RawRequest& r, RawConnection& c) {
    if (r.target == "/back") return (void)c.send(range_of(r, kContent));
    c.send(redirect(detour.url("/")));
  });
  ASSERT_TRUE(fetch_all().result);
  EXPECT_FALSE(server_->requests().at(1).headers.contains("authorization"));
}

TEST_F(RedirectTest, AHostNameForTheSameServerIsAnotherOrigin) {
  serve_redirect("");
  const int port = server_->port();
  serve([port](const RawRequest& r, RawConnection& c) {
    if (r.header("host").starts_with("localhost")) return (void)c.send(range_of(r, kContent));
    c.send(redirect("http://localhost:" + r.header("host").substr(10) + "/" + std::to_string(port)));
  });
  ASSERT_TRUE(fetch_all().result);
  EXPECT_FALSE(server_->requests().at(1).headers.contains("authorization"));
}

TEST_F(RedirectTest, OtherSchemesAreRefused) {
  for (const char* to : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "javascript:x", "",
                         "http://", "http://u:p@127.0.0.1/"}) {
    serve_redirect(to);
    expect_refused("redirected to nowhere");
  }
  serve([](const RawRequest&, RawConnection& c) { c.send(answer(302, "", "")); });
  expect_refused("redirected to nowhere");
}

TEST_F(RedirectTest, LoopsEnd) {
  serve([](const RawRequest& r, RawConnection& c) { c.send(redirect(r.target)); });
  expect_refused("too often");
  EXPECT_EQ(server_->requests().size(), 11U);
}

TEST_F(RedirectTest, TenHopsAreFine) {
  serve([](const RawRequest& r, RawConnection& c) {
    const int hop = r.target.starts_with("/hop") ? std::atoi(r.target.c_str() + 4) : 0;
    if (hop == 10) return (void)c.send(range_of(r, kContent));
    c.send(redirect("/hop" + std::to_string(hop + 1)));
  });
  EXPECT_TRUE(fetch_all().result);
}

TEST_F(RedirectTest, ARedirectsBodyDoesNotMatter) {
  serve([this](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 302 Found\r\nContent-Length: 100000000\r\nLocation: " + cdn_.url("/x") + "\r\n\r\n");
    const std::string junk(100'000, 'j');
    while (c.send(junk)) {
    }
  });
  EXPECT_TRUE(fetch_all().result);
  serve([this](const RawRequest&, RawConnection& c) {
    c.send("HTTP/1.1 302 Found\r\nContent-Length: 100\r\nLocation: " + cdn_.url("/x") + "\r\n\r\ncut");
    c.close();
  });
  EXPECT_TRUE(fetch_all().result);
}

TEST_F(RedirectTest, ErrorsNeverShowAddressesOrTokens) {
  RawServer bad([](const RawRequest&, RawConnection& c) { c.send(answer(403, "X-Error-Message: no\r\n", "")); });
  const Quit quit(*this);
  serve_redirect(bad.url("/x?Signature=s3cr3t"));
  const Outcome refused = fetch_all();
  ASSERT_FALSE(refused.result);
  EXPECT_EQ(refused.result.error().error.kind, ErrorKind::kAccessDenied);
  EXPECT_EQ(refused.result.error().http_status, 403);
  const std::string& message = refused.result.error().error.message;
  EXPECT_EQ(message.find("s3cr3t"), std::string::npos) << message;
  EXPECT_EQ(message.find("hf_secret"), std::string::npos) << message;
  EXPECT_NE(message.find("org/name"), std::string::npos) << message;
  serve_redirect("http://127.0.0.1:1/x?Signature=s3cr3t");
  const Outcome gone = fetch_all();
  ASSERT_FALSE(gone.result);
  EXPECT_EQ(gone.result.error().error.kind, ErrorKind::kUnreachable);
  EXPECT_EQ(gone.result.error().error.message.find("s3cr3t"), std::string::npos) << gone.result.error().error.message;
}

}  // namespace
}  // namespace hubfs::test
