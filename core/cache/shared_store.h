// SPDX-License-Identifier: Apache-2.0
//
// The cross-repo store `<root>/blobs` of huggingface_hub 1.32 and later (its `utils/_shared_blobs.py`): payloads named
// by Xet hash, linked from the repos' blobs, each with a manifest of its references. The manifest is a hint that is
// checked against the file system; where anything about it cannot be told, the payload stays. Nothing here writes to a
// store without the marker. Thread-safe (no state).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// Whether the root has a store that Hugging Face clients made: a real folder with exactly the known marker.
bool has_shared_store(const CacheRoot& root);

/// lstat of a payload; nullopt unless it is a regular file of a marked store.
std::optional<struct stat> stat_payload(const CacheRoot& root, const XetHash& hash);

/// The lock for publication, linking and sweeping of one payload; waits up to `seconds`, then kBusy. The lock file is
/// never removed.
class PayloadLock {
 public:
  static Result<PayloadLock> acquire(const CacheRoot& root, const XetHash& hash, int seconds);
  PayloadLock(PayloadLock&&) = default;
  PayloadLock& operator=(PayloadLock&&) = default;

 private:
  explicit PayloadLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// The references of a payload that hold now (root-relative blob paths whose link names it), from its manifest. nullopt
/// when that cannot be told: missing, unreadable or strange manifest, or an I/O error on a reference.
std::optional<std::set<std::string>> valid_references(const CacheRoot& root, const XetHash& hash);

/// Deletes a payload (and its manifest) that no reference needs, else rewrites the manifest without its dead lines; by
/// the store's protocol, under the lock. Answers the physical bytes given back; 0 when it stays.
Result<std::uint64_t> sweep_payload(const CacheRoot& root, const XetHash& hash);

}  // namespace hubfs
