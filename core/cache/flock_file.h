// SPDX-License-Identifier: Apache-2.0
//
// BSD flock on a lock file that is never removed, as Python's filelock takes it.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/base/error.h"
#include "core/base/unique_fd.h"

namespace hubfs {

/// Opens (and makes, with `mode` whatever the umask says) the file and locks it without waiting. An empty UniqueFd when
/// another holder has it; kUnsupported where the file system has no flock. The path still names the locked inode on
/// return; a symlink is an error. Closing the descriptor releases the lock.
Result<UniqueFd> try_flock_file(int dir_fd, const std::string& path, mode_t mode);

}  // namespace hubfs
