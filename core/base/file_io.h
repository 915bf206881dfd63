// SPDX-License-Identifier: Apache-2.0
//
// Small reads and writes of whole files relative to a directory descriptor, with errors as values. How paths are
// resolved is in core/base/plain_path.h. Thread-safe (no state).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

/// openat with O_CLOEXEC added, for names that only the own user can change, or a single component with O_NOFOLLOW.
/// kNotFound and friends as by fail_errno.
Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode = 0);

/// The content of a regular file of at most `limit` bytes (kInvalid when larger or not a regular file; fifos and devices
/// are never waited for). Follows a symlink only inside `dir_fd`.
Result<std::string> read_small_file(int dir_fd, const std::string& path, std::size_t limit);

/// Writes `<path>.<8 hex>.tmp` beside the target, optionally fsyncs, and renames it over `path`. A symlink as folder on
/// the way is refused. The umask takes bits away from `mode` unless `exact_mode`.
Status write_file_atomic(int dir_fd, const std::string& path, std::string_view content, mode_t mode, bool sync,
                         bool exact_mode = false);

/// mkdir -p below `dir_fd`; existing directories are fine, a symlink as component is refused.
Status make_dirs_at(int dir_fd, const std::string& path, mode_t mode);

/// Eight random lower-case hex digits, for temporary names.
std::string random_hex8();

/// pread/pwrite of the whole span; a short read at end of file is an error of kind kBadContent.
Status pread_all(int fd, std::span<std::byte> into, std::uint64_t offset);
Status pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset);

/// The target text of a symlink; kInvalid (EINVAL) when it is not one.
Result<std::string> read_link_at(int dir_fd, const std::string& path);

}  // namespace hubfs
