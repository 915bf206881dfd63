// SPDX-License-Identifier: Apache-2.0
//
// Addresses: percent-encoding, query strings, and the globs that pick requests.
#ifndef HUBFS_TESTS_HUB_URL_H_
#define HUBFS_TESTS_HUB_URL_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hubfs::testing {

using Query = std::vector<std::pair<std::string, std::string>>;

// Everything but unreserved characters and those in `keep` becomes %XX.
std::string percent_encode(std::string_view text, std::string_view keep = "");
// Malformed escapes stay as they are. `plus_is_space` for forms and queries.
std::string percent_decode(std::string_view text, bool plus_is_space = false);
std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::size_t from, char separator);
// A query string or a form body, in order, names may repeat.
Query parse_query(std::string_view text);
// The first value of a name, or `fallback`.
std::string query_value(const Query& query, std::string_view name, std::string_view fallback = "");
bool query_flag(const Query& query, std::string_view name);
// `*` is any run of characters, slashes too; `?` is one character.
bool glob_match(std::string_view pattern, std::string_view text);
std::string lower_case(std::string_view text);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_URL_H_
