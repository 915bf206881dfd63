// SPDX-License-Identifier: Apache-2.0
//
// A removal in words, for `hubfs rm --dry-run` and before its question. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "core/base/process_files.h"
#include "fs/removal.h"

namespace hubfs {

/// Lines that say what goes, what stays and why, and what that gives back. `open`: who has files of it open now.
std::string removal_text(const Removal& removal, const std::vector<OpenInode>& open);

/// The inodes that it frees, for find_open().
std::set<FileIdentity> freed_files(const Removal& removal);

}  // namespace hubfs
