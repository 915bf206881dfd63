// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/repo.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>

#include "tests/hub/digest.h"
#include "tests/hub/url.h"

namespace hubfs::testing {
namespace {

// A fixed day for each generation of commits, so that answers are the same in every run.
std::string commit_date(int generation) {
  constexpr std::time_t kFirst = 1704067200;  // 2024-01-01
  const std::time_t when = kFirst + std::time_t{86400} * generation;
  std::tm parts{};
  gmtime_r(&when, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
  return {text.data(), length};
}

int generation(const Commit* commit) {
  int count = 0;
  for (; commit != nullptr; commit = commit->parent().get()) ++count;
  return count;
}

std::string from_hex(const std::string& hex) {
  std::string raw;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    raw += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return raw;
}

bool is_lfs(const RepoSpec& spec, const std::string& path, const Content& content) {
  return content.size() >= spec.lfs_threshold ||
         std::ranges::any_of(spec.lfs_suffixes, [&](const std::string& suffix) { return path.ends_with(suffix); });
}

}  // namespace

std::string FileEntry::pointer() const {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + content->sha256() + "\nsize " +
         std::to_string(content->size()) + "\n";
}

std::string FileEntry::oid() const {
  if (!lfs) return content->git_sha1();
  const std::string text = pointer();
  return sha1_hex("blob " + std::to_string(text.size()) + std::string(1, '\0') + text);
}

std::string FileEntry::etag() const { return lfs ? content->sha256() : content->git_sha1(); }

std::string FileEntry::xet_hash() const { return sha256_hex("xet " + content->sha256()); }

Commit::Commit(std::shared_ptr<const Commit> parent, CommitStamp stamp, Entries entries)
    : parent_(std::move(parent)),
      stamp_(std::make_shared<CommitStamp>(std::move(stamp))),
      entries_(std::move(entries)) {
  for (auto& [path, entry] : entries_) {
    const FileEntry* before = parent_ ? parent_->file(path) : nullptr;
    const bool same = before != nullptr && before->content->identity() == entry.content->identity();
    entry.last_commit = same ? before->last_commit : stamp_;
    Directory* directory = &root_;
    const std::vector<std::string> parts = split(path, '/');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      auto& child = directory->directories[parts[i]];
      if (!child) child = std::make_unique<Directory>();
      directory = child.get();
    }
    directory->files[parts.back()] = &entry;
  }
}

const FileEntry* Commit::file(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

const Commit::Directory* Commit::find(const std::string& path) const {
  const Directory* directory = &root_;
  if (path.empty()) return directory;
  for (const std::string& part : split(path, '/')) {
    const auto child = directory->directories.find(part);
    if (child == directory->directories.end()) return nullptr;
    directory = child->second.get();
  }
  return directory;
}

bool Commit::has_directory(const std::string& path) const { return find(path) != nullptr; }

void Commit::append(const Directory& directory, const std::string& prefix, bool recursive, TreeItems& items) {
  for (const auto& [name, child] : directory.directories) items.push_back({prefix + name, nullptr});
  for (const auto& [name, file] : directory.files) items.push_back({prefix + name, file});
  if (!recursive) return;
  for (const auto& [name, child] : directory.directories) append(*child, prefix + name + "/", true, items);
}

std::shared_ptr<const TreeItems> Commit::list(const std::string& directory, bool recursive) const {
  const Directory* found = find(directory);
  if (found == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  auto& listing = listings_[{directory, recursive}];
  if (!listing) {
    auto items = std::make_shared<TreeItems>();
    append(*found, directory.empty() ? "" : directory + "/", recursive, *items);
    listing = std::move(items);
  }
  return listing;
}

std::string Commit::hash_directory(const Directory& directory, const std::string& path) const {
  if (const auto known = directory_oids_.find(path); known != directory_oids_.end()) return known->second;
  // git sorts the entries of a tree as if directories ended in a slash.
  std::map<std::string, std::string> lines;
  const std::string zero(1, '\0');
  for (const auto& [name, child] : directory.directories) {
    const std::string oid = hash_directory(*child, path.empty() ? name : path + "/" + name);
    lines[name + "/"] = "40000 " + name + zero + from_hex(oid);
  }
  for (const auto& [name, file] : directory.files) lines[name] = "100644 " + name + zero + from_hex(file->oid());
  std::string body;
  for (const auto& [name, line] : lines) body += line;
  return directory_oids_[path] = sha1_hex("tree " + std::to_string(body.size()) + zero + body);
}

std::string Commit::directory_oid(const std::string& directory) const {
  const Directory* found = find(directory);
  if (found == nullptr) return {};
  const std::lock_guard lock(mutex_);
  return hash_directory(*found, directory);
}

Repo::Repo(RepoSpec spec) : spec_(std::move(spec)) {
  const auto revisions = std::exchange(spec_.revisions, {});
  for (const auto& [name, files] : revisions) {
    heads_[name] = make_commit(nullptr, files);
    remember(heads_[name]);
  }
  for (const auto& [tag, target] : spec_.tags) {
    CommitPtr commit = resolve(target);
    if (!commit) throw std::invalid_argument("tag " + tag + " of " + spec_.id + " points to nothing: " + target);
    tags_[tag] = std::move(commit);
  }
}

CommitPtr Repo::make_commit(const CommitPtr& parent, const Files& files) const {
  Commit::Entries entries;
  Digest digest(Digest::Kind::kSha1);
  digest.add(key() + "\n" + (parent ? parent->hash() : "") + "\n");
  for (const auto& [path, content] : files) {
    const bool lfs = is_lfs(spec_, path, *content);
    entries[path] = {.content = content, .lfs = lfs, .xet = lfs && spec_.xet, .last_commit = nullptr};
    digest.add(path + std::string(1, '\0') + content->identity() + "\n");
  }
  const int number = generation(parent.get());
  CommitStamp stamp = {digest.hex(), number == 0 ? "initial commit" : "Update files", commit_date(number)};
  return std::make_shared<Commit>(parent, std::move(stamp), std::move(entries));
}

void Repo::remember(const CommitPtr& commit) {
  for (CommitPtr at = commit; at; at = at->parent()) commits_.try_emplace(at->hash(), at);
}

CommitPtr Repo::resolve(const std::string& revision) const {
  const std::string name = revision == "HEAD" ? "main" : revision;
  for (const auto* table : {&heads_, &tags_, &commits_}) {
    if (const auto found = table->find(name); found != table->end()) return found->second;
  }
  const auto strip = [&](std::string_view prefix, const std::map<std::string, CommitPtr>& table) -> CommitPtr {
    if (!name.starts_with(prefix)) return nullptr;
    const auto found = table.find(name.substr(prefix.size()));
    return found == table.end() ? nullptr : found->second;
  };
  if (CommitPtr commit = strip("refs/heads/", heads_)) return commit;
  return strip("refs/tags/", tags_);
}

const FileEntry* Repo::find_stored(const std::string& sha256, const std::string& path) const {
  for (const auto& [hash, commit] : commits_) {
    const FileEntry* file = commit->file(path);
    if (file != nullptr && file->lfs && file->content->sha256() == sha256) return file;
  }
  return nullptr;
}

std::shared_ptr<const Repo> Repo::with_commit(const std::string& branch, const Files& files) const {
  auto next = std::make_shared<Repo>(*this);
  const auto head = heads_.find(branch);
  next->heads_[branch] = make_commit(head == heads_.end() ? nullptr : head->second, files);
  next->remember(next->heads_[branch]);
  return next;
}

std::shared_ptr<const Repo> Repo::with_access(bool is_private, bool gated, bool disabled) const {
  auto next = std::make_shared<Repo>(*this);
  next->spec_.is_private = is_private;
  next->spec_.gated = gated;
  next->spec_.disabled = disabled;
  return next;
}

}  // namespace hubfs::testing
