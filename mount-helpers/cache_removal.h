// SPDX-License-Identifier: Apache-2.0
//
// What removes from a cache without a mount: a view over the roots, and a remover over it. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/fetch/fetch_engine.h"
#include "fs/remover.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"

namespace hubfs {

class CacheRemoval {
 public:
  /// The cache that the arguments and the environment name.
  static Result<std::unique_ptr<CacheRemoval>> open(const CacheArguments& cache);
  /// These roots, by path.
  static Result<std::unique_ptr<CacheRemoval>> open(MountOptions options);
  ~CacheRemoval();
  CacheRemoval(const CacheRemoval&) = delete;
  CacheRemoval& operator=(const CacheRemoval&) = delete;

  /// What a TARGET (mount-helpers/removal_target.h) means.
  Result<Removal> plan(const std::string& target);
  /// Whether this user may do it now.
  Status check(const Removal& removal) { return remover_.check(removal, caller_); }
  Status carry_out(const Removal& removal) { return remover_.carry_out(removal, caller_); }
  /// Waits for all deletions; a sentence for each that failed.
  std::vector<std::string> finish();

  [[nodiscard]] ViewParts& parts() { return parts_; }
  [[nodiscard]] Remover& remover() { return remover_; }

 private:
  class NoEvents : public FetchEvents {
    void on_published(const FetchTarget& /*target*/) override {}
    void on_changed(const FetchTarget& /*target*/) override {}
    void on_tainted(const FetchTarget& /*target*/) override {}
    void on_cleaned(const RepoKey& /*key*/) override {}
  };

  CacheRemoval(const MountOptions& options, std::vector<CacheRootPtr> roots);
  Result<Removal> plan_place(const std::string& path);

  ViewParts parts_;
  NoEvents events_;
  FetchEngine engine_;
  Remover remover_;
  const Caller caller_;
};

}  // namespace hubfs
