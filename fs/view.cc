// SPDX-License-Identifier: Apache-2.0
#include "fs/view.h"

#include "core/base/hash.h"
#include "core/cache/layout.h"

namespace hubfs {

namespace {

using Kind = DirSpec::Kind;

constexpr const char* kHubName = "hub";
constexpr const char* kControlName = ".hubfs";
constexpr const char* kStatusFile = "status.json";

DirSpec simple(Kind kind, RepoType type = RepoType::kModel, std::string text = {}) {
  DirSpec dir;
  dir.kind = kind;
  dir.type = type;
  dir.text = std::move(text);
  return dir;
}

// "<name>@<revision>": the part behind "@", decoded; nullopt without "@".
struct NameAndRevision {
  std::string name;
  std::optional<std::string> revision;
};
std::optional<NameAndRevision> split_revision(const std::string& text) {
  const std::size_t at = text.find('@');
  if (at == std::string::npos) return NameAndRevision{text, std::nullopt};
  const std::string revision = text.substr(at + 1);
  if (CommitHash::parse(revision)) return NameAndRevision{text.substr(0, at), revision};
  const auto ref = RefName::from_folder(revision);
  if (!ref) return std::nullopt;
  return NameAndRevision{text.substr(0, at), ref->text()};
}

std::optional<RepoKey> repo_key(RepoType type, const std::string& org, const std::string& name) {
  const auto id = RepoId::parse(org == "_" ? name : org + "/" + name);
  if (!id) return std::nullopt;
  return RepoKey{type, *id};
}

}  // namespace

std::uint64_t ino_of(const std::string& identity) {
  const std::uint64_t ino = stable_hash64(identity);
  return ino < 16 ? ino + 16 : ino;
}

View::View(Library& library, Memory& memory, RemoteCatalog& remote, TreeCache& trees, ViewOptions options)
    : library_(library), memory_(memory), remote_(remote), trees_(trees), options_(std::move(options)) {}

Result<DirSpec> View::root() const {
  DirSpec dir = simple(Kind::kRoot);
  std::string rest = options_.subtree;
  std::string path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string name = rest.substr(0, slash);
    rest = slash == std::string::npos ? std::string() : rest.substr(slash + 1);
    if (name.empty()) continue;
    Lookup found = look_up(dir, path, name, false);
    auto* target = std::get_if<std::optional<Target>>(&found);
    if (target == nullptr || !*target || !(*target)->dir) {
      return fail(ErrorKind::kNotFound, "subtree=" + options_.subtree + ": there is no folder '" + name + "' in " +
                                            (path.empty() ? std::string("the view") : path) + "; see `hubfs ls`");
    }
    dir = *(*target)->dir;
    path += (path.empty() ? "" : "/") + name;
  }
  return dir;
}

Attr View::dir_attr(const DirSpec& dir, const std::string& path) const {
  Attr attr;
  attr.ino = path.empty() ? kRootNode : ino_of("dir:" + path);
  attr.nlink = 2;
  Permission permission;
  if (dir.kind == Kind::kRevision) {
    if (const RepoPtr repo = library_.find(*dir.key); repo && repo->folder() != nullptr) {
      const auto& roots = library_.roots();
      std::size_t index = 0;
      while (index < roots.size() && roots[index] != repo->copies.front().root) ++index;
      permission = folder_permission(*repo->folder(), trees_.ways()->at(index), options_.permissions);
      if (const auto commit = commit_of(dir)) {
        const auto seen = repo->first_seen_ns.find(*commit);
        if (seen != repo->first_seen_ns.end()) attr.mtime_ns = seen->second;
      }
      attr.mode = S_IFDIR | permission.mode;
      attr.uid = permission.uid;
      attr.gid = permission.gid;
      return attr;
    }
  }
  struct stat st {};
  if (::fstat(library_.roots().front()->fd(), &st) != 0) st.st_mode = S_IFDIR | 0500;
  permission = folder_permission(st, trees_.ways()->front(), options_.permissions);
  attr.mode = S_IFDIR | permission.mode;
  attr.uid = permission.uid;
  attr.gid = permission.gid;
  attr.mtime_ns = std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  return attr;
}

