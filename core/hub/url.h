// SPDX-License-Identifier: Apache-2.0
//
// Addresses: where one leads (its origin decides who may see the token), how a redirect continues one, how text becomes
// part of one. Deliberately narrower than RFC 3986: an address that two parsers could read differently (user names,
// backslashes, percent or non-ASCII signs in the host) is refused, so that the origin checked here is always the one
// that libcurl connects to. Pure functions, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hubfs {

/// scheme, host, port of a URL, lower-cased, default ports filled in: the token goes only where this equals the Hub's.
struct Origin {
  std::string scheme;
  std::string host;  ///< an IPv6 address with its brackets
  int port = 0;
  bool operator==(const Origin&) const = default;
  /// "https://host:443"
  [[nodiscard]] std::string text() const;
};

/// nullopt unless `url` is an absolute http or https address that can be read in one way only.
std::optional<Origin> origin_of(std::string_view url);

/// `location` of a redirect from `base`, absolute or relative. nullopt unless the result is http or https. Without its
/// fragment; spaces and bytes outside ASCII are percent-encoded, as servers often forget to.
std::optional<std::string> resolve_url(std::string_view base, std::string_view location);

/// Percent-encodes everything but unreserved characters; with `keep_slash`, "/" stays.
std::string url_encode(std::string_view text, bool keep_slash);

}  // namespace hubfs
