// SPDX-License-Identifier: Apache-2.0
#include "fs/remover.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/layout.h"
#include "core/cache/partial_file.h"
#include "core/cache/private_state.h"

namespace hubfs {

namespace {

using Kind = DirSpec::Kind;
using Clock = std::chrono::steady_clock;

constexpr auto kUsesKept = std::chrono::seconds(2);

// A plan for one root, to be carried out after all roots agreed.
struct RootPlan {
  CacheRootPtr root;
  RemovalPlan plan;
};

// `first`: the root whose rights count where no root has anything of it.
Status check_all(const CacheRoot& first, const RepoKey& key, const std::vector<RootPlan>& plans, const Caller& caller) {
  const auto is_empty = [](const RootPlan& item) { return item.plan.removes_nothing(); };
  if (std::all_of(plans.begin(), plans.end(), is_empty)) {
    return check_removal(first, RemovalPlan(key), caller);
  }
  for (const RootPlan& item : plans) {
    if (is_empty(item)) continue;
    if (auto allowed = check_removal(*item.root, item.plan, caller); !allowed) return allowed;
  }
  return {};
}

// hubfs's own downloads hold the same locks as another process's would: they are ended once nothing else stands against
// the removal, and then the locks are looked at again. A removal that is refused otherwise ends no download.
template <typename EndOwn>
Status check_ending_own(const CacheRoot& first, const RepoKey& key, const std::vector<RootPlan>& plans, const Caller& caller,
                        EndOwn end_own) {
  const Status allowed = check_all(first, key, plans, caller);
  if (!allowed && allowed.error().kind != ErrorKind::kBusy) return allowed;
  end_own();
  return check_all(first, key, plans, caller);
}

const std::optional<Target>* as_target(const Lookup& found) { return std::get_if<std::optional<Target>>(&found); }

}  // namespace

Remover::Remover(View& view, FetchEngine& engine, std::function<void(const RepoKey&)> changed)
    : view_(view), engine_(engine), changed_(std::move(changed)), thread_([this] { run(); }) {}

Remover::~Remover() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Remover::delete_later(std::function<void()> work) {
  {
    const MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Remover::run() {
  MutexLock lock(mutex_);
  while (true) {
    while (queue_.empty() && !stop_) {
      if (!has_uses_) {
        wake_.wait(lock.native());
      } else if (wake_.wait_for(lock.native(), kUsesKept) == std::cv_status::timeout) {
        lock.unlock();
        forget_old_uses();
        lock.lock();
      }
    }
    // What is queued is finished even at the end: the user was told that it is gone.
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

void Remover::drain() {
  MutexLock lock(mutex_);
  while (!queue_.empty() || busy_) idle_.wait(lock.native());
}

BlobUses& Remover::uses_of(const CacheRoot& root, const RepoKey& key) {
  if (uses_key_ != key) uses_.clear();
  uses_key_ = key;
  uses_used_ = Clock::now();
  auto& uses = uses_[&root];
  if (!uses) {
    uses = std::make_unique<BlobUses>(root, key);
    {
      const MutexLock lock(mutex_);
      has_uses_ = true;
    }
    wake_.notify_one();
  }
  return *uses;
}

void Remover::forget_old_uses() {
  const MutexLock serial(removing_);
  if (Clock::now() - uses_used_ < kUsesKept) return;
  uses_.clear();
  const MutexLock lock(mutex_);
  has_uses_ = false;
}

Status Remover::check_pinned(const RepoKey& key) const {
  if (!view_.memory().is_pinned_now(key)) return {};
  return fail(ErrorKind::kPinned, key.text() + " is pinned; unpin it first (setfattr -n user.hubfs.pinned -v 0)");
}

Status Remover::unlink(const DirSpec& dir, const std::string& name, const Caller& caller) {
  if (dir.kind != Kind::kRevision) return fail(ErrorKind::kReadOnly, "there are no files to remove here");
  const RevisionTreePtr tree = view_.tree_of(dir);
  const std::string text = dir.path.empty() ? name : dir.path + "/" + name;
  const TreeFile* file = tree ? tree->file(text) : nullptr;
  const auto path = RelPath::parse(text);
  if (file == nullptr || !path) return fail(ErrorKind::kNotFound, text + ": no such file");
  const RepoKey& key = *dir.key;
  if (auto allowed = check_pinned(key); !allowed) return allowed;

  const MutexLock serial(removing_);
  std::vector<CommitHash> commits;
  std::vector<RevisionTreePtr> trees;
  for (const CommitHash& commit : view_.commits_of(dir)) {
    RevisionTreePtr other = commit == tree->commit() ? tree : view_.trees().get(key, commit);
    const TreeFile* same = other->file(text);
    if (same == nullptr || same->etag != file->etag || (!file->etag && commit != tree->commit())) continue;
    commits.push_back(commit);
    trees.push_back(std::move(other));
  }
  std::vector<RootPlan> plans;
  if (const RepoPtr repo = view_.library().find(key)) {
    for (const RepoCopy& copy : repo->copies) {
      auto plan = plan_file_removal(*copy.root, key, commits, *path, &uses_of(*copy.root, key));
      if (plan) {
        plans.push_back({copy.root, std::move(*plan)});
      } else if (plan.error().kind != ErrorKind::kNotFound) {
        return std::unexpected(plan.error());
      }
    }
  }
  const auto end_own = [&] {
    if (file->etag) engine_.forget_blob(key, *file->etag);
  };
  if (auto allowed = check_ending_own(*view_.library().roots().front(), key, plans, caller, end_own); !allowed) return allowed;
  if (file->etag) remove_partial(*view_.library().roots().front(), key, *file->etag);
  // Hidden first: a program that lists again in between must not see the name come back as "not downloaded".
  for (const RevisionTreePtr& each : trees) view_.memory().hide(key, each->commit(), text);
  for (const RootPlan& item : plans) {
    if (auto done = apply_removal(*item.root, item.plan, &uses_of(*item.root, key)); !done) return done;
  }
  for (const RevisionTreePtr& each : trees) each->mark_removed(text);
  mark_in_loaded_trees(key, commits, text);
  return {};
}

// A tree that somebody began to read before the removal must not bring the name back: trees being read now are not kept,
// those that were read meanwhile are marked.
void Remover::mark_in_loaded_trees(const RepoKey& key, const std::vector<CommitHash>& commits, const std::string& path) {
  view_.trees().outdate_loads(key);
  for (const RevisionTreePtr& tree : view_.trees().loaded(key)) {
    if (std::find(commits.begin(), commits.end(), tree->commit()) != commits.end()) tree->mark_removed(path);
  }
}

Status Remover::rmdir(const DirSpec& dir, const std::string& dir_path, const std::string& name, const Caller& caller) {
  const Lookup found = view_.look_up(dir, dir_path, name, false);
  const auto* target = as_target(found);
  if (target == nullptr || !*target) return fail(ErrorKind::kNotFound, name + ": no such directory");
  if (!(*target)->dir) return fail_errno(name, ENOTDIR);
  const DirSpec& spec = *(*target)->dir;
  const std::string path = dir_path.empty() ? name : dir_path + "/" + name;
  if (spec.kind == Kind::kRevision) {
    if (!spec.path.empty()) return remove_folder(spec, caller);
    if (auto allowed = check_pinned(*spec.key); !allowed) return allowed;
    const auto commit = view_.commit_of(spec);
    view_.let_linger(dir_path);
    const Status done = spec.select == DirSpec::Select::kDefault ? remove_repo(*spec.key, caller)
                        : commit                                 ? remove_commit(*spec.key, *commit, caller)
                                 : fail(ErrorKind::kNotFound, name + ": no such revision");
    if (!done) view_.end_linger(dir_path);
    return done;
  }
  const bool top = spec.kind == Kind::kShelf || spec.kind == Kind::kHub || spec.kind == Kind::kControl;
  if (top) return fail(ErrorKind::kPinned, name + " is a top folder of the view; it cannot be removed");
  const ReadDir listed = view_.list(spec, path, false);
  const auto* children = std::get_if<std::vector<Listed>>(&listed);
  if (children == nullptr || !children->empty()) {
    return fail(ErrorKind::kNotEmpty, path + " is not empty; remove the models in it");
  }
  view_.end_linger(path);
  return {};
}

Status Remover::remove_folder(const DirSpec& folder, const Caller& caller) {
  const RevisionTreePtr tree = view_.tree_of(folder);
  if (!tree || !tree->has_folder(folder.path)) return fail(ErrorKind::kNotFound, folder.path + ": no such directory");
  if (!tree->children(folder.path, false).empty()) return fail(ErrorKind::kNotEmpty, folder.path + " is not empty");
  const RepoKey& key = *folder.key;
  if (auto allowed = check_pinned(key); !allowed) return allowed;
  const auto path = RelPath::parse(folder.path);
  if (!path) return fail(ErrorKind::kInvalid, folder.path);
  const MutexLock serial(removing_);
  const RepoPtr repo = view_.library().find(key);
  std::vector<CommitHash> commits;
  std::vector<RevisionTreePtr> trees;
  for (const CommitHash& commit : view_.commits_of(folder)) {
    RevisionTreePtr other = view_.trees().get(key, commit);
    if (!other->has_folder(folder.path) || !other->children(folder.path, false).empty()) continue;
    commits.push_back(commit);
    trees.push_back(std::move(other));
  }
  std::vector<RootPlan> plans;
  for (const RepoCopy& copy : repo ? repo->copies : std::vector<RepoCopy>{}) {
    RemovalPlan plan(key);
    for (const CommitHash& commit : commits) {
      const std::string entry = layout::snapshot_entry(key, commit, *path);
      if (::faccessat(copy.root->fd(), entry.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) plan.entries.push_back({commit, *path});
    }
    plans.push_back({copy.root, std::move(plan)});
  }
  if (auto allowed = check_all(*view_.library().roots().front(), key, plans, caller); !allowed) return allowed;
  for (const RootPlan& item : plans) {
    for (const RemovalPlan::Entry& entry : item.plan.entries) remove_empty_snapshot_folder(*item.root, key, entry.commit, entry.path);
  }
  for (const RevisionTreePtr& each : trees) {
    view_.memory().hide(key, each->commit(), folder.path);
    each->mark_removed(folder.path);
  }
  mark_in_loaded_trees(key, commits, folder.path);
  return {};
}

Status Remover::remove_repo(const RepoKey& key, const Caller& caller) {
  const MutexLock serial(removing_);
  std::vector<RootPlan> plans;
  for (const CacheRootPtr& root : view_.library().roots()) {
    auto plan = plan_repo_removal(*root, key);
    if (plan) {
      plans.push_back({root, std::move(*plan)});
    } else if (plan.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(plan.error());
    }
  }
  if (auto allowed = check_ending_own(*view_.library().roots().front(), key, plans, caller, [&] { engine_.forget_repo(key); }); !allowed) return allowed;
  for (const RootPlan& item : plans) {
    auto ticket = apply_detach(*item.root, item.plan);
    if (!ticket) return std::unexpected(ticket.error());
    delete_later([root = item.root, taken = std::make_shared<TrashTicket>(std::move(*ticket))] {
      if (auto done = finish_detach(*root, *taken); !done) log::error("deleting a removed model: " + done.error().message);
    });
  }
  remove_private_state(*view_.library().roots().front(), key);
  view_.remote().forget(key);
  view_.memory().forget(key);
  changed_(key);
  return {};
}

Status Remover::remove_commit(const RepoKey& key, const CommitHash& commit, const Caller& caller) {
  {
    const RepoPtr repo = view_.library().find(key);
    const bool last = repo && repo->commits.size() == 1 && repo->commits.contains(commit);
    if (last) return remove_repo(key, caller);
  }
  const MutexLock serial(removing_);
  std::vector<RootPlan> plans;
  for (const CacheRootPtr& root : view_.library().roots()) {
    auto plan = plan_commit_removal(*root, key, commit);
    if (plan) {
      plans.push_back({root, std::move(*plan)});
    } else if (plan.error().kind != ErrorKind::kNotFound) {
      return std::unexpected(plan.error());
    }
  }
  std::vector<BlobId> partials;
  if (const RepoPtr repo = view_.library().find(key)) {
    for (const auto& [etag, partial] : repo->partials) {
      if (const auto id = BlobId::parse(etag); id && partial.info.commit == commit) partials.push_back(*id);
    }
  }
  if (auto allowed = check_ending_own(*view_.library().roots().front(), key, plans, caller, [&] { engine_.forget_commit(key, commit); }); !allowed) return allowed;
  for (const BlobId& etag : partials) remove_partial(*view_.library().roots().front(), key, etag);
  for (const RootPlan& item : plans) {
    if (auto done = apply_removal(*item.root, item.plan); !done) return done;
  }
  view_.remote().forget(key);
  changed_(key);
  return {};
}

}  // namespace hubfs
