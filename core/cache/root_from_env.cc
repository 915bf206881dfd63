// SPDX-License-Identifier: Apache-2.0
//
// Which folder is the cache: the rules of huggingface_hub's constants.py.
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "core/cache/cache_root.h"

namespace hubfs {

namespace {

bool is_variable_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The home of `user` in the password database, of the process's own user when empty.
std::optional<std::string> home_from_database(const std::string& user) {
  std::vector<char> buffer(std::size_t{64} << 10U);
  struct passwd entry{};
  struct passwd* found = nullptr;
  const int err = user.empty() ? ::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found)
                               : ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (err != 0 || found == nullptr) return std::nullopt;
  return std::string(found->pw_dir);
}

std::string expand_user(const std::string& text, const Environment& env) {
  if (text.empty() || text.front() != '~') return text;
  const std::size_t slash = text.find('/');
  const std::string user = text.substr(1, slash == std::string::npos ? std::string::npos : slash - 1);
  std::optional<std::string> home = user.empty() ? env("HOME") : std::nullopt;
  if (!home) home = home_from_database(user);
  if (!home) return text;
  while (!home->empty() && home->back() == '/') home->pop_back();
  if (slash != std::string::npos) *home += text.substr(slash);
  return home->empty() ? "/" : *home;
}

// "$NAME" and "${NAME}"; unknown ones stay as they are, and a value is not expanded again.
std::string expand_vars(const std::string& text, const Environment& env) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at + 1;
    std::string name;
    if (text[at] == '$' && end < text.size() && text[end] == '{') {
      const std::size_t close = text.find('}', end);
      if (close != std::string::npos) {
        name = text.substr(end + 1, close - end - 1);
        end = close + 1;
      }
    } else if (text[at] == '$') {
      while (end < text.size() && is_variable_char(text[end])) ++end;
      name = text.substr(at + 1, end - at - 1);
    }
    const std::optional<std::string> value = name.empty() ? std::nullopt : env(name.c_str());
    out += value ? *value : text.substr(at, end - at);
    at = end;
  }
  return out;
}

// A path that a variable gave, expanded; refused when Python would make it relative to the current folder.
Result<std::string> absolute_from(const char* variable, const std::string& raw, const Environment& env) {
  const std::string path = expand_user_and_vars(raw, env);
  if (raw.empty() || path.empty()) {
    return fail(ErrorKind::kInvalid, std::string(variable) +
                                         " is set but empty: Hugging Face clients would then use the current folder as "
                                         "the cache. Unset it, or set it to an absolute path.");
  }
  if (path.front() != '/') {
    return fail(ErrorKind::kInvalid, std::string(variable) + " is \"" + raw +
                                         "\", a relative path: the cache would be another folder for every current "
                                         "folder. Set it to an absolute path.");
  }
  return path;
}

std::string join(std::string path, const char* name) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path == "/" ? path + name : path + "/" + name;
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

bool env_flag(const Environment& env, const char* name) {
  std::string value = env(name).value_or("");
  for (char& c : value) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return value == "1" || value == "on" || value == "yes" || value == "true";
}

std::string expand_user_and_vars(const std::string& text, const Environment& env) {
  return expand_vars(expand_user(text, env), env);
}

Result<std::string> hf_home(const Environment& env) {
  if (const auto home = env("HF_HOME")) return absolute_from("HF_HOME", *home, env);
  if (const auto xdg = env("XDG_CACHE_HOME")) {
    auto base = absolute_from("XDG_CACHE_HOME", *xdg, env);
    return base ? Result<std::string>(join(*base, "huggingface")) : base;
  }
  return absolute_from("HOME", "~/.cache/huggingface", env);
}

Result<std::string> default_cache_root(const Environment& env) {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto value = env(variable)) return absolute_from(variable, *value, env);
  }
  auto home = hf_home(env);
  return home ? Result<std::string>(join(*home, "hub")) : home;
}

}  // namespace hubfs
