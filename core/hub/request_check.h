// SPDX-License-Identifier: Apache-2.0
//
// What is decided about a request before libcurl sees it. Internal to core/hub; thread-safe but for the environment.
#pragma once

#include <expected>
#include <string>

#include "core/base/error.h"
#include "core/hub/http_loop.h"

namespace hubfs {

struct RequestTarget {
  std::string connection_key;  ///< requests with the same key can share connections
  std::string host;            ///< "host:port", for messages
};

/// kInvalid for a request that must not be sent: another scheme, another method, control characters in a header.
Result<RequestTarget> check_request(const HttpRequest& request);

/// The certificates to trust, as people set them for curl and Python: CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE,
/// SSL_CERT_FILE, the first that is set. Both empty: libcurl's own. Reads the environment: call before threads change
/// it.
struct CaSource {
  std::string file;
  std::string folder;
};
CaSource ca_from_environment();

}  // namespace hubfs
