// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/memory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/file_io.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxFile = 256U << 20U;
constexpr int kVersion = 1;
constexpr std::chrono::seconds kLongestLockWait{3};
// Short: two mounts that save in turns must not miss each other.
constexpr useconds_t kLockPauseMicroseconds = 1'000;

// What is shown as a folder's name: the file can be written by whoever may write to the cache.
bool can_be_shown(const std::string& name) {
  return name.empty() || (name.find('/') == std::string::npos && RelPath::parse(name));
}

// Not for ever: whoever shares the cache can keep the lock, and must not stop this mount with it. Without it the last
// of two who save at once wins.
void lock_among_mounts(int fd) {
  const auto end = std::chrono::steady_clock::now() + kLongestLockWait;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return;
    if (std::chrono::steady_clock::now() > end) return log::warn("another process keeps the lock of names given; saved without it");
    ::usleep(kLockPauseMicroseconds);
  }
}

// 0 for a file that is not there; nullopt when that cannot be told.
std::optional<std::uint64_t> version_of(int dir_fd, const char* file) {
  struct stat st {};
  if (::fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? std::optional<std::uint64_t>(0) : std::nullopt;
  }
  return stable_hash64(std::to_string(st.st_ino) + "." + std::to_string(st.st_mtim.tv_sec) + "." +
                       std::to_string(st.st_mtim.tv_nsec) + "." + std::to_string(st.st_size));
}

// Who may read and write the state may read and write what is remembered: a pin that another user of the cache cannot
// read protects from nobody.
mode_t mode_in(int dir_fd) {
  struct stat st {};
  return ::fstat(dir_fd, &st) == 0 ? (st.st_mode & 0666U) : 0600U;
}

// What removals go by: hidden files and pins.
void note_differences(const RememberedRepos& now, const RememberedRepos& before, std::set<std::string>& into) {
  static const RememberedRepo nothing;
  const auto find = [](const RememberedRepos& repos, const std::string& key) -> const RememberedRepo& {
    const auto it = repos.find(key);
    return it == repos.end() ? nothing : it->second;
  };
  const auto compare = [&](const RememberedRepos& all) {
    for (const auto& [key, repo] : all) {
      const RememberedRepo& a = find(now, key);
      const RememberedRepo& b = find(before, key);
      if (a.pinned != b.pinned || a.hidden != b.hidden) into.insert(key);
    }
  };
  compare(now);
  compare(before);
}

}  // namespace

std::string format_memory(const RememberedRepos& repos) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [key, repo] : repos) {
    nlohmann::json item = {{"family", repo.family}, {"type", repo.type}, {"name", repo.name}};
    if (!repo.evidence_commit.empty()) item["evidence_commit"] = repo.evidence_commit;
    if (repo.pinned) item["pinned"] = true;
    if (!repo.first_seen_ns.empty()) item["first_seen_ns"] = repo.first_seen_ns;
    // Paths are bytes and JSON strings are not: each path is an array of its bytes.
    for (const auto& [commit, paths] : repo.hidden) {
      for (const auto& path : paths) item["hidden"][commit].push_back(std::vector<std::uint8_t>(path.begin(), path.end()));
    }
    all[key] = std::move(item);
  }
  return nlohmann::json{{"version", kVersion}, {"repos", std::move(all)}}.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<RememberedRepos> parse_memory(const std::string& text) {
  // By reference: a number with a fraction is refused, where get() would convert it, out of range too.
  using Whole = const nlohmann::json::number_integer_t&;
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("version") != kVersion) return fail(ErrorKind::kInvalid, "unknown version of names.json");
    RememberedRepos repos;
    for (const auto& [key, item] : json.at("repos").items()) {
      RememberedRepo repo;
      repo.family = item.at("family");
      repo.type = item.at("type");
      repo.name = item.at("name");
      if (!can_be_shown(repo.family) || !can_be_shown(repo.name)) {
        return fail(ErrorKind::kInvalid, "names.json: a name that no folder can have");
      }
      repo.evidence_commit = item.value("evidence_commit", "");
      repo.pinned = item.value("pinned", false);
      if (item.contains("first_seen_ns")) {
        for (const auto& [commit, seen] : item["first_seen_ns"].items()) repo.first_seen_ns[commit] = seen.get_ref<Whole>();
      }
      if (item.contains("hidden")) {
        for (const auto& [commit, paths] : item["hidden"].items()) {
          for (const auto& path : paths) {
            std::string bytes;
            for (const auto& byte : path) bytes += static_cast<char>(byte.get_ref<Whole>());
            repo.hidden[commit].insert(std::move(bytes));
          }
        }
      }
      repos.emplace(key, std::move(repo));
    }
    return repos;
  } catch (const std::exception& e) {
    return fail(ErrorKind::kInvalid, std::string("names.json: ") + e.what());
  }
}

Memory::Memory(CacheRootPtr first_root) : root_(std::move(first_root)) {
  const MutexLock lock(mutex_);
  load_locked();
  changed_by_others_.clear();
}

std::set<std::string> Memory::reload() {
  const MutexLock lock(mutex_);
  load_locked();
  return std::exchange(changed_by_others_, {});
}

