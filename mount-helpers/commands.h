// SPDX-License-Identifier: Apache-2.0
//
// One function for each command; each returns the exit code and has already said what went wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "fs/mount_options.h"

namespace hubfs {

/// Where the cache is and how to reach the Hub, as most commands take it.
struct CacheArguments {
  std::vector<std::string> caches;   ///< --cache, in order
  std::string endpoint;              ///< --endpoint
};

struct MountArguments {
  CacheArguments cache;
  std::string mountpoint;
  std::vector<std::string> options;  ///< each -o, commas not yet split
  bool foreground = false;
  bool verbose = false;
  std::string log_file;
};

struct RmArguments {
  CacheArguments cache;
  std::vector<std::string> targets;
  std::string trash;  ///< keep what is removed that long; empty: delete it
  bool yes = false;
  bool dry_run = false;
};

struct PinArguments {
  CacheArguments cache;
  std::vector<std::string> targets;
  bool remove = false;
  bool list = false;
};

/// Roots, endpoint, token and offline mode from arguments and environment, by the rules of huggingface_hub.
Result<MountOptions> cache_options(const CacheArguments& arguments);

/// All of a mount's options, checked: an unknown or malformed one is refused with a sentence.
Result<MountOptions> mount_options(const MountArguments& arguments);

int mount_command(const MountArguments& arguments);
int umount_command(const std::string& mountpoint, bool lazy);
int status_command(const std::string& mountpoint, bool json);
int ls_command(const CacheArguments& cache, bool json);
int rm_command(const RmArguments& arguments);
int pin_command(const PinArguments& arguments);

/// `hubfs gc --keep-below`: removes what was not used for longest while all roots together take more than `bytes`.
int keep_below(const CacheArguments& cache, std::uint64_t bytes, bool dry_run, bool json);

struct GcArguments {
  CacheArguments cache;
  std::string min_age;   ///< empty: the default
  std::string keep_below;  ///< a size: keep_below() instead of collecting
  bool refs = false;     ///< refs to missing snapshots too
  bool dry_run = false;
  bool json = false;
};
int gc_command(const GcArguments& arguments);

struct UndoArguments {
  CacheArguments cache;
  std::string id;     ///< empty: the last one
  bool list = false;
  bool json = false;
};
int undo_command(const UndoArguments& arguments);

/// "hubfs: <sentence>" on stderr; returns 1.
int complain(const std::string& sentence);

}  // namespace hubfs
