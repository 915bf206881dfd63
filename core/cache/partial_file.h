// SPDX-License-Identifier: Apache-2.0
//
// A blob that is not complete yet: a sparse data file in the private state, and beside it a journal that says what it
// is and which ranges are in it. The journal is text: one JSON line (what), then one line per range with a checksum. A
// range is appended only after its bytes were written, so after a crash of hubfs no recorded range is wrong; a torn
// last line is ignored; after a power cut the hash at publication catches the rest. Not thread-safe: the owner
// serialises.
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
  /// journal cannot be read, starts anew.
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
  /// Forgets all ranges and frees the space: after a hash that did not match.
  Status start_anew();

 private:
  PartialFile(UniqueFd data, UniqueFd journal, PartialInfo info)
      : data_(std::move(data)), journal_(std::move(journal)), info_(std::move(info)) {}
  UniqueFd data_;
  UniqueFd journal_;
  PartialInfo info_;
  RangeSet present_;
  RangeSet unjournalled_;
};

/// The partials of a repo, by etag.
std::map<std::string, PartialOnDisk> list_partials(const CacheRoot& root, const RepoKey& key);
/// Repos that have any.
std::vector<RepoKey> list_partial_repos(const CacheRoot& root);
/// Removes both files of a partial (after publication only the journal is left). Absent ones are fine.
void remove_partial(const CacheRoot& root, const RepoKey& key, const BlobId& etag);

}  // namespace hubfs
