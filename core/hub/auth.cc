// SPDX-License-Identifier: Apache-2.0
#include "core/hub/auth.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>

#include "core/base/file_io.h"

namespace hubfs {

namespace {

using Environment = std::function<std::optional<std::string>(const char*)>;

constexpr off_t kMaxToken = 64 * 1024;

bool is_true(std::string_view text) {
  std::string upper;
  for (const char c : text) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// nullopt for an empty value: Python goes on to the next source then. Only visible ASCII makes a token.
std::optional<std::string> as_token(std::string_view value, const std::string& source, std::string* problem) {
  const std::string_view token = trimmed(value);
  if (token.empty()) return std::nullopt;
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
    if (problem != nullptr) *problem = "the token in " + source + " has characters that no token has; it is not used";
    return std::nullopt;
  }
  return std::string(token);
}

// As Python's expanduser and expandvars: "~/…" at the start, $NAME and ${NAME} anywhere; unknown names stay as written.
std::string expanded(std::string_view path, const Environment& env) {
  std::string out;
  if (path == "~" || path.starts_with("~/")) {
    if (const auto home = env("HOME")) {
      out = *home;
      path.remove_prefix(1);
    }
  }
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  while (!path.empty()) {
    const bool braced = path.starts_with("${");
    const std::size_t from = braced ? 2 : 1;
    std::size_t end = from;
    while (end < path.size() && is_name(path[end])) ++end;
    const bool is_variable = path.front() == '$' && end > from && (!braced || (end < path.size() && path[end] == '}'));
    const auto value = is_variable ? env(std::string(path.substr(from, end - from)).c_str()) : std::nullopt;
    out += value ? std::string_view(*value) : path.substr(0, 1);
    path.remove_prefix(value ? end + (braced ? 1 : 0) : 1);
  }
  return out;
}

// Symlinks are followed: containers mount secrets as links. Never waits for a fifo.
Result<std::string> read_token_file(const std::string& path) {
  auto fd = open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0) return fail_errno(path);
  if (!S_ISREG(st.st_mode) || st.st_size < 0 || st.st_size > kMaxToken) {
    return fail(ErrorKind::kInvalid, path + ": not a regular file of a token's size");
  }
  std::string content(static_cast<std::size_t>(st.st_size), '\0');
  const Status read = pread_all(fd->get(), std::as_writable_bytes(std::span(content.data(), content.size())), 0);
  if (!read) return std::unexpected(read.error());
  return content;
}

}  // namespace

std::optional<std::string> find_token(const Environment& env, const std::string& hf_home, std::string* problem) {
  if (const auto off = env("HF_HUB_DISABLE_IMPLICIT_TOKEN"); off && is_true(*off)) return std::nullopt;
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const auto value = env(name);
    // A source that is set decides, also when its value cannot be used: falling back to another account would surprise.
    if (value && !trimmed(*value).empty()) return as_token(*value, name, problem);
  }
  const auto path = env("HF_TOKEN_PATH");
  const std::string file = path ? expanded(*path, env) : hf_home + "/token";
  const auto content = read_token_file(file);
  if (content) return as_token(*content, file, problem);
  if (content.error().kind != ErrorKind::kNotFound && problem != nullptr) {
    *problem = "the token file cannot be read: " + content.error().message;
  }
  return std::nullopt;
}

}  // namespace hubfs
