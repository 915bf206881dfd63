// SPDX-License-Identifier: Apache-2.0
//
// All repos of a Hub, by type and id.
#ifndef HUBFS_TESTS_HUB_REPO_SHELF_H_
#define HUBFS_TESTS_HUB_REPO_SHELF_H_

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/hub/repo.h"

namespace hubfs::testing {

// Thread-safe. A repo is made when it is first asked for, because that hashes its files; whoever asks waits.
class RepoShelf {
 public:
  using Maker = std::function<RepoSpec()>;

  void put(RepoType type, const std::string& id, Maker maker);
  void put(RepoPtr repo);
  void remove(RepoType type, const std::string& id);
  void put_alias(RepoType type, const std::string& from, const std::string& to);
  // Null if there is none. Rethrows what the maker throws.
  RepoPtr find(RepoType type, const std::string& id) const;
  bool has(RepoType type, const std::string& id) const;  // a repo or an alias; makes nothing
  std::optional<std::string> alias(RepoType type, const std::string& id) const;
  std::vector<std::string> ids(RepoType type) const;
  // Replaces a repo by what `change` makes of it, as one step. Throws std::out_of_range if there is none.
  RepoPtr update(RepoType type, const std::string& id, const std::function<RepoPtr(const Repo&)>& change);

 private:
  using Key = std::pair<RepoType, std::string>;
  struct Slot {
    std::mutex mutex;  // guards both below
    Maker maker;
    RepoPtr repo;
    RepoPtr get();
  };
  std::shared_ptr<Slot> slot(const Key& key) const;

  mutable std::shared_mutex mutex_;
  std::map<Key, std::shared_ptr<Slot>> slots_;
  std::map<Key, std::string> aliases_;
};

// Puts every repo of a data folder (layout: local_hub.h) on the shelf. Throws std::runtime_error if there is no such
// folder.
void load_data_folder(const std::filesystem::path& folder, bool xet, RepoShelf& shelf);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_REPO_SHELF_H_
