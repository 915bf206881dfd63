// SPDX-License-Identifier: Apache-2.0
//
// An environment in which no Hugging Face variable is set but those of the test, and the old one again at its end.
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace hubfs::test {

class CleanEnvironment {
 public:
  CleanEnvironment() {
    for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_ENDPOINT",
                             "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
                             "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HOME"}) {
      keep(name);
      ::unsetenv(name);
    }
    // Not the home of who runs the tests: a token may lie there.
    set("HOME", "/nonexistent");
  }
  ~CleanEnvironment() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  CleanEnvironment(const CleanEnvironment&) = delete;
  CleanEnvironment& operator=(const CleanEnvironment&) = delete;

  void set(const std::string& name, const std::string& value) {
    keep(name);
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  void unset(const std::string& name) {
    keep(name);
    ::unsetenv(name.c_str());
  }

 private:
  void keep(const std::string& name) {
    if (before_.contains(name)) return;
    const char* value = std::getenv(name.c_str());
    before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace hubfs::test