void Memory::load_locked() {
  if (!root_->has_state()) {
    // A cache that is away has lost nothing: what was forgotten meanwhile counts only until its file is there again.
    loaded_version_ = 0;
    return;
  }
  const auto version = version_of(root_->state_fd(), state::kNamesFile);
  if (version && (*version == 0 || *version == loaded_version_)) {
    unreadable_ = false;
    return;
  }
  const auto text = read_small_file(root_->state_fd(), state::kNamesFile, kMaxFile);
  if (!text) {
    const bool absent = text.error().kind == ErrorKind::kNotFound;
    if (!absent && !unreadable_) log::warn("names given are not readable now: " + text.error().message);
    unreadable_ = !absent;
    return;
  }
  unreadable_ = false;
  auto repos = parse_memory(*text);
  if (!repos) {
    const std::string aside = std::string(state::kNamesFile) + ".broken";
    ::renameat(root_->state_fd(), state::kNamesFile, root_->state_fd(), aside.c_str());
    log::error(repos.error().message + "; kept as " + root_->state_path() + "/" + aside + ", starting without it");
    return;
  }
  for (const Note& note : notes_) apply(note, *repos);
  note_differences(*repos, repos_, changed_by_others_);
  repos_ = std::move(*repos);
  loaded_version_ = version.value_or(0);
}

Status Memory::save_locked() {
  auto status = write_file_atomic(root_->state_fd(), state::kNamesFile, format_memory(repos_), mode_in(root_->state_fd()), false, true);
  if (status) loaded_version_ = version_of(root_->state_fd(), state::kNamesFile).value_or(0);
  return status;
}

RememberedRepo Memory::repo(const RepoKey& key) const {
  const MutexLock lock(mutex_);
  const auto it = repos_.find(key.text());
  return it == repos_.end() ? RememberedRepo{} : it->second;
}

bool Memory::is_hidden(const RepoKey& key, const CommitHash& commit, const std::string& path) const {
  const MutexLock lock(mutex_);
  const auto it = repos_.find(key.text());
  if (it == repos_.end()) return false;
  const auto paths = it->second.hidden.find(commit.text());
  return paths != it->second.hidden.end() && paths->second.contains(path);
}

bool Memory::is_pinned(const RepoKey& key) const {
  const MutexLock lock(mutex_);
  const auto it = repos_.find(key.text());
  return it != repos_.end() && it->second.pinned;
}

bool Memory::is_pinned_now(const RepoKey& key) {
  {
    const MutexLock lock(mutex_);
    load_locked();
    // Nobody knows; what is not removed can be removed later.
    if (unreadable_) return true;
  }
  return is_pinned(key);
}

void Memory::apply(const Note& note, RememberedRepos& repos) {
  if (note.path.empty()) {
    repos.erase(note.key);
  } else if (note.hidden) {
    repos[note.key].hidden[note.commit].insert(note.path);
  } else if (const auto repo = repos.find(note.key); repo != repos.end()) {
    const auto paths = repo->second.hidden.find(note.commit);
    if (paths == repo->second.hidden.end()) return;
    paths->second.erase(note.path);
    if (paths->second.empty()) repo->second.hidden.erase(paths);
  }
}

void Memory::hide(const RepoKey& key, const CommitHash& commit, const std::string& path) {
  const MutexLock lock(mutex_);
  notes_.push_back({key.text(), commit.text(), path, true});
  apply(notes_.back(), repos_);
}

void Memory::unhide(const RepoKey& key, const CommitHash& commit, const std::string& path) {
  const MutexLock lock(mutex_);
  notes_.push_back({key.text(), commit.text(), path, false});
  apply(notes_.back(), repos_);
}

void Memory::forget(const RepoKey& key) {
  const MutexLock lock(mutex_);
  notes_.push_back({key.text(), "", "", true});
  apply(notes_.back(), repos_);
}

Status Memory::flush() {
  {
    const MutexLock lock(mutex_);
    if (notes_.empty()) return {};
  }
  return change([](RememberedRepos&) {});
}

Status Memory::change(const std::function<void(RememberedRepos&)>& change) {
  const MutexLock lock(mutex_);
  if (!root_->has_state()) {
    change(repos_);
    return {};
  }
  const std::string lock_name = std::string(state::kNamesFile) + ".lock";
  const mode_t mode = mode_in(root_->state_fd());
  auto guard = open_at(root_->state_fd(), lock_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (guard) {
    ::fchmod(guard->get(), mode);  // against the umask
  } else {
    guard = open_at(root_->state_fd(), lock_name, O_RDWR | O_NOFOLLOW);
  }
  if (guard) lock_among_mounts(guard->get());
  load_locked();
  if (unreadable_) {
    // Saving would throw away what is in the file: pins, names, hidden files. The notes wait for the next time.
    change(repos_);
    return fail(ErrorKind::kSystem, "what is remembered of this cache cannot be read now, so nothing is saved over it");
  }
  const RememberedRepos before = repos_;
  for (const Note& note : notes_) apply(note, repos_);
  const bool noted = !notes_.empty();
  notes_.clear();
  change(repos_);
  if (repos_ == before && !noted) return {};
  return save_locked();
}

}  // namespace hubfs
