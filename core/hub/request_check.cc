// SPDX-License-Identifier: Apache-2.0
#include "core/hub/request_check.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "core/hub/url.h"

namespace hubfs {

namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Result<RequestTarget> check_request(const HttpRequest& request) {
  const auto origin = origin_of(request.url);
  if (!origin) return fail(ErrorKind::kInvalid, "not an http or https address that hubfs can use");
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
    return fail(ErrorKind::kInvalid, "unknown HTTP method");
  }
  if (std::any_of(request.headers.begin(), request.headers.end(), has_control)) {
    return fail(ErrorKind::kInvalid, "a request header with control characters");
  }
  return RequestTarget{origin->text(), origin->host + ":" + std::to_string(origin->port)};
}

CaSource ca_from_environment() {
  for (const char* name : {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): as documented
    if (value == nullptr || *value == '\0') continue;
    std::error_code ignored;
    if (std::filesystem::is_directory(value, ignored)) return {"", value};
    return {value, ""};
  }
  return {};
}

}  // namespace hubfs
