// SPDX-License-Identifier: Apache-2.0
#include "core/cache/kept_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/state_paths.h"
#include "core/cache/trash.h"

namespace hubfs {

namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMaxNote = 64U << 10U;
constexpr const char* kNoteFile = "record.json";
constexpr useconds_t kPollMicroseconds = 20'000;

std::optional<RepoKey> parse_key(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto type = repo_type_from_singular(std::string_view(text).substr(0, slash));
  auto id = RepoId::parse(std::string_view(text).substr(slash + 1));
  if (!type || !id) return std::nullopt;
  return RepoKey{*type, *std::move(id)};
}

// Whether the name leads to the open folder.
bool still_names(int dir_fd, const std::string& name, int fd) {
  struct stat own{};
  const auto st = lstat_at(dir_fd, name);
  return st && ::fstat(fd, &own) == 0 && st->st_dev == own.st_dev && st->st_ino == own.st_ino;
}

}  // namespace

std::string format_kept_note(const KeptNote& note) {
  const nlohmann::json json{{"version", kVersion},
                            {"repo", note.key.text()},
                            {"created", note.created_s},
                            {"added", note.added_s},
                            {"deadline", note.deadline_s}};
  return json.dump(1) + "\n";
}

Result<KeptNote> parse_kept_note(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("version") != kVersion) return fail(ErrorKind::kInvalid, "unknown version");
    auto key = parse_key(json.at("repo").get<std::string>());
    if (!key) return fail(ErrorKind::kInvalid, "no valid repo in it");
    // By reference: a number with a fraction is refused, where get() would convert it, out of range too.
    using Whole = const nlohmann::json::number_integer_t&;
    return KeptNote{*std::move(key), json.at("created").get_ref<Whole>(), json.at("added").get_ref<Whole>(),
                    json.at("deadline").get_ref<Whole>()};
  } catch (const std::exception& e) {
    return fail(ErrorKind::kInvalid, e.what());
  }
}

Result<KeptNote> read_kept_note(int record_fd) {
  const auto text = read_small_file(record_fd, kNoteFile, kMaxNote);
  if (!text) return std::unexpected(text.error());
  return parse_kept_note(*text);
}

Status write_kept_note(int record_fd, const KeptNote& note, bool sync) {
  return write_file_atomic(record_fd, kNoteFile, format_kept_note(note), 0644, sync);
}

std::optional<KeptPart> parse_kept_part(std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  KeptPart part{0, name.substr(0, dot) == "whole"};
  const std::string_view digits = name.substr(dot + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), part.number);
  if (error != std::errc() || end != digits.data() + digits.size() || part.name() != name) return std::nullopt;
  return part;
}

Result<std::vector<KeptPart>> kept_parts(int record_fd) {
  const auto names = read_dir(record_fd);
  if (!names) return std::unexpected(names.error());
  std::vector<KeptPart> parts;
  for (const NameInDir& name : *names) {
    const auto part = name.kind == NameKind::kFolder ? parse_kept_part(name.name) : std::nullopt;
    if (part) parts.push_back(*part);
  }
  std::sort(parts.begin(), parts.end(), [](const KeptPart& a, const KeptPart& b) { return a.number > b.number; });
  return parts;
}

bool is_kept_id(std::string_view id) {
  const std::size_t dash = id.find('-');
  if (dash == 0 || dash == std::string_view::npos || !is_lower_hex(id.substr(dash + 1), 8)) return false;
  return std::all_of(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(dash),
                     [](char c) { return c >= '0' && c <= '9'; });
}

Result<UniqueFd> open_kept(const CacheRoot& root, bool make) {
  if (!root.has_state()) return fail(ErrorKind::kAccessDenied, root.path() + ": this cache cannot be written");
  const bool made = make && ::mkdirat(root.state_fd(), state::kKept, 0700) == 0;
  auto fd = open_dir(root.state_fd(), state::kKept);
  if (!fd || !made) return fd;
  // Those who share the cache share what is kept.
  struct stat st{};
  if (::fstat(root.state_fd(), &st) == 0 && ::fchmod(fd->get(), st.st_mode & 07777U) != 0) {
    log::debug("the folder of kept things has its own mode");
  }
  return fd;
}

Result<UniqueFd> lock_kept(const CacheRoot& root, const std::string& id, bool make, int seconds) {
  if (!is_kept_id(id)) return fail(ErrorKind::kInvalid, id + ": not the name of a removal; see `hubfs undo --list`");
  const auto kept = open_kept(root, make);
  if (!kept) return std::unexpected(kept.error());
  for (int waited = 0; waited <= seconds * 1'000'000; waited += static_cast<int>(kPollMicroseconds)) {
    if (make && ::mkdirat(kept->get(), id.c_str(), 0777) != 0 && errno != EEXIST) return fail_errno(id);
    auto fd = open_dir(kept->get(), id);
    if (!fd) return std::unexpected(fd.error());
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::usleep(kPollMicroseconds);
      continue;
    }
    if (still_names(kept->get(), id, fd->get())) return fd;
  }
  return fail(ErrorKind::kBusy, "the record " + id + " of a removal is in use; try again later");
}

Status delete_kept(const CacheRoot& root, const std::string& id, int record_fd, const RepoKey& key) {
  const auto parts = kept_parts(record_fd);
  if (!parts) return std::unexpected(parts.error());
  // As a removed repo each of them is swept and deleted, also by the next mount after a crash.
  for (const KeptPart& part : *parts) {
    const auto moved = move_to_trash(root, record_fd, part.name(), layout::repo_folder(key));
    if (!moved) return std::unexpected(moved.error());
    if (auto deleted = delete_from_trash(root, *moved); !deleted) return deleted;
  }
  const auto kept = open_kept(root, false);
  if (!kept) return std::unexpected(kept.error());
  return remove_tree(kept->get(), id);
}

Status rename_to_free_name(int from_fd, const std::string& from, int to_fd, const std::string& to) {
  if (::renameat2(from_fd, from.c_str(), to_fd, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return fail_errno("cannot rename " + from);
  // A file system without that: what is there is looked for first.
  if (lstat_at(to_fd, to)) return fail_errno(to, EEXIST);
  if (::renameat(from_fd, from.c_str(), to_fd, to.c_str()) != 0) return fail_errno("cannot rename " + from);
  return {};
}

}  // namespace hubfs
