// SPDX-License-Identifier: Apache-2.0
//
// One cache root (what HF_HUB_CACHE names), opened once, and the folder of hubfs's private state that belongs to it.
// Every path below is resolved relative to the root's descriptor, so a root that is renamed or recreated is noticed and
// never confused with another: only follow() changes what the descriptors mean, whose numbers stay. Thread-safe.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/thread_annotations.h"
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
  [[nodiscard]] bool has_state() const { return has_state_; }
  [[nodiscard]] int state_fd() const { return has_state_ ? state_fd_.get() : -1; }  ///< -1 without state
  [[nodiscard]] std::string state_path() const;                                     ///< "" without state
  /// Why there is no state, in words: not there any more, read-only, not ours to write.
  [[nodiscard]] Error no_state() const;
  /// False once the folder at `path()` is no longer the one that was opened (removed, recreated, unmounted).
  [[nodiscard]] bool still_there() const;

  enum class Change : std::uint8_t {
    kNone,
    kGone,      ///< no cache is there now: everything answers ENOENT, and a volume that was detached is let go
    kReplaced,  ///< another folder is there, and is the cache from now on
    kWritable,  ///< there is a state folder now
  };
  /// Looks at what is at `path()` now, and goes along. Never to the folder that a vanished volume was mounted on. To be
  /// called by one thread, now and then.
  Change follow() const;

 private:
  CacheRoot() = default;
  void take_state() const;
  [[nodiscard]] bool may_be_followed(const struct stat& folder) const;

  std::string path_;
  dev_t device_ = 0;                         // when it was opened
  std::optional<std::size_t> mount_depth_;   // likewise: how much of path_ leads to the mount it was in
  UniqueFd fd_;
  UniqueFd state_fd_;
  mutable std::atomic<bool> has_state_{false};
  mutable std::atomic<bool> gone_{false};
  mutable std::atomic<int> state_error_{0};
  mutable Mutex mutex_;  ///< guards state_path_
  mutable std::string state_path_ GUARDED_BY(mutex_);
};

using CacheRootPtr = std::shared_ptr<const CacheRoot>;

}  // namespace hubfs
