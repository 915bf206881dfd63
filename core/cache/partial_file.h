// SPDX-License-Identifier: Apache-2.0
//
// A blob that is not complete yet: a sparse data file in the private state, and beside it a journal that says what it
// is and which ranges are in it. The journal is text: one JSON line (what), then one line per range with a checksum. A
// range is appended only after its bytes were written, so after a crash of hubfs no recorded range is wrong; a torn
// last line is ignored; after a power cut the hash at publication catches the rest. One process at a time works on a
// partial (a lock on the data file); another one gets a partial of its own beside it, which does not outlive its use.
// Not thread-safe: the owner serialises.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"
#include "core/model/range_set.h"

namespace hubfs {

/// Which file of which commit the bytes are asked for as, and its size.
struct PartialInfo {
  CommitHash commit;
  RelPath path;
  std::optional<RefName> ref;  ///< the ref by which the commit was found, to be written at publication
  std::uint64_t size = 0;
};

/// A partial as found on disk.
struct PartialOnDisk {
  PartialInfo info;
  std::uint64_t blocks = 0;  ///< of the data file, in 512-byte units
  std::uint64_t present_bytes = 0;
};

class PartialFile {
 public:
  /// Opens the partial of a blob, with what is in it, or makes an empty one. An existing one of another size, or whose
  /// journal cannot be read, starts anew; one that another process works on is left alone. `root` outlives the result.
  static Result<PartialFile> open(const CacheRoot& root, const RepoKey& key, const BlobId& etag,
                                  const PartialInfo& info);

  /// The data file, opened for reading and writing. Valid after publication too (the same inode under its new name).
  [[nodiscard]] int fd() const { return data_.get(); }
  [[nodiscard]] const RangeSet& present() const { return present_; }
  [[nodiscard]] const PartialInfo& info() const { return info_; }

  /// Says that [first, end) has been written to fd(). Journalled in steps: call flush_journal() at the end of a
  /// transfer.
  Status record(ByteRange range);
  Status flush_journal();
  /// Removes both files (after publication only the journal is left). What has them open goes on reading.
  void discard();
  /// Of the data file, relative to the state folder.
  [[nodiscard]] const std::string& data_path() const { return data_path_; }

 private:
  PartialFile(const CacheRoot& root, PartialInfo info) : root_(&root), info_(std::move(info)) {}
  const CacheRoot* root_;
  std::string data_path_;
  std::string journal_path_;
  UniqueFd data_;  ///< holds the lock
  UniqueFd journal_;
  PartialInfo info_;
  RangeSet present_;
  RangeSet unjournalled_;
};

/// The partials of a repo, by etag.
std::map<std::string, PartialOnDisk> list_partials(const CacheRoot& root, const RepoKey& key);
/// Repos that have any.
std::vector<RepoKey> list_partial_repos(const CacheRoot& root);
/// Removes both files of a partial. Absent ones are fine.
void remove_partial(const CacheRoot& root, const RepoKey& key, const BlobId& etag);

/// What a process that died left: data that no mount can go on with, and that no process works on now.
struct PartialLeftover {
  RepoKey key;
  std::string path;  ///< of the data, in the private state
  std::uint64_t bytes = 0;
};
std::vector<PartialLeftover> partial_leftovers(const CacheRoot& root);

/// Which partials to remove as no longer of use.
struct PartialLimits {
  std::int64_t now_s = 0;            ///< unix time
  std::int64_t longest_unused_s = 0;  ///< 0: for ever
  std::uint64_t total_bytes = 0;     ///< of all together, on disk; 0: no limit
};
/// Removes partials that were not used for too long, and the longest unused ones while all together take too much; also
/// what was left by processes that died (partials of their own, data without a journal). Never one that some process
/// works on. Answers the repos that lost something.
std::vector<RepoKey> clean_partials(const CacheRoot& root, const PartialLimits& limits);

}  // namespace hubfs
