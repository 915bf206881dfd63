// SPDX-License-Identifier: Apache-2.0
//
// A cache in a folder of its own, for targets whose text is read from a file. Made once for a run, deleted at its end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/base/log.h"
#include "core/cache/cache_root.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

class FuzzFolder {
 public:
  FuzzFolder() {
    log::to_stderr(log::Level::kError);
    // Memory where there is some: a write for each input.
    const char* base = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ = std::string(base) + "/hubfs-fuzz-XXXXXX";
    must(::mkdtemp(path_.data()) != nullptr, "a folder can be made");
    auto root = CacheRoot::open(path_ + "/hub", true);
    must(root && (*root)->has_state(), "the folder serves as a cache");
    root_ = *root;
  }
  ~FuzzFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  [[nodiscard]] const CacheRoot& root() const { return *root_; }
  [[nodiscard]] const CacheRootPtr& shared_root() const { return root_; }

  static void write(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  }

 private:
  std::string path_;
  CacheRootPtr root_;
};

}  // namespace hubfs::fuzz
