// SPDX-License-Identifier: Apache-2.0
//
// What the FUSE operations work on: one per mount, handed to libfuse as its user data. Operations unpack, call the view
// (or park), and reply; they keep no state of their own. Thread-safe: every member is, or is constant after init().
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "fs/change_feed.h"
#include "fs/fuse_parked.h"
#include "fs/fuse_version.h"
#include "fs/handle_table.h"
#include "fs/inode_table.h"
#include "fs/mount_options.h"
#include "fs/notifier.h"
#include "fs/open_files.h"
#include "fs/remover.h"
#include "fs/view.h"

namespace hubfs {

class SpaceKeeper;
class UseLog;

/// An open file.
struct FileHandle {
  OpenFilePtr file;
  std::string control;  ///< content of a file in .hubfs; then there is no `file`
};

/// A directory that somebody reads: its listing as it was when it was opened.
struct DirHandle {
  std::vector<Listed> listed;
  NodeId node = 0;
  std::uint64_t seen = 0;  ///< Notifier::changes() before it was listed
};

struct FuseContext {
  FuseContext(View& v, InodeTable& i, Notifier& n, FetchEngine& e, Remover& r, OpenFiles& o, ParkedRequests& p,
              const MountOptions& m)
      : view(v), inodes(i), notifier(n), engine(e), remover(r), open_files(o), parked(p), options(m) {}

  View& view;
  InodeTable& inodes;
  Notifier& notifier;
  FetchEngine& engine;
  Remover& remover;
  OpenFiles& open_files;
  ParkedRequests& parked;
  const MountOptions& options;
  std::atomic<bool> passthrough{false};           ///< the kernel and libfuse can do it (set by init)
  std::atomic<bool> followed{false};              ///< changes are noticed at once, so the kernel may remember for long
  std::atomic<std::uint64_t> passthrough_opens{0};
  std::atomic<std::uint64_t> passthrough_refusals{0};
  std::atomic<std::uint64_t> cached_opens{0};
  std::atomic<const RevisionTree*> companions_of{nullptr};  ///< the tree whose small files were asked for last; an identity only
  HandleTable<FileHandle> files;
  HandleTable<DirHandle> dirs;
  std::function<void(const RepoKey&)> look_now;      ///< the change feed looks at a repo before this returns; reads the disk
  std::function<void(const RepoKey&)> note_changed;  ///< have the change feed look at a repo soon; never blocks
  UseLog* uses = nullptr;               ///< set by the mount before the first request
  const SpaceKeeper* space = nullptr;   ///< likewise

  /// Path of a node from the root of the whole view.
  [[nodiscard]] std::string full_path(NodeId node) const;
  /// Seconds for which the kernel may remember a name or its attributes.
  [[nodiscard]] double timeout() const;
  /// Why the last fetch of a blob failed or its removal was refused, in words; for user.hubfs.error. "" forgets it.
  void set_error(const std::string& identity, const std::string& words);
  [[nodiscard]] std::string error_of(const std::string& identity) const;
  /// The identity of a folder, by its path in the mount, for these two.
  [[nodiscard]] static std::string place_identity(const std::string& path) { return "place:" + path; }

 private:
  mutable Mutex mutex_;  ///< guards errors_
  std::map<std::string, std::string> errors_ GUARDED_BY(mutex_);
};

/// The context of a request.
FuseContext& context_of(fuse_req_t request);

/// Replies an error, logged at debug level; the one way in which operations refuse.
void reply_error(fuse_req_t request, const char* operation, const Error& error);

/// Asks what only the Hub knows and then runs `then` (on the network thread, or at once) with the error if there was one.
void ask_hub(FuseContext& context, const Need& need, const std::function<void(std::optional<Error>)>& then);

/// What a file node stands for now, found through the names under which the kernel knows it; nullopt when none is left.
std::optional<Target> resolve_file(FuseContext& context, const Node& node);
/// The same with the directory through which it was found.
struct Resolved {
  Target target;
  DirSpec parent;
  std::string name;
};
std::optional<Resolved> resolve_place(FuseContext& context, const Node& node);

/// What to fetch for a file of the view.
std::optional<FetchTarget> fetch_target(const View& view, const DirSpec& parent, const Target& target);

/// Attributes for the kernel, with what has arrived of a running download.
struct stat to_stat(FuseContext& context, const Target& target, bool* changing);

/// Takes a user of an open file away and closes its passthrough with the last one, which is a use of its model.
void close_if_last(fuse_req_t request, FuseContext& context, NodeId node);

/// The tables of operations, by theme; fuse_ops.cc puts them together.
void add_name_operations(fuse_lowlevel_ops& ops);      // lookup, forget, getattr, readdir, statfs
void add_file_operations(fuse_lowlevel_ops& ops);      // open, read, flush, release
void add_change_operations(fuse_lowlevel_ops& ops);    // unlink, rmdir and everything that is refused
void add_attribute_operations(fuse_lowlevel_ops& ops); // xattrs

}  // namespace hubfs
