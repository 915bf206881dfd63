// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/library.h"

#include <algorithm>
#include <chrono>

#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/catalog/evidence.h"
#include "core/catalog/family.h"
#include "core/catalog/naming.h"

namespace hubfs {

namespace {

constexpr std::size_t kMinDigits = 12;

std::string shelf_of(RepoType type, const std::string& family) {
  std::string shelf(plural(type));
  if (type == RepoType::kModel) shelf += "/" + family;
  return shelf;
}

std::string org_folder(const RepoKey& key) { return key.id.org().empty() ? "_" : std::string(key.id.org()); }

std::optional<CommitHash> choose_default(const RepoEntry& entry) {
  if (const auto main = RefName::parse("main"); main) {
    const auto it = entry.refs.find(*main);
    if (it != entry.refs.end() && entry.commits.contains(it->second)) return it->second;
  }
  std::optional<CommitHash> best;
  std::int64_t best_time = 0;
  for (const auto& [commit, seen] : entry.first_seen_ns) {
    if (best && seen < best_time) continue;
    best = commit;
    best_time = seen;
  }
  return best;
}

// The commit that the digits are the beginning of, if it is the only one.
std::optional<CommitHash> only_commit_with(const std::set<CommitHash>& commits, std::string_view digits) {
  std::optional<CommitHash> found;
  for (const CommitHash& commit : commits) {
    if (!commit.text().starts_with(digits)) continue;
    if (found) return std::nullopt;
    found = commit;
  }
  return found;
}

// 12 digits, and more where those are the beginning of another commit too, or the name of a ref.
std::string digits_of(const CommitHash& commit, const RepoEntry& entry) {
  const auto is_ref = [&](const std::string& text) {
    return std::any_of(entry.refs.begin(), entry.refs.end(), [&](const auto& ref) { return ref.first.text() == text; });
  };
  std::string digits = commit.short_text();
  while (digits.size() < commit.text().size() && (is_ref(digits) || !only_commit_with(entry.commits, digits))) {
    digits = commit.text().substr(0, digits.size() + 1);
  }
  return digits;
}

// One folder for each commit: under "main" if that is one of its refs, else its first ref by name, else its digits.
std::vector<HubFolder> hub_folders_of(const RepoEntry& entry) {
  std::map<CommitHash, std::string> names;
  for (const auto& [ref, commit] : entry.refs) {
    if (!entry.commits.contains(commit)) continue;
    if (ref.text() == "main") {
      names[commit] = ref.folder();
    } else {
      names.try_emplace(commit, ref.folder());
    }
  }
  std::vector<HubFolder> folders;
  for (const CommitHash& commit : entry.commits) {
    const auto named = names.find(commit);
    const std::string revision = named == names.end() ? digits_of(commit, entry) : named->second;
    folders.push_back({std::string(entry.key.id.name()) + "@" + revision, commit});
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

}  // namespace

std::optional<CommitHash> RepoEntry::find_revision(const std::string& revision) const {
  if (const auto commit = CommitHash::parse(revision)) return commit;
  if (const auto ref = RefName::parse(revision)) {
    const auto it = refs.find(*ref);
    if (it != refs.end()) return it->second;
  }
  if (revision.size() < kMinDigits || !is_lower_hex(revision, revision.size())) return std::nullopt;
  return only_commit_with(commits, revision);
}

struct Library::Scanned {
  RepoKey key;
  std::shared_ptr<RepoEntry> entry;  // null: nothing of the repo is there any more
  std::map<CommitHash, std::int64_t> mtimes;
  std::vector<std::string> problems;
  std::string evidence_commit;
  bool unread = false;  // something could not be read, for a reason that may pass
};

Library::Library(std::vector<CacheRootPtr> roots, Memory& memory) : roots_(std::move(roots)), memory_(memory) {}

Library::Scanned Library::scan(const RepoKey& key) const {
  Scanned scanned{key, std::make_shared<RepoEntry>(RepoEntry{.key = key, .copies = {}, .partials = {}, .refs = {}, .commits = {},
                                                             .first_seen_ns = {}, .default_commit = {}, .hub_folders = {},
                                                             .family = {}, .type = {}, .name = {}}),
                  {}, {}, {}, false};
  RepoEntry& entry = *scanned.entry;
  for (const CacheRootPtr& root : roots_) {
    auto disk = scan_repo(*root, key);
    if (!disk) {
      scanned.unread = scanned.unread || may_pass(disk.error().sys_errno);
      if (disk.error().kind != ErrorKind::kNotFound) scanned.problems.push_back(key.text() + ": " + disk.error().message);
      continue;
    }
    for (const std::string& problem : disk->problems) scanned.problems.push_back(key.text() + ": " + problem);
    for (const auto& [ref, commit] : disk->refs) entry.refs.try_emplace(ref, commit);
    for (const CommitOnDisk& commit : disk->commits) {
      entry.commits.insert(commit.commit);
      scanned.mtimes.try_emplace(commit.commit, commit.mtime_ns);
    }
    entry.copies.push_back({root, std::move(*disk)});
  }
  entry.partials = list_partials(*roots_.front(), key);
  for (const auto& [etag, partial] : entry.partials) {
    entry.commits.insert(partial.info.commit);
    if (partial.info.ref) entry.refs.try_emplace(*partial.info.ref, partial.info.commit);
  }
  if (entry.copies.empty() && entry.partials.empty()) {
    scanned.entry = nullptr;
    return scanned;
  }
  const RememberedRepo before = memory_.repo(key);
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::system_clock::now().time_since_epoch()).count();
  for (const CommitHash& commit : entry.commits) {
    const auto seen = before.first_seen_ns.find(commit.text());
    const auto mtime = scanned.mtimes.find(commit);
    entry.first_seen_ns[commit] = seen != before.first_seen_ns.end() ? seen->second
                                  : mtime != scanned.mtimes.end()    ? mtime->second
                                                                     : now;
  }
  entry.default_commit = choose_default(entry);
  entry.hub_folders = hub_folders_of(entry);
  // Filed once: a running program never sees a model move to another shelf. Only a repo about which nothing was known
  // (its config.json had not arrived when it was first seen) is filed again.
  const RepoPtr current = find(key);
  const bool keeps_shelf = current && !current->family.empty() && current->family != "other";
  const bool remembers = !before.evidence_commit.empty() && entry.default_commit && before.evidence_commit == entry.default_commit->text();
  if (keeps_shelf) {
    entry.family = current->family;
    entry.type = current->type;
    scanned.evidence_commit = before.evidence_commit;
  } else if (remembers) {
    entry.family = before.family;
    entry.type = before.type;
    scanned.evidence_commit = before.evidence_commit;
  } else {
    Evidence evidence;
    for (const RepoCopy& copy : entry.copies) {
      if (!entry.default_commit) break;
      evidence = read_evidence(*copy.root, key, *entry.default_commit);
      if (evidence.model_type.empty() && evidence.class_name.empty()) continue;
      scanned.evidence_commit = entry.default_commit->text();
      break;
    }
    Classification classification = classify(key, evidence);
    entry.family = std::move(classification.family);
    entry.type = std::move(classification.type);
  }
  return scanned;
}

void Library::name_shelf_locked(const std::string& shelf, RememberedRepos& remembered) {
  std::vector<NameRequest> requests;
  std::vector<RepoPtr> members;
  for (const auto& [key, repo] : repos_) {
    if (!repo->default_commit || shelf_of(key.type, repo->family) != shelf) continue;
    const auto it = remembered.find(key.text());
    const bool same_shelf = it != remembered.end() && it->second.family == repo->family;
    // A name given by this process wins over the file, which another mount may have written meanwhile.
    requests.push_back({key, !repo->name.empty() ? repo->name : same_shelf ? it->second.name : std::string()});
    members.push_back(repo);
  }
  const auto names = give_names(requests);
  std::map<std::string, RepoPtr> named;
  for (const RepoPtr& repo : members) {
    const std::string& name = names.at(repo->key);
    RepoPtr final = repo;
    if (repo->name != name) {
      auto changed = std::make_shared<RepoEntry>(*repo);
      changed->name = name;
      final = changed;
      repos_[repo->key] = final;
    }
    named.emplace(name, final);
    RememberedRepo& memory = remembered[repo->key.text()];
    memory.family = final->family;
    memory.type = final->type;
    memory.name = name;
  }
  if (named.empty()) {
    shelves_.erase(shelf);
  } else {
    shelves_[shelf] = std::move(named);
  }
}

void Library::file_entries(const std::vector<Scanned>& scanned) {
  // Memory is asked first and told afterwards: its lock and ours are never held together with disk access in between.
  RememberedRepos remembered;
  for (const Scanned& item : scanned) remembered[item.key.text()] = memory_.repo(item.key);
  std::set<std::string> shelves;
  std::set<std::string> gone;
  std::set<std::string> unread;  // nothing of it was seen, for a reason that may pass
  std::set<std::string> read;
  for (const auto& [key, repo] : remembered) read.insert(key);
  {
    const MutexLock lock(mutex_);
    for (const Scanned& item : scanned) {
      const auto old = repos_.find(item.key);
      if (old != repos_.end()) shelves.insert(shelf_of(item.key.type, old->second->family));
      problems_.erase(item.key);
      if (!item.problems.empty()) problems_[item.key] = item.problems;
      if (!item.entry) {
        if (old != repos_.end()) repos_.erase(old);
        // Its name and pin stay where it could not be read.
        if (item.unread) {
          unread.insert(item.key.text());
        } else {
          gone.insert(item.key.text());
        }
        continue;
      }
      const bool same_shelf = old != repos_.end() && old->second->family == item.entry->family;
      if (same_shelf && old->second->default_commit) item.entry->name = old->second->name;
      RememberedRepo& memory = remembered[item.key.text()];
      if (!item.unread) {
        memory.evidence_commit = item.evidence_commit;
        memory.first_seen_ns.clear();
      }
      for (const auto& [commit, seen] : item.entry->first_seen_ns) memory.first_seen_ns[commit.text()] = seen;
      // What was hidden stays hidden as long as the commit is cached.
      if (!item.unread) {
        std::erase_if(memory.hidden, [&](const auto& hidden) { return !memory.first_seen_ns.contains(hidden.first); });
      }
      shelves.insert(shelf_of(item.key.type, item.entry->family));
      repos_[item.key] = item.entry;
    }
    for (const std::string& shelf : shelves) name_shelf_locked(shelf, remembered);
  }
  for (const std::string& key : gone) remembered.erase(key);
  for (const std::string& key : unread) remembered.erase(key);
  const Status saved = memory_.change([&](RememberedRepos& all) {
    for (const std::string& key : gone) all.erase(key);
    for (const auto& [key, repo] : remembered) {
      RememberedRepo& target = all[key];
      target.family = repo.family;
      target.type = repo.type;
      target.name = repo.name;
      // A neighbour on a shelf: it was named together with the others, nothing else of it was read.
      if (!read.contains(key)) continue;
      target.evidence_commit = repo.evidence_commit;
      target.first_seen_ns = repo.first_seen_ns;
      // Pins and hidden files are changed by their own commands only; here they are only dropped with their commit.
      std::erase_if(target.hidden, [&](const auto& item) { return !target.first_seen_ns.contains(item.first); });
    }
  });
  if (!saved) log::warn("cannot save the names given: " + saved.error().message);
}

void Library::load() {
  std::set<RepoKey> keys;
  std::vector<std::string> problems;
  for (const CacheRootPtr& root : roots_) {
    if (const auto found = list_repos(*root, &problems)) keys.insert(found->begin(), found->end());
  }
  for (const RepoKey& key : list_partial_repos(*roots_.front())) keys.insert(key);
  for (const std::string& problem : problems) log::warn(problem);
  std::vector<Scanned> scanned;
  scanned.reserve(keys.size());
  for (const RepoKey& key : keys) scanned.push_back(scan(key));
  for (const Scanned& item : scanned) {
    for (const std::string& problem : item.problems) log::warn(problem);
  }
  file_entries(scanned);
}

namespace {

bool same_disk(const RepoEntry& a, const RepoEntry& b) {
  const auto partials_of = [](const RepoEntry& e) {
    std::vector<std::string> list;
    for (const auto& [etag, partial] : e.partials) list.push_back(etag);
    return list;
  };
  if (a.family != b.family || a.refs != b.refs || a.commits != b.commits || a.default_commit != b.default_commit ||
      a.copies.size() != b.copies.size() || partials_of(a) != partials_of(b)) {
    return false;
  }
  for (std::size_t i = 0; i < a.copies.size(); ++i) {
    const struct stat& x = a.copies[i].disk.folder;
    const struct stat& y = b.copies[i].disk.folder;
    if (a.copies[i].root != b.copies[i].root || x.st_ino != y.st_ino || x.st_mode != y.st_mode || x.st_uid != y.st_uid ||
        x.st_gid != y.st_gid) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool Library::refresh(const RepoKey& key) {
  const RepoPtr before = find(key);
  Scanned scanned = scan(key);
  if (!before && !scanned.entry) return false;
  for (const std::string& problem : scanned.problems) log::debug(problem);
  // What was known is nearer to the truth than what was seen.
  if (before && scanned.unread) return false;
  const bool changed = !before || !scanned.entry || !same_disk(*before, *scanned.entry);
  std::vector<Scanned> one;
  one.push_back(std::move(scanned));
  file_entries(one);
  return changed;
}

std::vector<RepoKey> Library::refresh_list() {
  std::map<RepoKey, std::vector<CacheRootPtr>> now;
  for (const CacheRootPtr& root : roots_) {
    const auto found = list_repos(*root, nullptr);
    if (!found && may_pass(found.error().sys_errno)) return {};
    for (const RepoKey& key : found ? *found : std::vector<RepoKey>{}) now[key].push_back(root);
  }
  for (const RepoKey& key : list_partial_repos(*roots_.front())) now.try_emplace(key);
  std::vector<RepoKey> candidates;
  for (const RepoPtr& repo : all()) {
    // A repo is known without a folder too, by what hubfs itself is downloading: that folder may have come or gone.
    const auto item = now.extract(repo->key);
    const bool same = !item.empty() && std::equal(item.mapped().begin(), item.mapped().end(), repo->copies.begin(), repo->copies.end(),
                                                  [](const CacheRootPtr& root, const RepoCopy& copy) { return root == copy.root; });
    if (!same) candidates.push_back(repo->key);
  }
  for (const auto& [key, where] : now) candidates.push_back(key);
  std::vector<RepoKey> changed;
  for (const RepoKey& key : candidates) {
    if (refresh(key)) changed.push_back(key);
  }
  return changed;
}

RepoPtr Library::find(const RepoKey& key) const {
  const MutexLock lock(mutex_);
  const auto it = repos_.find(key);
  return it == repos_.end() ? nullptr : it->second;
}

RepoPtr Library::find_on_shelf(RepoType type, const std::string& family, const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto names = shelves_.find(shelf_of(type, family));
  if (names == shelves_.end()) return nullptr;
  const auto it = names->second.find(name);
  return it == names->second.end() ? nullptr : it->second;
}

std::vector<std::string> Library::families() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> found;
  const std::string prefix = std::string(plural(RepoType::kModel)) + "/";
  for (const auto& [shelf, names] : shelves_) {
    if (shelf.starts_with(prefix)) found.push_back(shelf.substr(prefix.size()));
  }
  return found;
}

std::vector<RepoPtr> Library::shelf(RepoType type, const std::string& family) const {
  const MutexLock lock(mutex_);
  std::vector<RepoPtr> found;
  const auto names = shelves_.find(shelf_of(type, family));
  if (names == shelves_.end()) return found;
  for (const auto& [name, repo] : names->second) found.push_back(repo);
  return found;
}

bool Library::has_type(RepoType type) const {
  const MutexLock lock(mutex_);
  return std::any_of(repos_.begin(), repos_.end(),
                     [type](const auto& item) { return item.first.type == type && !item.second->commits.empty(); });
}

std::vector<std::string> Library::orgs(RepoType type) const {
  const MutexLock lock(mutex_);
  std::set<std::string> found;
  for (const auto& [key, repo] : repos_) {
    if (key.type == type && !repo->commits.empty()) found.insert(org_folder(key));
  }
  return {found.begin(), found.end()};
}

std::vector<RepoPtr> Library::repos_of(RepoType type, const std::string& org) const {
  const MutexLock lock(mutex_);
  std::vector<RepoPtr> found;
  for (const auto& [key, repo] : repos_) {
    if (key.type == type && !repo->commits.empty() && org_folder(key) == org) found.push_back(repo);
  }
  return found;
}

std::vector<RepoPtr> Library::all() const {
  const MutexLock lock(mutex_);
  std::vector<RepoPtr> found;
  for (const auto& [key, repo] : repos_) found.push_back(repo);
  return found;
}

std::vector<std::string> Library::problems() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [key, list] : problems_) found.insert(found.end(), list.begin(), list.end());
  return found;
}

}  // namespace hubfs