std::optional<Target> View::found_dir(DirSpec dir, const std::string& parent_path, const std::string& name) const {
  Target target;
  target.attr = dir_attr(dir, parent_path.empty() ? name : parent_path + "/" + name);
  target.dir = std::move(dir);
  return target;
}

Target View::file_target(const RevisionTreePtr& tree, const TreeFile& file) const {
  Target target;
  target.tree = tree;
  target.file = &file;
  target.attr.ino = ino_of(file.identity);
  target.attr.mode = S_IFREG | file.permission.mode;
  target.attr.nlink = 2;
  target.attr.uid = file.permission.uid;
  target.attr.gid = file.permission.gid;
  target.attr.size = file.size;
  target.attr.blocks = file.blocks;
  target.attr.mtime_ns = file.mtime_ns;
  target.changing = file.state == FileState::kRealFile;
  return target;
}

Lookup View::look_up(const DirSpec& dir, const std::string& path, const std::string& name, bool ask) const {
  Lookup found = std::optional<Target>();
  // Also a mount of a part of the view can be asked for its status.
  if (name == kControlName && path == options_.subtree && dir.kind != Kind::kRoot) return found_dir(simple(Kind::kControl), path, name);
  switch (dir.kind) {
    case Kind::kRoot: found = look_up_in_root(name); break;
    case Kind::kShelf: found = look_up_on_shelf(dir, name); break;
    case Kind::kFamily: found = look_up_in_family(dir, name); break;
    case Kind::kHub:
    case Kind::kHubType: found = look_up_in_hub(dir, name); break;
    case Kind::kHubOrg: found = look_up_repo(dir.type, dir.text, name, ask); break;
    case Kind::kRevision: found = look_up_in_revision(dir, name, ask); break;
    case Kind::kControl:
      if (name == kStatusFile) {
        Target target;
        target.control = name;
        target.attr = dir_attr(dir, path + "/" + name);
        target.attr.mode = S_IFREG | 0444;
        target.attr.nlink = 1;
        return std::optional(std::move(target));
      }
      return std::optional<Target>();
  }
  if (auto* target = std::get_if<std::optional<Target>>(&found); target != nullptr && *target && (*target)->dir) {
    return found_dir(std::move(*(*target)->dir), path, name);
  }
  return found;
}

namespace {
Lookup just_dir(DirSpec dir) {
  Target target;
  target.dir = std::move(dir);
  return std::optional(std::move(target));
}
Lookup nothing() { return std::optional<Target>(); }
}  // namespace

bool View::lingers(const std::string& path) const {
  const MutexLock lock(mutex_);
  return lingering_.contains(path);
}

void View::let_linger(const std::string& path) {
  const MutexLock lock(mutex_);
  lingering_.insert(path);
}

void View::end_linger(const std::string& path) {
  const MutexLock lock(mutex_);
  lingering_.erase(path);
}

Lookup View::look_up_in_root(const std::string& name) const {
  if (name == kHubName) return just_dir(simple(Kind::kHub));
  if (name == kControlName) return just_dir(simple(Kind::kControl));
  if (const auto type = repo_type_from_plural(name)) {
    if (*type == RepoType::kModel || library_.has_type(*type) || lingers(name)) return just_dir(simple(Kind::kShelf, *type));
  }
  return nothing();
}

