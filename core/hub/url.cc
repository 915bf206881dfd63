// SPDX-License-Identifier: Apache-2.0
#include "core/hub/url.h"

#include <algorithm>
#include <charconv>

namespace hubfs {

namespace {

constexpr std::size_t kMaxUrl = 32U * 1024U;
constexpr std::size_t kMaxHost = 255;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// The length of "scheme:" at the start of `text`, or 0.
std::size_t scheme_length(std::string_view text) {
  if (text.empty() || !is_alpha(text.front())) return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':') return i + 1;
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return 0;
  }
  return 0;
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  if (host.front() == '[') {
    return host.size() > 2 && host.back() == ']' && std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
             return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
           });
  }
  return host.front() != '-' && host.front() != '.' && std::all_of(host.begin(), host.end(), [](char c) {
           return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
         });
}

std::optional<int> parse_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.size() > 5 || port < 1 || port > 65535) {
    return std::nullopt;
  }
  return port;
}

// An absolute address in its parts; views into the text.
struct Parts {
  Origin origin;
  std::string_view root;   // "https://host:port" as written
  std::string_view path;   // "/…" or empty
  std::string_view query;  // "?…" or empty
};

std::optional<Parts> split(std::string_view url) {
  if (url.size() > kMaxUrl) return std::nullopt;
  const auto is_bad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\'; };
  if (std::any_of(url.begin(), url.end(), is_bad)) return std::nullopt;
  const std::size_t colon = scheme_length(url);
  if (colon == 0 || url.substr(colon, 2) != "//") return std::nullopt;
  Parts parts;
  parts.origin.scheme = lowered(url.substr(0, colon - 1));
  if (parts.origin.scheme != "http" && parts.origin.scheme != "https") return std::nullopt;
  const std::size_t authority_at = colon + 2;
  const std::size_t authority_end = std::min(url.find_first_of("/?#", authority_at), url.size());
  std::string_view authority = url.substr(authority_at, authority_end - authority_at);
  parts.origin.port = parts.origin.scheme == "https" ? 443 : 80;
  const std::size_t host_end = authority.starts_with('[') ? authority.find(']') : 0;
  if (host_end == std::string_view::npos) return std::nullopt;
  if (const std::size_t at = authority.find(':', host_end); at != std::string_view::npos) {
    const auto port = parse_port(authority.substr(at + 1));
    if (!port) return std::nullopt;
    parts.origin.port = *port;
    authority = authority.substr(0, at);
  }
  if (!is_host(authority)) return std::nullopt;
  parts.origin.host = lowered(authority);
  parts.root = url.substr(0, authority_end);
  const std::string_view rest = url.substr(authority_end, url.find('#', authority_end) - authority_end);
  const std::size_t query_at = std::min(rest.find('?'), rest.size());
  parts.path = rest.substr(0, query_at);
  parts.query = rest.substr(query_at);
  return parts;
}

// RFC 3986, 5.2.4: "." and ".." are taken out of a path that starts with "/".
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view part = path.substr(1, end - 1);
    const bool last = end == path.size();
    path.remove_prefix(end);
    if (part == "..") {
      const std::size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
    } else if (part != ".") {
      out += '/';
      out += part;
      continue;
    }
    if (last) out += '/';
  }
  return out.empty() ? "/" : out;
}

void append_percent(std::string& out, char c) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4U];
  out += kHex[byte & 15U];
}

// A Location as servers write it: spaces and raw UTF-8 encoded; nullopt when it holds control characters.
std::optional<std::string> repaired(std::string_view location) {
  while (location.starts_with(' ') || location.starts_with('\t')) location.remove_prefix(1);
  while (location.ends_with(' ') || location.ends_with('\t')) location.remove_suffix(1);
  std::string out;
  for (const char c : location) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return std::nullopt;
    if (byte == ' ' || byte >= 0x80) {
      append_percent(out, c);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string Origin::text() const { return scheme + "://" + host + ":" + std::to_string(port); }

std::optional<Origin> origin_of(std::string_view url) {
  auto parts = split(url);
  if (!parts) return std::nullopt;
  return std::move(parts->origin);
}

std::optional<std::string> resolve_url(std::string_view base, std::string_view location) {
  const auto from = split(base);
  auto target = repaired(location);
  if (!from || !target || target->size() > kMaxUrl) return std::nullopt;
  if (const std::size_t hash = target->find('#'); hash != std::string::npos) target->resize(hash);
  const std::string_view text = *target;
  std::string url;
  if (scheme_length(text) != 0) {
    url = text;
  } else if (text.starts_with("//")) {
    url = from->origin.scheme + ":" + *target;
  } else {
    const std::size_t query_at = std::min(text.find('?'), text.size());
    std::string_view query = text.substr(query_at);
    std::string path(text.substr(0, query_at));
    if (path.empty()) {
      path = from->path;
      if (query.empty()) query = from->query;
    } else if (!path.starts_with('/')) {
      path = std::string(from->path.substr(0, from->path.rfind('/') + 1)) + path;
      if (!path.starts_with('/')) path.insert(0, 1, '/');
    }
    url = std::string(from->root) + without_dots(path) + std::string(query);
  }
  if (!split(url)) return std::nullopt;
  return url;
}

std::string url_encode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/')) {
      out += c;
    } else {
      append_percent(out, c);
    }
  }
  return out;
}

}  // namespace hubfs
