// SPDX-License-Identifier: Apache-2.0
//
// What nobody needs in a cache, and its collection. plan_garbage() only reads; apply_garbage() takes the same plan and
// looks at each item again, under the lock that its writers hold, before it goes. The rules err on the side of keeping:
// nothing young (a client may be about to use it), nothing whose lock is held, nothing of a pinned repo, no lock file,
// no name that is not known, nothing of a `blobs` folder without the shared store's marker, no snapshot for having no
// ref. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

enum class GarbageKind : std::uint8_t {
  kOrphanBlob,     ///< a blob that no snapshot entry of any revision needs
  kIncomplete,     ///< an abandoned download of another client
  kTransient,      ///< a probe or a staged name that a client left in a folder of blobs
  kProbeFolder,    ///< a client's test whether links work
  kTemporary,      ///< an unfinished write of a ref, a listing, a manifest or a file of hubfs's own
  kDanglingBlob,   ///< a blob that is a link to a payload which is gone
  kDanglingEntry,  ///< a snapshot entry whose blob is gone
  kDeadRef,        ///< a ref to a snapshot that is not there; only when asked for
  kEmptyFolder,    ///< below a snapshot or below refs
  kPayload,        ///< of the shared store, without a reference
  kTrash,          ///< removed, but not yet deleted
  kKept,           ///< removed, and kept long enough
  kPartial,        ///< a download of hubfs's own that no mount can go on with
};
/// "orphan-blob", "incomplete", …: for people and for JSON.
std::string_view name_of(GarbageKind kind);

struct GarbageItem {
  GarbageKind kind = GarbageKind::kTemporary;
  std::optional<RepoKey> repo;  ///< whose it is; none for what lies beside the repos
  bool in_state = false;        ///< `path` is relative to the private state, not to the root
  std::string path;
  std::uint64_t bytes = 0;  ///< on disk that come back
  std::string why;
};

/// Something that looks like garbage, or strange, and is left alone.
struct GarbageLeft {
  std::string path;
  std::string why;
};

struct GarbagePlan {
  std::vector<GarbageItem> items;  ///< in the order in which they go: entries, then blobs, then payloads
  std::vector<GarbageLeft> left;

  [[nodiscard]] std::uint64_t bytes() const;
};

struct GarbageOptions {
  std::int64_t now_s = 0;         ///< unix time
  std::int64_t min_age_s = 3600;  ///< by the newer of mtime and ctime
  bool refs = false;              ///< collect refs to missing snapshots too
  std::function<bool(const RepoKey&)> is_pinned = [](const RepoKey&) { return false; };
};

/// kAccessDenied for a cache that cannot be written: nothing there could be collected.
Result<GarbagePlan> plan_garbage(const CacheRoot& root, const GarbageOptions& options);

struct GarbageResult {
  std::vector<GarbageItem> removed;
  std::vector<GarbageLeft> left;      ///< in use again, or locked by now
  std::vector<std::string> failures;  ///< a sentence each
  std::uint64_t bytes = 0;            ///< given back
};

/// Goes on after failures.
GarbageResult apply_garbage(const CacheRoot& root, const GarbagePlan& plan, const GarbageOptions& options);

}  // namespace hubfs
