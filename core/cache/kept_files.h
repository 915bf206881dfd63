// SPDX-License-Identifier: Apache-2.0
//
// The folder and the small file of a record of kept things. Used inside core/cache only. Thread-safe (no state).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"
#include "core/model/ids.h"

namespace hubfs {

/// The record's own file.
struct KeptNote {
  RepoKey key;
  std::int64_t created_s = 0;
  std::int64_t added_s = 0;
  std::int64_t deadline_s = 0;
};
std::string format_kept_note(const KeptNote& note);
/// kInvalid, with words, for anything else.
Result<KeptNote> parse_kept_note(const std::string& text);
Result<KeptNote> read_kept_note(int record_fd);
Status write_kept_note(int record_fd, const KeptNote& note, bool sync);

/// "whole.<n>" and "part.<n>".
struct KeptPart {
  unsigned number = 0;
  bool whole = false;

  [[nodiscard]] std::string name() const { return (whole ? "whole." : "part.") + std::to_string(number); }
};
std::optional<KeptPart> parse_kept_part(std::string_view name);
/// Those in a record, the newest first.
Result<std::vector<KeptPart>> kept_parts(int record_fd);

/// A name that a record may have.
bool is_kept_id(std::string_view id);
/// The folder of all records. With `make`, made if absent; else kNotFound.
Result<UniqueFd> open_kept(const CacheRoot& root, bool make);
/// Opens a record and takes its lock, waiting up to `seconds` (then kBusy). With `make`, made if absent; else
/// kNotFound. The name still leads to it when this returns.
Result<UniqueFd> lock_kept(const CacheRoot& root, const std::string& id, bool make, int seconds);
/// Deletes a record that the caller has locked. Payloads that its links named are swept.
Status delete_kept(const CacheRoot& root, const std::string& id, int record_fd, const RepoKey& key);

/// renameat that replaces nothing (EEXIST).
Status rename_to_free_name(int from_fd, const std::string& from, int to_fd, const std::string& to);

}  // namespace hubfs