Lookup View::look_up_on_shelf(const DirSpec& dir, const std::string& name) const {
  if (dir.type == RepoType::kModel) {
    if (!library_.shelf(RepoType::kModel, name).empty() || lingers("models/" + name)) {
      return just_dir(simple(Kind::kFamily, dir.type, name));
    }
  } else if (!library_.shelf(dir.type, "").empty()) {
    Lookup found = look_up_in_family(dir, name);
    if (const auto* target = std::get_if<std::optional<Target>>(&found); target == nullptr || *target) return found;
  }
  // The exact alias "<org>--<name>", of cached repos only: the shelf never asks the Hub for names.
  const std::size_t dashes = name.find("--");
  if (dashes == std::string::npos) return nothing();
  const auto parts = split_revision(name.substr(dashes + 2));
  if (!parts) return nothing();
  const auto key = repo_key(dir.type, name.substr(0, dashes), parts->name);
  const RepoPtr repo = key ? library_.find(*key) : nullptr;
  if (!repo || !repo->default_commit) return nothing();
  return revision_place(*key, parts->revision, false);
}

Lookup View::look_up_in_family(const DirSpec& dir, const std::string& name) const {
  const auto parts = split_revision(name);
  if (!parts) return nothing();
  const RepoPtr repo = library_.find_on_shelf(dir.type, dir.text, parts->name);
  if (!repo) return nothing();
  return revision_place(repo->key, parts->revision, false);
}

Lookup View::look_up_in_hub(const DirSpec& dir, const std::string& name) const {
  if (dir.kind == Kind::kHub) {
    if (const auto type = repo_type_from_plural(name); type && *type != RepoType::kModel) {
      return just_dir(simple(Kind::kHubType, *type));
    }
  }
  // Any possible org resolves, so that hub/<org>/<name> can be reached; none but those with something cached is listed.
  if (name != "_" && !RepoId::parse(name)) return nothing();
  return just_dir(simple(Kind::kHubOrg, dir.type, name));
}

Lookup View::look_up_repo(RepoType type, const std::string& org, const std::string& name, bool ask) const {
  const auto parts = split_revision(name);
  if (!parts) return nothing();
  const auto key = repo_key(type, org, parts->name);
  if (!key) return nothing();
  return revision_place(*key, parts->revision, ask);
}

Lookup View::revision_place(const RepoKey& key, const std::optional<std::string>& revision, bool ask) const {
  DirSpec dir = simple(Kind::kRevision, key.type);
  dir.key = key;
  const RepoPtr repo = library_.find(key);
  if (!revision) {
    dir.select = DirSpec::Select::kDefault;
    if ((repo && repo->default_commit) || remote_.known_commit(key, "main")) return just_dir(std::move(dir));
    if (!ask) return nothing();
    if (auto refused = remote_.refusal(key, "main")) return std::move(*refused);
    return Need{key, std::nullopt, "main"};
  }
  const auto commit = repo ? repo->find_revision(*revision) : std::nullopt;
  const auto ref = RefName::parse(*revision);
  const bool is_ref = commit && ref && repo->refs.contains(*ref);
  if (commit && (is_ref || repo->commits.contains(*commit))) {
    dir.select = is_ref ? DirSpec::Select::kRef : DirSpec::Select::kCommit;
    dir.revision = is_ref ? *revision : commit->text();
    return just_dir(std::move(dir));
  }
  if (remote_.known_commit(key, *revision)) {
    dir.select = CommitHash::parse(*revision) ? DirSpec::Select::kCommit : DirSpec::Select::kRef;
    dir.revision = *revision;
    return just_dir(std::move(dir));
  }
  if (!ask) return nothing();
  if (auto refused = remote_.refusal(key, *revision)) return std::move(*refused);
  return Need{key, std::nullopt, *revision};
}

std::optional<CommitHash> View::commit_of(const DirSpec& dir) const {
  if (dir.kind != Kind::kRevision) return std::nullopt;
  const RepoPtr repo = library_.find(*dir.key);
  switch (dir.select) {
    case DirSpec::Select::kDefault:
      if (repo && repo->default_commit) return repo->default_commit;
      return remote_.known_commit(*dir.key, "main");
    case DirSpec::Select::kRef:
      if (const auto commit = repo ? repo->find_revision(dir.revision) : std::nullopt) return commit;
      return remote_.known_commit(*dir.key, dir.revision);
    case DirSpec::Select::kCommit:
      if (const auto commit = CommitHash::parse(dir.revision)) {
        if ((repo && repo->commits.contains(*commit)) || remote_.known_commit(*dir.key, dir.revision)) return commit;
      }
      return std::nullopt;
  }
  return std::nullopt;
}

