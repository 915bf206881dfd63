// SPDX-License-Identifier: Apache-2.0
//
// A request and an answer, as the endpoints see them: free of sockets and of the HTTP library.
#ifndef HUBFS_TESTS_HUB_MESSAGE_H_
#define HUBFS_TESTS_HUB_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/hub/content.h"
#include "tests/hub/fault.h"
#include "tests/hub/url.h"

namespace hubfs::testing {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HubRequest {
  OriginKind origin = OriginKind::kHub;
  std::string method;
  std::string target;                 // as sent: path and query
  std::string path;                   // as sent, escapes kept
  std::string query_text;             // as sent
  std::vector<std::string> segments;  // of the path, each decoded: an escaped slash does not split
  Query query;
  Headers headers;  // names in lower case
  std::string body;
  bool expired_url = false;  // a fault: sign the redirect as run out

  // Empty if it is not there. `name` in lower case.
  std::string header(std::string_view name) const;
  // The token of "Authorization: Bearer …"; nothing without that header.
  std::optional<std::string> token() const;
};

struct Answer {
  int status = 200;
  Headers headers;        // without Content-Length, unless a fault wants to lie
  std::string body = {};  // if there is no content
  ContentPtr content;
  std::uint64_t offset = 0;  // in content
  std::uint64_t length = 0;
  std::uint64_t padding = 0;  // zeros after it, from a fault

  std::string kind = "other";  // as LogEntry
  std::string file = {};

  std::uint64_t body_size() const { return (content ? length : body.size()) + padding; }
  // Replaces a header of that name, in any case.
  void set(std::string_view name, std::string value);
  void drop(std::string_view name);
  const std::string* find(std::string_view name) const;
};

std::string_view reason_phrase(int status);

Answer json_answer(const nlohmann::json& json, int status = 200);
// As the Hub refuses: X-Error-Code and X-Error-Message, and a body that says the same.
Answer error_answer(int status, std::string_view code, std::string_view message);
Answer redirect_answer(int status, const std::string& location);

// Fills in `content` of an answer as the Range and If-Range headers ask: 200, 206, or 416 without content.
void answer_with_content(const HubRequest& request, ContentPtr content, const std::string& etag, Answer& answer);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_MESSAGE_H_
