// SPDX-License-Identifier: Apache-2.0
//
// What the environment decides: proxies and certificates.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/core/hub/hub_fixture.h"
#include "tests/core/hub/tls_server.h"

namespace hubfs::test {
namespace {

constexpr const char* kNames[] = {"http_proxy",     "https_proxy",        "HTTPS_PROXY",  "all_proxy",
                                  "ALL_PROXY",      "no_proxy",           "NO_PROXY",     "SSL_CERT_DIR",
                                  "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"};

// Starts its loop only after the test has set the environment, as the loop reads it.
class SurroundingsTest : public HubFixture {
 protected:
  SurroundingsTest() {
    for (const char* name : kNames) ::unsetenv(name);
    std::string folder = (std::filesystem::temp_directory_path() / "hubfs-tls-XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
  }
  ~SurroundingsTest() override {
    for (const char* name : kNames) ::unsetenv(name);
    std::filesystem::remove_all(folder_);
  }
  Outcome ask(const std::string& url) {
    restart();
    HttpRequest request;
    request.url = url;
    request.headers = {"Authorization: Bearer hf_secret"};
    return get(request);
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  std::filesystem::path folder_;
};

TEST_F(SurroundingsTest, HttpGoesThroughTheProxyUnlessExcepted) {
  RawServer proxy([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "proxied")); });
  RawServer direct([](const RawRequest&, RawConnection& c) { c.send(answer(200, "", "direct")); });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  EXPECT_EQ(ask("http://no-such-host.invalid/x").body, "proxied");
  EXPECT_EQ(proxy.requests().at(0).target, "http://no-such-host.invalid/x");
  ::setenv("no_proxy", "127.0.0.1", 1);
  EXPECT_EQ(ask(direct.url("/")).body, "direct");
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  EXPECT_EQ(ask("http://no-such-host.invalid/x").end.error().kind, ErrorKind::kUnreachable);
}

TEST_F(SurroundingsTest, AProxyForHttpsNeverSeesTheToken) {
  RawServer proxy([](const RawRequest&, RawConnection& c) { c.send(answer(403, "", "")); });
  ::setenv("https_proxy", proxy.url().c_str(), 1);
  const Outcome outcome = ask("https://no-such-host.invalid/x");
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kUnreachable) << outcome.end.error().message;
  EXPECT_EQ(outcome.heads, 0) << "a proxy's answer is not the server's";
  const RawRequest seen = proxy.requests().at(0);
  EXPECT_EQ(seen.method, "CONNECT");
  EXPECT_FALSE(seen.headers.contains("authorization"));
}

TEST_F(SurroundingsTest, UnknownCertificatesAreRefusedUntilTrusted) {
  TlsServer server;
  const Outcome refused = ask(server.url());
  ASSERT_FALSE(refused.end);
  EXPECT_EQ(refused.end.error().kind, ErrorKind::kBadContent);
  EXPECT_EQ(refused.end.error().sys_errno, 0) << "another try does not help";
  EXPECT_NE(refused.end.error().message.find("certificate"), std::string::npos) << refused.end.error().message;
  const std::string pem = write("ca.pem", server.certificate_pem());
  for (const char* name : {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    ::setenv(name, pem.c_str(), 1);
    const Outcome outcome = ask(server.url());
    EXPECT_TRUE(outcome.end) << name << ": " << outcome.end.error().message;
    EXPECT_EQ(outcome.body, "secure");
    ::unsetenv(name);
  }
  ::setenv("SSL_CERT_FILE", pem.c_str(), 1);
  ::setenv("CURL_CA_BUNDLE", "", 1);
  EXPECT_TRUE(ask(server.url()).end) << "empty is unset";
}

TEST_F(SurroundingsTest, AMissingCertificateFileIsSaidSo) {
  TlsServer server;
  ::setenv("REQUESTS_CA_BUNDLE", (folder_ / "none.pem").c_str(), 1);
  const Outcome outcome = ask(server.url());
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kBadContent);
  EXPECT_NE(outcome.end.error().message.find("TLS"), std::string::npos) << outcome.end.error().message;
}

TEST_F(SurroundingsTest, SilenceInTheHandshakeIsATimeout) {
  ::setenv("no_proxy", "*", 1);
  RawServer plain([](const RawRequest&, RawConnection&) {});
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(plain.port()) + "/";
  request.connect_timeout = std::chrono::milliseconds(300);
  restart();
  const Outcome outcome = get(request);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().kind, ErrorKind::kTimeout);
}

}  // namespace
}  // namespace hubfs::test
