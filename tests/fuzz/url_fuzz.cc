// SPDX-License-Identifier: Apache-2.0
// Addresses, and where redirects lead. The token goes by what we take for the origin, the connection by what libcurl
// takes for it: the two must never differ. Input: a base and a Location.
#include <curl/curl.h>

#include <memory>

#include "core/hub/url.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

namespace {

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

std::string lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void check_same_origin_as_curl(const std::string& address) {
  const auto origin = origin_of(address);
  if (!origin) return;
  must(origin->scheme == "http" || origin->scheme == "https", "only http and https");
  must(!origin->host.empty() && origin->port >= 1 && origin->port <= 65535, "a host and a port");
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), &curl_url_cleanup);
  // What libcurl refuses is never connected to.
  if (curl_url_set(url.get(), CURLUPART_URL, address.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK) return;
  must(lowered(part_of(url.get(), CURLUPART_SCHEME)) == origin->scheme, "libcurl sees the same scheme");
  must(part_of(url.get(), CURLUPART_PORT) == std::to_string(origin->port), "libcurl sees the same port");
  must(part_of(url.get(), CURLUPART_USER).empty() && part_of(url.get(), CURLUPART_PASSWORD).empty(),
       "no user in an address");
  const std::string host = lowered(part_of(url.get(), CURLUPART_HOST));
  // libcurl writes numbers for hosts in their usual form ("0x7f.1" as "127.0.0.1"): another spelling of what is no
  // name.
  const bool is_number =
      !host.empty() && (host.front() == '[' || host.find_first_not_of("0123456789.") == std::string::npos);
  must(host == origin->host || is_number, "libcurl sees the same host");
}

}  // namespace

void check(std::string_view input) {
  const std::string base(take_part(input));
  const std::string location(take_part(input));
  check_same_origin_as_curl(base);
  check_same_origin_as_curl(location);
  // A base is an address that was asked for, so without what servers leave unencoded.
  const auto from = resolve_url(base, base);
  if (!from) return;
  check_same_origin_as_curl(*from);
  const auto url = resolve_url(*from, location);
  if (!url) return;
  must(origin_of(*url).has_value(), "a redirect leads to an address that can be used");
  must(url->size() <= 64U * 1024U, "of bounded length");
  for (const char c : *url)
    must(static_cast<unsigned char>(c) > 0x20 && c != 0x7f, "without spaces and control characters");
  check_same_origin_as_curl(*url);
  must(resolve_url(*from, *url) == url, "and is itself when resolved again");
  const bool is_absolute = location.find("//") != std::string::npos;
  must(is_absolute || origin_of(*url) == origin_of(*from), "a relative one stays at its origin");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
