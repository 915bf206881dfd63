// SPDX-License-Identifier: Apache-2.0
#include "fs/remover.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "core/base/log.h"
#include "core/cache/partial_file.h"
#include "core/cache/private_state.h"

namespace hubfs {

namespace {

using Kind = DirSpec::Kind;
using What = Removal::What;
using Clock = std::chrono::steady_clock;

constexpr auto kUsesKept = std::chrono::seconds(2);
constexpr auto kTryAgain = std::chrono::seconds(60);
constexpr auto kSettle = std::chrono::milliseconds(500);

const std::optional<Target>* as_target(const Lookup& found) { return std::get_if<std::optional<Target>>(&found); }

Result<TrashTicket> set_aside(const RootRemoval& part, const std::optional<KeptPlace>& place) {
  if (!place) return apply_detach(*part.root, part.plan);
  auto record = KeptRecord::open(*part.root, part.plan.key, *place);
  if (!record) return std::unexpected(record.error());
  return apply_detach(*part.root, part.plan, &*record);
}

std::string joined(const std::string& folder, const std::string& name) { return folder.empty() ? name : folder + "/" + name; }

}  // namespace

Remover::Remover(View& view, FetchEngine& engine, std::function<void(const RepoKey&)> changed)
    : view_(view), engine_(engine), changed_(std::move(changed)) {}

Remover::~Remover() = default;

void Remover::keep_removed(std::chrono::seconds how_long) {
  if (how_long.count() == 0) return;
  keeping_ = std::make_unique<Keeping>(how_long);
  expiry_pause_ = std::clamp(how_long / 4, std::chrono::seconds(1), std::chrono::seconds(60));
}

void Remover::begin_expiring() {
  chores_.add([this] { expire(); });
}

void Remover::expire() {
  for (const CacheRootPtr& root : view_.library().roots()) {
    if (auto done = expire_all_kept(*root, std::time(nullptr)); !done) {
      log::error("deleting what was kept long enough: " + done.error().message + "; it is tried again");
    }
  }
  chores_.add_after(expiry_pause_, [this] { expire(); });
}

std::optional<KeptPlace> Remover::place_for(const Removal& removal) {
  const bool takes = std::any_of(removal.roots.begin(), removal.roots.end(),
                                 [](const RootRemoval& part) { return !part.plan.removes_nothing(); });
  if (!keeping_ || !takes || removal.for_good) return std::nullopt;
  return keeping_->place_for(removal.key, removal.what == What::kRepo);
}

Status Remover::apply(const RootRemoval& part, const std::optional<KeptPlace>& place, BlobUses* uses) {
  if (!place || part.plan.removes_nothing()) return apply_removal(*part.root, part.plan, uses);
  auto record = KeptRecord::open(*part.root, part.plan.key, *place);
  if (!record) return std::unexpected(record.error());
  return apply_removal(*part.root, part.plan, uses, &*record);
}

BlobUses& Remover::uses_of(const CacheRoot& root, const RepoKey& key) {
  if (uses_key_ != key) uses_.clear();
  uses_key_ = key;
  uses_used_ = Clock::now();
  auto& uses = uses_[&root];
  if (!uses) uses = std::make_unique<BlobUses>(root, key);
  if (!forgetting_) {
    forgetting_ = true;
    chores_.add_after(kUsesKept, [this] { forget_old_uses(); });
  }
  return *uses;
}

UsesOf Remover::uses_of_repo(const RepoKey& key) {
  // Called while the lock is held, which the analysis cannot see through a std::function.
  return [this, key](const CacheRoot& root) NO_THREAD_SAFETY_ANALYSIS { return &uses_of(root, key); };
}

void Remover::forget_old_uses() {
  const MutexLock serial(removing_);
  if (Clock::now() - uses_used_ < kUsesKept) {
    chores_.add_after(kUsesKept, [this] { forget_old_uses(); });
    return;
  }
  uses_.clear();
  forgetting_ = false;
}

Status Remover::check_pinned(const RepoKey& key) const {
  if (!view_.memory().is_pinned_now(key)) return {};
  return fail(ErrorKind::kPinned, key.text() + " is pinned; unpin it first (hubfs pin --remove " + key.text() +
                                     ", or setfattr -n user.hubfs.pinned -v 0)");
}

Status Remover::check_all(const Removal& removal, const Caller& caller) const {
  const auto is_empty = [](const RootRemoval& part) { return part.plan.removes_nothing(); };
  if (std::all_of(removal.roots.begin(), removal.roots.end(), is_empty)) {
    // Only shown: the rights in the first root count.
    return check_removal(*view_.library().roots().front(), RemovalPlan(removal.key), caller);
  }
  for (const RootRemoval& part : removal.roots) {
    if (is_empty(part)) continue;
    if (auto allowed = check_removal(*part.root, part.plan, caller); !allowed) return allowed;
  }
  return {};
}

Status Remover::check(const Removal& removal, const Caller& caller) {
  if (auto allowed = check_pinned(removal.key); !allowed) return allowed;
  return check_all(removal, caller);
}

void Remover::end_own_fetches(const Removal& removal) {
  switch (removal.what) {
    case What::kRepo: return engine_.forget_repo(removal.key);
    case What::kCommit: return engine_.forget_commit(removal.key, removal.commits.front());
    case What::kFile:
      for (const RootRemoval& part : removal.roots) {
        for (const BlobId& etag : part.plan.blobs) engine_.forget_blob(removal.key, etag);
      }
      if (removal.etag) engine_.forget_blob(removal.key, *removal.etag);
      return;
    case What::kFolder: return;
  }
}

// hubfs's own downloads hold the same locks as another process's would: they are ended once nothing else stands against
// the removal, and then the locks are looked at again. A removal that is refused otherwise ends no download.
Status Remover::carry_out_locked(const Removal& removal, const Caller& caller) {
  if (auto allowed = check_pinned(removal.key); !allowed) return allowed;
  if (auto allowed = check_all(removal, caller); !allowed && allowed.error().kind != ErrorKind::kBusy) return allowed;
  end_own_fetches(removal);
  if (auto allowed = check_all(removal, caller); !allowed) return allowed;
  switch (removal.what) {
    case What::kRepo: return remove_whole(removal);
    case What::kCommit: return remove_commit(removal);
    case What::kFile: return remove_file(removal);
    case What::kFolder: remove_folder(removal); return {};
  }
  return {};
}

Status Remover::carry_out(const Removal& removal, const Caller& caller) {
  const MutexLock serial(removing_);
  return noted(carry_out_locked(removal, caller), removal.path.empty() ? removal.key.text() : removal.key.text() + "/" + removal.path);
}

Status Remover::noted(Status done, const std::string& what) {
  if (!done) ledger_.refused(what, done.error().message);
  return done;
}

void Remover::note_removed(const Removal& removal) {
  for (const RootRemoval& part : removal.roots) ledger_.removed(part.plan.freed);
}

Status Remover::remove_whole(const Removal& removal) {
  const RepoKey& key = removal.key;
  const std::optional<KeptPlace> place = place_for(removal);
  for (const RootRemoval& part : removal.roots) {
    auto ticket = set_aside(part, place);
    if (!ticket) return std::unexpected(ticket.error());
    auto taken = std::make_shared<TrashTicket>(*std::move(ticket));
    chores_.add([this, root = part.root, taken, freed = place ? std::vector<FreedInode>() : part.plan.freed] {
      delete_set_aside(root, taken, taken->key.text());
      ledger_.removed(freed);
      ledger_.settle();
    });
  }
  remove_private_state(*view_.library().roots().front(), key);
  view_.remote().forget(key);
  view_.memory().forget(key);
  changed_(key);
  return {};
}

void Remover::delete_set_aside(const CacheRootPtr& root, const std::shared_ptr<TrashTicket>& ticket, const std::string& what) {
  const Status deleted = finish_detach(*root, *ticket);
  if (deleted) return ledger_.done(what);
  log::error("deleting " + what + ", which was removed: " + deleted.error().message + "; it is tried again");
  ledger_.failed(what, deleted.error().message);
  chores_.add_after(kTryAgain, [this, root, ticket, what] { delete_set_aside(root, ticket, what); });
}

Status Remover::remove_commit(const Removal& removal) {
  const RepoKey& key = removal.key;
  if (const RepoPtr repo = view_.library().find(key)) {
    for (const auto& [etag, partial] : repo->partials) {
      const auto id = BlobId::parse(etag);
      if (id && partial.info.commit == removal.commits.front()) remove_partial(*view_.library().roots().front(), key, *id);
    }
  }
  const std::optional<KeptPlace> place = place_for(removal);
  for (const RootRemoval& part : removal.roots) {
    if (auto done = apply(part, place, nullptr); !done) return done;
  }
  if (!place) note_removed(removal);
  chores_.add([this] { ledger_.settle(); });
  view_.remote().forget(key);
  changed_(key);
  return {};
}

Status Remover::remove_file(const Removal& removal) {
  const RepoKey& key = removal.key;
  if (removal.etag) remove_partial(*view_.library().roots().front(), key, *removal.etag);
  // Hidden first: a program that lists again in between must not see the name come back as "not downloaded".
  hide(removal);
  const std::optional<KeptPlace> place = place_for(removal);
  for (const RootRemoval& part : removal.roots) {
    if (auto done = apply(part, place, &uses_of(*part.root, key)); !done) return done;
  }
  if (!place) note_removed(removal);
  // Once for many files: it walks over /proc.
  if (!settling_) {
    settling_ = true;
    chores_.add_after(kSettle, [this] {
      {
        const MutexLock serial(removing_);
        settling_ = false;
      }
      ledger_.settle();
    });
  }
  mark_removed(removal);
  return {};
}

// A tree that somebody began to read before the removal must not bring the name back: trees being read now are not kept,
// those that were read meanwhile are marked.
void Remover::mark_removed(const Removal& removal) {
  view_.trees().outdate_loads(removal.key);
  for (const RevisionTreePtr& tree : view_.trees().loaded(removal.key)) {
    if (std::find(removal.commits.begin(), removal.commits.end(), tree->commit()) != removal.commits.end()) {
      tree->mark_removed(removal.path);
    }
  }
}

void Remover::hide(const Removal& removal) {
  for (const CommitHash& commit : removal.commits) view_.memory().hide(removal.key, commit, removal.path);
}

void Remover::end_hiding_later(const RepoKey& key) {
  if (view_.memory().repo(key).hidden.empty()) return;
  chores_.add([this, key] { end_hiding(key); });
}

void Remover::end_hiding(const RepoKey& key) {
  // A removal hides a name before its entry goes: in the middle of one it would look like fetched again.
  const MutexLock serial(removing_);
  const RepoPtr repo = view_.library().find(key);
  if (!repo) return;
  bool ended = false;
  for (const auto& [commit_text, paths] : view_.memory().repo(key).hidden) {
    const auto commit = CommitHash::parse(commit_text);
    for (const std::string& text : paths) {
      const auto path = RelPath::parse(text);
      const bool here = commit && path && std::any_of(repo->copies.begin(), repo->copies.end(), [&](const RepoCopy& copy) {
        return has_snapshot_entry(*copy.root, key, *commit, *path);
      });
      if (!here) continue;
      view_.memory().unhide(key, *commit, text);
      ended = true;
    }
  }
  if (!ended) return;
  if (const Status saved = view_.memory().flush(); !saved) log::warn("not saved: " + saved.error().message);
}

void Remover::remove_folder(const Removal& removal) {
  for (const RootRemoval& part : removal.roots) {
    for (const RemovalPlan::Entry& entry : part.plan.entries) {
      remove_empty_snapshot_folder(*part.root, removal.key, entry.commit, entry.path);
    }
  }
  hide(removal);
  mark_removed(removal);
}

Status Remover::unlink(const DirSpec& dir, const std::string& name, const Caller& caller) {
  const MutexLock serial(removing_);
  const auto removal = plan_file(view_, dir, name, dir.key ? uses_of_repo(*dir.key) : UsesOf());
  if (!removal) return std::unexpected(removal.error());
  return noted(carry_out_locked(*removal, caller), removal->key.text() + "/" + removal->path);
}

Result<Removal> Remover::plan(const DirSpec& dir, const std::string& dir_path, const std::string& name) {
  const Lookup found = view_.look_up(dir, dir_path, name, false);
  if (const auto* error = std::get_if<Error>(&found)) return std::unexpected(*error);
  const auto* target = as_target(found);
  if (target == nullptr || !*target) return fail(ErrorKind::kNotFound, name + ": no such file or directory");
  if (!(*target)->dir) return plan_file(view_, dir, name, {});
  const DirSpec& spec = *(*target)->dir;
  if (spec.kind != Kind::kRevision) return fail(ErrorKind::kNotEmpty, name + " is a folder of the view; remove the models in it");
  if (!spec.path.empty()) return plan_folder(view_, spec);
  if (spec.select == DirSpec::Select::kDefault) return plan_repo(view_, *spec.key);
  const auto commit = view_.commit_of(spec);
  if (!commit) return fail(ErrorKind::kNotFound, name + ": no such revision");
  return plan_commit(view_, *spec.key, *commit);
}

Status Remover::rmdir(const DirSpec& dir, const std::string& dir_path, const std::string& name, const Caller& caller) {
  const Lookup found = view_.look_up(dir, dir_path, name, false);
  if (const auto* error = std::get_if<Error>(&found)) return std::unexpected(*error);
  const auto* target = as_target(found);
  if (target == nullptr || !*target) return fail(ErrorKind::kNotFound, name + ": no such directory");
  if (!(*target)->dir) return fail_errno(name, ENOTDIR);
  const DirSpec& spec = *(*target)->dir;
  return spec.kind == Kind::kRevision ? remove_revision(spec, dir_path, name, caller)
                                      : remove_plain_folder(spec, joined(dir_path, name));
}

Status Remover::remove_revision(const DirSpec& spec, const std::string& dir_path, const std::string& name, const Caller& caller) {
  const MutexLock serial(removing_);
  const auto commit = spec.path.empty() ? view_.commit_of(spec) : std::nullopt;
  auto removal = !spec.path.empty()                             ? plan_folder(view_, spec)
                 : spec.select == DirSpec::Select::kDefault     ? plan_repo(view_, *spec.key)
                 : commit                                       ? plan_commit(view_, *spec.key, *commit)
                        : Result<Removal>(fail(ErrorKind::kNotFound, name + ": no such revision"));
  if (!removal) return std::unexpected(removal.error());
  const bool lingers = spec.path.empty();
  if (lingers) view_.let_linger(dir_path);
  Status done = noted(carry_out_locked(*removal, caller), joined(dir_path, name));
  if (!done && lingers) view_.end_linger(dir_path);
  return done;
}

Status Remover::remove_plain_folder(const DirSpec& spec, const std::string& path) {
  const bool top = spec.kind == Kind::kShelf || spec.kind == Kind::kHub || spec.kind == Kind::kControl;
  if (top) return fail(ErrorKind::kPinned, path + " is a top folder of the view; it cannot be removed");
  const ReadDir listed = view_.list(spec, path, false);
  const auto* children = std::get_if<std::vector<Listed>>(&listed);
  if (children == nullptr || !children->empty()) {
    return fail(ErrorKind::kNotEmpty, path + " is not empty; remove the models in it");
  }
  view_.end_linger(path);
  return {};
}

}  // namespace hubfs
