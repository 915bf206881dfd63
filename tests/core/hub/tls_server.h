// SPDX-License-Identifier: Apache-2.0
//
// A server that speaks TLS with a certificate nobody knows, for tests of what a client trusts.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <string>
#include <thread>

#include "core/base/unique_fd.h"

namespace hubfs::test {

class TlsServer {
 public:
  /// Answers every request with 200 and "secure"; the certificate is self-signed, for the address 127.0.0.1.
  TlsServer();
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }
  [[nodiscard]] const std::string& certificate_pem() const { return pem_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const;
  };
  void make_certificate();
  void serve();
  void answer(int fd);

  std::unique_ptr<SSL_CTX, Free> context_;
  std::string pem_;
  UniqueFd listener_;
  UniqueFd stop_fd_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace hubfs::test
