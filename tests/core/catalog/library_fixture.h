// SPDX-License-Identifier: Apache-2.0
//
// A library over temporary caches that can be built anew, as a second mount would.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "core/cache/layout.h"
#include "core/catalog/library.h"
#include "tests/support/temp_cache.h"

namespace hubfs::test {

class LibraryFixture : public testing::Test {
 protected:
  /// What a new mount of the given caches knows.
  void start(const std::vector<TempCache*>& caches) {
    library_.reset();
    memory_.reset();
    roots.clear();
    for (const TempCache* each : caches) roots.push_back(*CacheRoot::open(each->path(), false));
    memory_ = std::make_unique<Memory>(roots.front());
    library_ = std::make_unique<Library>(roots, *memory_);
    library_->load();
  }
  void start() { start({&cache}); }

  Library& library() { return *library_; }
  Memory& memory() { return *memory_; }
  RepoPtr find(std::string_view text) { return library_->find(repo_key(text)); }
  std::string name_of(std::string_view text) {
    const RepoPtr repo = find(text);
    return repo ? repo->name : "(not there)";
  }
  std::vector<std::string> shelf_names(RepoType type, const std::string& family) {
    std::vector<std::string> names;
    for (const RepoPtr& repo : library_->shelf(type, family)) names.push_back(repo->name);
    return names;
  }
  std::vector<std::string> folders_of(std::string_view text) {
    std::vector<std::string> names;
    for (const HubFolder& folder : find(text)->hub_folders) names.push_back(folder.name);
    return names;
  }

  static void model(TempCache& where, std::string_view key, const CommitHash& commit,
                    std::string_view model_type = "") {
    const std::string config = model_type.empty() ? "{}" : R"({"model_type": ")" + std::string(model_type) + "\"}";
    where.add_file(repo_key(key), commit, "config.json", config);
  }
  static void seen_at(TempCache& where, std::string_view key, const CommitHash& commit, std::time_t seconds) {
    const std::string path = where.path() + "/" + layout::snapshot(repo_key(key), commit);
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  /// A partial download of a file, as a fill leaves it.
  static void add_partial(const TempCache& where, std::string_view key, const CommitHash& commit,
                          const std::optional<RefName>& ref = {}) {
    const CacheRootPtr root = *CacheRoot::open(where.path(), false);
    auto file = PartialFile::open(*root, repo_key(key), blob_id(sha256_of("bytes")),
                                  {.commit = commit, .path = rel_path("w.bin"), .ref = ref, .size = 5});
    ASSERT_TRUE(file && file->record({0, 2}) && file->flush_journal());
  }

  TempCache cache;
  std::vector<CacheRootPtr> roots;
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  const CommitHash c = commit_of('c');

 private:
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<Library> library_;
};

}  // namespace hubfs::test
