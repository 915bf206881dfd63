// SPDX-License-Identifier: Apache-2.0
//
// One cache root (what HF_HUB_CACHE names), opened once, and the folder of hubfs's private state that belongs to it.
// Every path below is resolved relative to the root's descriptor, so a root that is renamed or recreated is noticed and
// never confused with another. Constant after construction; thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

/// Reads an environment variable: nullopt when unset (empty counts as set).
using Environment = std::function<std::optional<std::string>(const char* name)>;
[[nodiscard]] Environment process_environment();
/// True for "1", "on", "yes" and "true" in any case, as huggingface_hub reads its switches.
[[nodiscard]] bool env_flag(const Environment& env, const char* name);

/// The root as huggingface_hub 2.4.0 resolves it (HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, "~" and
/// "$VAR"), except that an empty or relative value is refused (kInvalid) with a sentence that says which variable and
/// why.
Result<std::string> default_cache_root(const Environment& env);

/// HF_HOME by the same rules (the token file lies there).
Result<std::string> hf_home(const Environment& env);

/// expanduser, then expandvars, as Python's os.path does.
[[nodiscard]] std::string expand_user_and_vars(const std::string& text, const Environment& env);

class CacheRoot {
 public:
  /// Opens (and with `create` makes) the root. `path` must be absolute; symlinks in it are resolved. Finds or makes the
  /// state folder on the same volume: `<parent>/.hubfs/<basename>` if a probe rename between it and the root works,
  /// else `<root>/.locks/.hubfs` (docs/decisions/0004). It has the root's own mode and group, and one that others than
  /// the cache's own writers could have tampered with is not used. A root that cannot be written has no state folder.
  static Result<std::shared_ptr<const CacheRoot>> open(const std::string& path, bool create);

  [[nodiscard]] const std::string& path() const { return path_; }  ///< absolute, resolved
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool has_state() const { return static_cast<bool>(state_fd_); }
  [[nodiscard]] int state_fd() const { return state_fd_.get(); }  ///< -1 without state
  [[nodiscard]] const std::string& state_path() const { return state_path_; }
  /// False once the folder at `path()` is no longer the one that was opened (removed, recreated, unmounted).
  [[nodiscard]] bool still_there() const;

 private:
  CacheRoot() = default;
  std::string path_;
  std::string state_path_;
  UniqueFd fd_;
  UniqueFd state_fd_;
};

using CacheRootPtr = std::shared_ptr<const CacheRoot>;

}  // namespace hubfs