RevisionTreePtr View::tree_of(const DirSpec& dir) const {
  const auto commit = commit_of(dir);
  return commit ? trees_.get(*dir.key, *commit) : nullptr;
}

bool View::may_grow(const DirSpec& dir) const {
  if (dir.kind == Kind::kHubOrg) return true;
  if (dir.kind != Kind::kRevision || options_.offline) return false;
  const RevisionTreePtr tree = tree_of(dir);
  return tree && !tree->has_listing() && (options_.show_all || library_.find(*dir.key) == nullptr);
}

std::optional<RefName> View::ref_of(const DirSpec& dir) const {
  if (dir.kind != Kind::kRevision) return std::nullopt;
  if (dir.select == DirSpec::Select::kRef) return RefName::parse(dir.revision);
  if (dir.select == DirSpec::Select::kCommit) return std::nullopt;
  const RepoPtr repo = library_.find(*dir.key);
  // The default revision of a cached repo may be a detached commit: then there is no ref to write.
  if (repo && !repo->copies.empty() && repo->default_commit) {
    const auto main = repo->refs.find(*RefName::parse("main"));
    if (main == repo->refs.end() || main->second != *repo->default_commit) return std::nullopt;
  }
  return RefName::parse("main");
}

std::vector<CommitHash> View::commits_of(const DirSpec& dir) const {
  const auto shown = commit_of(dir);
  if (!shown) return {};
  if (dir.select != DirSpec::Select::kDefault) return {*shown};
  const RepoPtr repo = library_.find(*dir.key);
  if (!repo) return {*shown};
  return {repo->commits.begin(), repo->commits.end()};
}

std::optional<Need> View::need_listing(const DirSpec& dir, const RevisionTreePtr& tree) const {
  if (tree->has_listing() || options_.offline) return std::nullopt;
  const bool cached = library_.find(*dir.key) != nullptr;
  if (cached && !options_.show_all) return std::nullopt;
  if (!remote_.may_ask_listing(*dir.key, tree->commit())) return std::nullopt;
  return Need{*dir.key, tree->commit(), ""};
}

Lookup View::look_up_in_revision(const DirSpec& dir, const std::string& name, bool ask) const {
  const RevisionTreePtr tree = tree_of(dir);
  if (!tree) return nothing();
  const std::string path = dir.path.empty() ? name : dir.path + "/" + name;
  const TreeFile* file = tree->file(path);
  const bool complete = file != nullptr && (file->state == FileState::kCached || file->state == FileState::kRealFile);
  if (tree->failure() && !complete && !tree->has_folder(path)) return *tree->failure();
  if (file != nullptr) return std::optional(file_target(tree, *file));
  if (tree->has_folder(path)) {
    DirSpec sub = dir;
    sub.path = path;
    return just_dir(std::move(sub));
  }
  if (ask) {
    if (auto need = need_listing(dir, tree)) return std::move(*need);
  }
  return nothing();
}

std::vector<std::pair<std::string, DirSpec>> View::plain_children(const DirSpec& dir, const std::string& path) const {
  std::vector<std::pair<std::string, DirSpec>> found;
  add_plain_children(dir, found);
  // Folders that a removal through this mount emptied stay listed until their own rmdir.
  std::set<std::string> names;
  for (const auto& [name, spec] : found) names.insert(name);
  for (const std::string& name : lingering_in(path)) {
    if (names.contains(name)) continue;
    Lookup place = look_up(dir, path, name, false);
    const auto* target = std::get_if<std::optional<Target>>(&place);
    if (target != nullptr && *target && (*target)->dir) found.emplace_back(name, *(*target)->dir);
  }
  return found;
}

