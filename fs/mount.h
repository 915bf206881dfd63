// SPDX-License-Identifier: Apache-2.0
//
// One mounted view: owns every part from the cache roots to the FUSE session, and puts them together. prepare() finds
// all that can be wrong with the options and the cache; run() mounts and serves until it is unmounted or told to stop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "fs/mount_options.h"

namespace hubfs {

class Mount {
 public:
  static Result<std::unique_ptr<Mount>> prepare(const MountOptions& options);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  /// Mounts and serves. `ready` is called once the mount can be used.
  Status run(std::function<void()> ready);

 private:
  struct Parts;
  explicit Mount(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hubfs
