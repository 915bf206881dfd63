// SPDX-License-Identifier: Apache-2.0
//
// The libfuse session: what is agreed with the kernel at INIT, mounting, the loop, unmounting; and the kernel's caches as
// the notifier sees them. Used by one thread, except KernelCaches, which is thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "fs/mount_options.h"
#include "fs/mount_table.h"
#include "fs/notifier.h"

struct fuse_session;

namespace hubfs {

struct FuseContext;

class FuseSession : public KernelCaches {
 public:
  FuseSession() = default;
  ~FuseSession() override;
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;

  /// Mounts. A Status in words when it cannot be done (no /dev/fuse, not allowed, …).
  Status mount(FuseContext& context, const MountOptions& options);
  /// Serves requests until it is unmounted or SIGTERM, SIGINT or SIGHUP comes (they are blocked in all threads); `ready` is called when the kernel has sent INIT.
  Status serve(std::function<void()> ready);
  /// Ends the mount, whatever still uses it. What somebody else has mounted on the same path by now is left alone.
  void unmount();

  void invalidate_name(NodeId parent, const std::string& name) override;
  void invalidate_listing(NodeId dir) override;
  void invalidate_attributes(NodeId node) override;
  void invalidate_pages(NodeId node) override;

 private:
  [[nodiscard]] bool can_notify() const { return session_ != nullptr && mounted_; }

  fuse_session* session_ = nullptr;
  FuseContext* context_ = nullptr;
  /// Whether the kernel has closed its end.
  [[nodiscard]] bool has_ended() const;
  /// Whether what is mounted on the path now is this session.
  [[nodiscard]] bool is_ours() const;

  std::string mountpoint_;
  std::optional<MountEntry> entry_;  ///< as the kernel listed it when it was made
  std::atomic<bool> mounted_{false};
};

/// Whether the libfuse that this was built with can do passthrough.
[[nodiscard]] bool built_with_passthrough();

}  // namespace hubfs