std::vector<std::string> View::lingering_in(const std::string& path) const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const std::string& full : lingering_) {
    const std::size_t slash = full.rfind('/');
    const std::string parent = slash == std::string::npos ? std::string() : full.substr(0, slash);
    if (parent == path) names.push_back(slash == std::string::npos ? full : full.substr(slash + 1));
  }
  return names;
}

void View::add_plain_children(const DirSpec& dir, std::vector<std::pair<std::string, DirSpec>>& found) const {
  switch (dir.kind) {
    case Kind::kRoot:
      for (const RepoType type : kRepoTypes) {
        if (type == RepoType::kModel || library_.has_type(type)) {
          found.emplace_back(std::string(plural(type)), simple(Kind::kShelf, type));
        }
      }
      found.emplace_back(kHubName, simple(Kind::kHub));
      break;
    case Kind::kShelf:
      if (dir.type == RepoType::kModel) {
        for (const std::string& family : library_.families()) {
          found.emplace_back(family, simple(Kind::kFamily, dir.type, family));
        }
        break;
      }
      [[fallthrough]];
    case Kind::kFamily:
      for (const RepoPtr& repo : library_.shelf(dir.type, dir.text)) {
        DirSpec place = simple(Kind::kRevision, dir.type);
        place.key = repo->key;
        found.emplace_back(repo->name, std::move(place));
      }
      break;
    case Kind::kHub:
      for (const RepoType type : kRepoTypes) {
        if (type != RepoType::kModel && library_.has_type(type)) {
          found.emplace_back(std::string(plural(type)), simple(Kind::kHubType, type));
        }
      }
      [[fallthrough]];
    case Kind::kHubType:
      for (const std::string& org : library_.orgs(dir.type)) found.emplace_back(org, simple(Kind::kHubOrg, dir.type, org));
      break;
    case Kind::kHubOrg:
      for (const RepoPtr& repo : library_.repos_of(dir.type, dir.text)) {
        for (const HubFolder& folder : repo->hub_folders) {
          Lookup place = look_up_repo(dir.type, dir.text, folder.name, false);
          auto* target = std::get_if<std::optional<Target>>(&place);
          if (target != nullptr && *target) found.emplace_back(folder.name, *(*target)->dir);
        }
      }
      break;
    case Kind::kRevision:
    case Kind::kControl: break;
  }
}

ReadDir View::list(const DirSpec& dir, const std::string& path, bool ask) const {
  std::vector<Listed> found;
  const auto at = [&](const std::string& name) { return path.empty() ? name : path + "/" + name; };
  const auto add_dir = [&](const std::string& name, DirSpec spec) {
    Target target;
    target.attr = dir_attr(spec, at(name));
    target.dir = std::move(spec);
    found.push_back({name, std::move(target)});
  };
  if (dir.kind == Kind::kControl) {
    Lookup status = look_up(dir, path, kStatusFile, false);
    found.push_back({kStatusFile, std::move(**std::get_if<std::optional<Target>>(&status))});
    return found;
  }
  if (dir.kind != Kind::kRevision) {
    for (auto& [name, spec] : plain_children(dir, path)) add_dir(name, std::move(spec));
    return found;
  }
  const RevisionTreePtr tree = tree_of(dir);
  if (!tree) return Error{ErrorKind::kNotFound, "no such revision any more", 0};
  if (tree->failure()) return *tree->failure();
  if (ask) {
    if (auto need = need_listing(dir, tree)) return std::move(*need);
  }
  for (const RevisionTree::Child& child : tree->children(dir.path, !options_.show_all)) {
    if (child.file != nullptr) {
      found.push_back({child.name, file_target(tree, *child.file)});
    } else {
      DirSpec sub = dir;
      sub.path = dir.path.empty() ? child.name : dir.path + "/" + child.name;
      add_dir(child.name, std::move(sub));
    }
  }
  return found;
}

}  // namespace hubfs
