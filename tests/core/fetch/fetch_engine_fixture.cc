// SPDX-License-Identifier: Apache-2.0
#include "tests/core/fetch/fetch_engine_fixture.h"

#include <filesystem>
#include <future>
#include <thread>

#include "core/base/file_io.h"
#include "core/cache/layout.h"
#include "core/cache/state_paths.h"

namespace hubfs::test {

Engine::Engine(const std::string& cache_path, const std::string& endpoint, FetchOptions options)
    : root_(*CacheRoot::open(cache_path, true)), loop_(make_curl_http_loop({72, 96, "hubfs-test"})) {
  HubOptions hub;
  hub.endpoint = endpoint;
  hub.idle_timeout = std::chrono::milliseconds(1500);
  hub_ = std::make_unique<HubClient>(*loop_, hub);
  if (options.floor_bytes == 0) options.floor_bytes = 1;
  engine_ = std::make_unique<FetchEngine>(root_, *loop_, *hub_, options, events);
}

Engine::~Engine() {
  engine_.reset();
  loop_->stop();
}

Result<FetchFilePtr> Engine::open(const FetchTarget& target) {
  auto done = std::make_shared<std::promise<Result<FetchFilePtr>>>();
  engine_->open(target, engine_->new_wait(), [done](const Result<FetchFilePtr>& file) { done->set_value(file); });
  return done->get_future().get();
}

Result<std::string> Engine::read(const FetchFilePtr& file, std::uint64_t first, std::uint64_t size) {
  const ByteRange range{first, first + size};
  auto fd = file->begin_read(range);
  if (fd) {
    engine_->note_read(file, range);
  } else {
    auto done = std::make_shared<std::promise<Status>>();
    engine_->wait_for(file, range, engine_->new_wait(), [done](const Status& status) { done->set_value(status); });
    const Status here = done->get_future().get();
    if (!here) return std::unexpected(here.error());
    fd = file->begin_read(range);
    if (!fd) return std::unexpected(file->error());
  }
  std::string bytes(size, '\0');
  if (auto read = pread_all(*fd, std::as_writable_bytes(std::span(bytes)), first); !read) return std::unexpected(read.error());
  return bytes;
}

Status Engine::fetch_all(const FetchTarget& target) {
  auto done = std::make_shared<std::promise<Status>>();
  engine_->fetch_all(target, [done](const Status& status) { done->set_value(status); });
  return done->get_future().get();
}

void Engine::settle() {
  std::promise<void> done;
  loop_->post([&] { done.set_value(); });
  done.get_future().wait();
}

FetchTarget EngineTest::serve(const std::string& path, const hubfs::testing::ContentPtr& content) {
  hubfs::testing::RepoSpec spec;
  spec.id = "org/name";
  spec.revisions["main"] = {{path, content}};
  spec.lfs_suffixes.emplace_back(path);
  hub.add_repo(std::move(spec));
  return {.key = {RepoType::kModel, *RepoId::parse("org/name")},
          .commit = *CommitHash::parse(hub.commit(hubfs::testing::RepoType::kModel, "org/name")),
          .path = *RelPath::parse(path),
          .etag = *BlobId::parse(content->sha256()),
          .size = content->size(),
          .xet_hash = std::nullopt,
          .ref = RefName::parse("main"),
          .listing = nullptr};
}

bool EngineTest::is_published(const FetchTarget& target) const {
  return cache.exists(layout::snapshot_entry(target.key, target.commit, target.path));
}

std::string EngineTest::published(const FetchTarget& target) const {
  return cache.read(layout::snapshot_entry(target.key, target.commit, target.path));
}

std::vector<std::string> EngineTest::partials() {
  std::vector<std::string> names;
  const std::filesystem::path folder = std::filesystem::path(cache.root().state_path()) / state::kPartial;
  if (!std::filesystem::exists(folder)) return names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
  }
  return names;
}

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace hubfs::test
