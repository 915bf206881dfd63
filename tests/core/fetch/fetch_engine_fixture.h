// SPDX-License-Identifier: Apache-2.0
//
// A fetch engine on a cache in a temporary folder, against the local Hub, with calls that wait.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/fetch/fetch_engine.h"
#include "tests/hub/local_hub.h"
#include "tests/support/temp_cache.h"

namespace hubfs::test {

/// Counts what the engine says.
struct CountedEvents : FetchEvents {
  void on_published(const FetchTarget&) override { ++published; }
  void on_changed(const FetchTarget&) override { ++changed; }
  void on_tainted(const FetchTarget&) override { ++tainted; }
  void on_cleaned(const RepoKey&) override { ++cleaned; }
  void make_room(const FetchFilePtr& file, std::uint64_t upto, std::function<void(Status)> done) override {
    room ? room(file, upto, std::move(done)) : done({});
  }
  std::function<void(const FetchFilePtr&, std::uint64_t, std::function<void(Status)>)> room;  ///< set before the first fetch
  std::atomic<int> published{0};
  std::atomic<int> changed{0};
  std::atomic<int> tainted{0};
  std::atomic<int> cleaned{0};
};

/// An engine with all it stands on; several may work on one cache, like several mounts.
class Engine {
 public:
  Engine(const std::string& cache_path, const std::string& endpoint, FetchOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  FetchEngine& operator*() { return *engine_; }
  FetchEngine* operator->() { return engine_.get(); }

  Result<FetchFilePtr> open(const FetchTarget& target);
  /// Waits until the range is here and reads it.
  Result<std::string> read(const FetchFilePtr& file, std::uint64_t first, std::uint64_t size);
  Status fetch_all(const FetchTarget& target);
  /// Everything that was posted before is done.
  void settle();

  CountedEvents events;

 private:
  CacheRootPtr root_;
  std::unique_ptr<HttpLoop> loop_;
  std::unique_ptr<HubClient> hub_;
  std::unique_ptr<FetchEngine> engine_;
};

class EngineTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kMiB = 1U << 20U;

  EngineTest() { hub.start(); }

  /// A repo org/name with this one file.
  FetchTarget serve(const std::string& path, const hubfs::testing::ContentPtr& content);
  std::unique_ptr<Engine> start(FetchOptions options = {}) {
    return std::make_unique<Engine>(cache.path(), hub.url(), options);
  }
  [[nodiscard]] std::string published(const FetchTarget& target) const;
  [[nodiscard]] bool is_published(const FetchTarget& target) const;
  [[nodiscard]] std::uint64_t file_bytes() const { return hub.stats().file_bytes; }
  /// The names of hubfs's partials.
  [[nodiscard]] std::vector<std::string> partials();

  TempCache cache;
  hubfs::testing::LocalHub hub;
};

/// Polls until it is true; false when that takes longer than 20 s.
bool eventually(const std::function<bool()>& condition);

}  // namespace hubfs::test
