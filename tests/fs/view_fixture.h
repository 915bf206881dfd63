// SPDX-License-Identifier: Apache-2.0
//
// A view over temporary caches with everything below it, and a Hub that answers at once what a test says (nothing, when
// it says nothing). Has no thread of its own; for one thread.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/catalog/library.h"
#include "core/fetch/remote_catalog.h"
#include "core/hub/hub_client.h"
#include "fs/tree_cache.h"
#include "fs/view.h"
#include "tests/support/temp_cache.h"

namespace hubfs::test {

/// The network as a table: what is posted runs at once, a request is answered by the first entry that its address ends
/// with. Timers never fire.
class TableLoop : public HttpLoop {
 public:
  struct Answer {
    int status = 200;
    std::string body;
  };
  std::map<std::string, Answer> answers;
  std::vector<std::string> asked;  ///< addresses

  void post(std::function<void()> work) override;
  [[nodiscard]] bool on_loop_thread() const override { return true; }
  RequestId start(const HttpRequest& request, std::unique_ptr<HttpHandler> handler) override;
  void cancel(RequestId id) override { open_.erase(id); }
  TimerId after(std::chrono::milliseconds, std::function<void()>) override { return ++next_; }
  void cancel_timer(TimerId) override {}
  void stop() override {}

 private:
  std::uint64_t next_ = 0;
  bool running_ = false;
  std::deque<std::function<void()>> work_;
  std::map<RequestId, std::shared_ptr<HttpHandler>> open_;
};

class ViewFixture : public testing::Test {
 protected:
  /// What a new mount of the caches is.
  void start(const ViewOptions& options = {}, const std::vector<TempCache*>& caches = {});

  View& view() { return *parts_->view; }
  Library& library() { return *parts_->library; }
  Memory& memory() { return *parts_->memory; }
  RemoteCatalog& remote() { return *parts_->remote; }
  TreeCache& trees() { return *parts_->trees; }
  HubClient& hub() { return *parts_->hub; }
  const std::vector<CacheRootPtr>& roots() { return parts_->roots; }

  /// The directory of a path of the view; fails the test when it is none.
  DirSpec dir(const std::string& path);
  Lookup look_up(const std::string& path, bool ask = false);
  /// What a path stands for; nullopt where nothing.
  std::optional<Target> find(const std::string& path);
  /// Names in a directory, folders with "/" behind.
  std::vector<std::string> names(const std::string& path);

  /// Asks the Hub, which answers by the table, and remembers the answer.
  void resolve(const RepoKey& key, const std::string& revision);

  /// Adds a file to a listing.
  static void list_file(Listing& listing, const std::string& path, std::string_view content, bool lfs = false);
  void save_listing(const RepoKey& key, const CommitHash& commit, const Listing& listing);
  /// The same, of a repo of which nothing is cached.
  void save_private_listing(const RepoKey& key, const CommitHash& commit, const Listing& listing);
  /// Two bytes of a file of `content` that is being downloaded.
  void add_partial(const RepoKey& key, const CommitHash& commit, const std::string& path, std::string_view content,
                   const std::optional<RefName>& ref = {});

  TempCache cache;
  TableLoop loop;
  const RepoKey key = repo_key("model/org/Llama-3");
  const CommitHash a = commit_of('a');
  const CommitHash b = commit_of('b');
  const CommitHash c = commit_of('c');

 private:
  struct Parts {
    std::vector<CacheRootPtr> roots;
    std::unique_ptr<Memory> memory;
    std::unique_ptr<Library> library;
    std::unique_ptr<HubClient> hub;
    std::unique_ptr<RemoteCatalog> remote;
    std::unique_ptr<TreeCache> trees;
    std::unique_ptr<View> view;
  };
  std::unique_ptr<Parts> parts_;
};

}  // namespace hubfs::test
