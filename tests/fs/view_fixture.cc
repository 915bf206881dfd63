// SPDX-License-Identifier: Apache-2.0
#include "tests/fs/view_fixture.h"

#include "core/cache/listing_file.h"
#include "core/cache/partial_file.h"

namespace hubfs::test {

void TableLoop::post(std::function<void()> work) {
  work_.push_back(std::move(work));
  if (running_) return;
  running_ = true;
  while (!work_.empty()) {
    const auto next = std::move(work_.front());
    work_.pop_front();
    next();
  }
  running_ = false;
}

HttpLoop::RequestId TableLoop::start(const HttpRequest& request, std::unique_ptr<HttpHandler> handler) {
  const RequestId id = ++next_;
  asked.push_back(request.url);
  std::optional<Answer> answer;
  for (const auto& [end, each] : answers) {
    if (!answer && request.url.ends_with(end)) answer = each;
  }
  open_[id] = std::move(handler);
  post([this, id, answer] {
    const auto it = open_.find(id);
    if (it == open_.end()) return;
    const std::shared_ptr<HttpHandler> to = it->second;
    if (!answer) {
      open_.erase(id);
      return to->on_end(fail(ErrorKind::kUnreachable, "no network in this test"));
    }
    HttpHead head;
    head.status = answer->status;
    if (!to->on_head(head) || !open_.contains(id)) return;
    if (!to->on_body(std::as_bytes(std::span(answer->body))) || !open_.contains(id)) return;
    open_.erase(id);
    to->on_end({});
  });
  return id;
}

void ViewFixture::start(const ViewOptions& options, const std::vector<TempCache*>& caches) {
  parts_.reset();
  parts_ = std::make_unique<Parts>();
  Parts& p = *parts_;
  for (const TempCache* each : caches) p.roots.push_back(*CacheRoot::open(each->path(), false));
  if (p.roots.empty()) p.roots.push_back(*CacheRoot::open(cache.path(), false));
  p.memory = std::make_unique<Memory>(p.roots.front());
  p.library = std::make_unique<Library>(p.roots, *p.memory);
  HubOptions hub;
  hub.endpoint = "http://hub.test";
  hub.offline = options.offline;
  p.hub = std::make_unique<HubClient>(loop, hub);
  p.remote = std::make_unique<RemoteCatalog>(p.roots, loop, *p.hub, RemoteOptions{});
  p.trees = std::make_unique<TreeCache>(*p.library, *p.memory, *p.remote, options.permissions);
  p.view = std::make_unique<View>(*p.library, *p.memory, *p.remote, *p.trees, options);
  p.library->load();
}

DirSpec ViewFixture::dir(const std::string& path) {
  if (path.empty()) {
    const auto root = view().root();
    EXPECT_TRUE(root) << (root ? "" : root.error().message);
    return root.value_or(DirSpec{});
  }
  const auto target = find(path);
  EXPECT_TRUE(target && target->dir) << path << " is no directory";
  return target && target->dir ? *target->dir : DirSpec{};
}

Lookup ViewFixture::look_up(const std::string& path, bool ask) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? std::string() : path.substr(0, slash);
  return view().look_up(dir(parent), parent, slash == std::string::npos ? path : path.substr(slash + 1), ask);
}

std::optional<Target> ViewFixture::find(const std::string& path) {
  Lookup found = look_up(path);
  auto* target = std::get_if<std::optional<Target>>(&found);
  EXPECT_NE(target, nullptr) << path << " is a question or an error";
  return target == nullptr ? std::nullopt : std::move(*target);
}

std::vector<std::string> ViewFixture::names(const std::string& path) {
  const ReadDir listed = view().list(dir(path), path, false);
  std::vector<std::string> found;
  const auto* children = std::get_if<std::vector<Listed>>(&listed);
  EXPECT_NE(children, nullptr) << path << " is not listed";
  if (children == nullptr) return found;
  for (const Listed& child : *children) found.push_back(child.name + (child.target.dir ? "/" : ""));
  return found;
}

void ViewFixture::resolve(const RepoKey& repo, const std::string& revision) {
  remote().resolve(repo, revision, [](const Result<CommitHash>&) {});
}

void ViewFixture::list_file(Listing& listing, const std::string& path, std::string_view content, bool lfs) {
  ListedFile file;
  file.size = content.size();
  file.git_oid = git_sha1_of(content);
  if (lfs) file.lfs_sha256 = sha256_of(content);
  listing[path] = file;
}

void ViewFixture::save_listing(const RepoKey& repo, const CommitHash& commit, const Listing& listing) {
  ASSERT_TRUE(write_listing(cache.root(), repo, commit, listing));
}

void ViewFixture::save_private_listing(const RepoKey& repo, const CommitHash& commit, const Listing& listing) {
  ASSERT_TRUE(write_private_listing(cache.root(), repo, commit, listing));
}

void ViewFixture::add_partial(const RepoKey& repo, const CommitHash& commit, const std::string& path,
                              std::string_view content, const std::optional<RefName>& ref) {
  auto file = PartialFile::open(cache.root(), repo, blob_id(sha256_of(content)),
                                {.commit = commit, .path = rel_path(path), .ref = ref, .size = content.size()});
  ASSERT_TRUE(file && file->record({0, 2}) && file->flush_journal());
}

}  // namespace hubfs::test
