// SPDX-License-Identifier: Apache-2.0
#include "core/cache/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>

#include "core/base/file_io.h"
#include "core/base/hash.h"
#include "core/cache/dir_walk.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::size_t kMaxJournal = 64U << 20U;
constexpr std::uint64_t kJournalStep = 1U << 20U;
constexpr std::string_view kJournalSuffix = ".ranges";
constexpr std::string_view kDataSuffix = ".data";
constexpr std::size_t kLongJournal = 64;  // lines; longer ones are written anew if that makes them much shorter

std::string header_line(const PartialInfo& info) {
  nlohmann::json json{{"version", 1}, {"size", info.size}, {"commit", info.commit.text()}, {"path", info.path.text()}};
  if (info.ref) json["ref"] = info.ref->text();
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

unsigned line_check(std::uint64_t first, std::uint64_t end) {
  return static_cast<unsigned>(stable_hash64(std::to_string(first) + "-" + std::to_string(end)));
}

std::string range_line(ByteRange range) {
  char line[64];
  std::snprintf(line, sizeof line, "%016" PRIx64 " %016" PRIx64 " %08x\n", range.first, range.end,
                line_check(range.first, range.end));
  return line;
}

struct Journal {
  PartialInfo info;
  RangeSet present;
  std::size_t lines = 0;
};

std::string journal_text(const PartialInfo& info, const RangeSet& present) {
  std::string text = header_line(info);
  for (const ByteRange& range : present.ranges()) text += range_line(range);
  return text;
}

// A data file of ours: locked, and still under its name.
struct LockedData {
  UniqueFd fd;
  std::string path;
};

enum class Locked { kYes, kByAnother, kNotNeeded };

Locked lock(int fd) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    // Without flock here, no process excludes another, and the hash at publication must do.
    return errno == EWOULDBLOCK ? Locked::kByAnother : Locked::kNotNeeded;
  }
  return Locked::kYes;
}

Result<LockedData> open_data(const CacheRoot& root, const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY;
  for (int tries = 0; tries < 8; ++tries) {
    auto fd = open_plain(root.state_fd(), path, kFlags, 0600);
    if (!fd) return std::unexpected(fd.error());
    struct stat opened {};
    if (::fstat(fd->get(), &opened) != 0) return fail_errno(path);
    // It will be written to and cut: another name of somebody's file must not be taken for ours.
    if (!S_ISREG(opened.st_mode) || opened.st_nlink > 1) return fail(ErrorKind::kInvalid, path + ": not a file of hubfs");
    if (lock(fd->get()) == Locked::kByAnother) break;
    // Published or removed by another process between our open and our lock.
    const auto named = lstat_at(root.state_fd(), path);
    if (named && named->st_ino == opened.st_ino && named->st_dev == opened.st_dev) return LockedData{std::move(*fd), path};
  }
  const std::string own = path.substr(0, path.size() - kDataSuffix.size()) + "." + random_hex8() + std::string(kDataSuffix);
  auto fd = open_plain(root.state_fd(), own, kFlags | O_EXCL, 0600);
  if (!fd) return std::unexpected(fd.error());
  static_cast<void>(lock(fd->get()));
  return LockedData{std::move(*fd), own};
}

std::string journal_of(const std::string& data_path) {
  return data_path.substr(0, data_path.size() - kDataSuffix.size()) + std::string(kJournalSuffix);
}

std::optional<PartialInfo> parse_header(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("version") || json["version"] != 1) return std::nullopt;
  if (!json.contains("size") || !json["size"].is_number_unsigned()) return std::nullopt;
  const auto text = [&](const char* field) {
    return json.contains(field) && json[field].is_string() ? json[field].get<std::string>() : std::string();
  };
  const auto commit = CommitHash::parse(text("commit"));
  const auto path = RelPath::parse(text("path"));
  if (!commit || !path) return std::nullopt;
  return PartialInfo{*commit, *path, RefName::parse(text("ref")), json["size"].get<std::uint64_t>()};
}

std::optional<Journal> read_journal(const CacheRoot& root, const std::string& file) {
  const auto text = read_small_file(root.state_fd(), file, kMaxJournal);
  if (!text) return std::nullopt;
  const std::size_t header_end = text->find('\n');
  if (header_end == std::string::npos) return std::nullopt;
  const auto info = parse_header(text->substr(0, header_end));
  if (!info) return std::nullopt;
  Journal journal{*info, {}, 0};
  for (std::size_t at = header_end + 1; at < text->size();) {
    const std::size_t end_of_line = text->find('\n', at);
    if (end_of_line == std::string::npos) break;
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    unsigned check = 0;
    const int fields = std::sscanf(text->c_str() + at, "%16" SCNx64 " %16" SCNx64 " %8x", &first, &end, &check);
    ++journal.lines;
    if (fields == 3 && check == line_check(first, end) && first < end && end <= info->size)
      journal.present.add({first, end});
    at = end_of_line + 1;
  }
  return journal;
}

}  // namespace

Result<PartialFile> PartialFile::open(const CacheRoot& root, const RepoKey& key, const BlobId& etag,
                                      const PartialInfo& info) {
  // Nor into private state whose cache has gone a moment ago.
  if (!root.has_state() || !root.still_there()) return std::unexpected(root.no_state());
  if (auto made = make_dirs_at(root.state_fd(), state::partial_dir(key), 0700); !made)
    return std::unexpected(made.error());
  auto data = open_data(root, state::partial_data(key, etag));
  if (!data) return std::unexpected(data.error());
  PartialFile partial(root, info);
  partial.data_ = std::move(data->fd);
  partial.data_path_ = std::move(data->path);
  partial.journal_path_ = journal_of(partial.data_path_);
  const int fd = partial.data_.get();
  auto old = read_journal(root, partial.journal_path_);
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno(partial.data_path_);
  const bool keep = old && old->info.size == info.size && static_cast<std::uint64_t>(st.st_size) == info.size;
  if (!keep && (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, static_cast<off_t>(info.size)) != 0)) {
    return fail_errno(partial.data_path_);
  }
  if (keep) partial.present_ = std::move(old->present);
  if (!keep || (old->lines > kLongJournal && old->lines > 2 * partial.present_.ranges().size())) {
    auto made = write_file_atomic(root.state_fd(), partial.journal_path_, journal_text(info, partial.present_), 0600, false);
    if (!made) return std::unexpected(made.error());
  }
  auto journal = open_plain(root.state_fd(), partial.journal_path_, O_WRONLY | O_APPEND | O_NONBLOCK);
  if (!journal) return std::unexpected(journal.error());
  partial.journal_ = std::move(*journal);
  // When it was last of use, for clean_partials().
  ::futimens(partial.journal_.get(), nullptr);
  return partial;
}

Status PartialFile::record(ByteRange range) {
  present_.add(range);
  unjournalled_.add(range);
  return unjournalled_.total() >= kJournalStep ? flush_journal() : Status{};
}

Status PartialFile::flush_journal() {
  if (unjournalled_.empty()) return {};
  std::string lines;
  for (const ByteRange& range : unjournalled_.ranges()) lines += range_line(range);
  // One append of whole lines; a line that is torn by a crash fails its checksum or lacks its newline.
  const ssize_t n = ::write(journal_.get(), lines.data(), lines.size());
  if (n != static_cast<ssize_t>(lines.size())) return fail_errno("journal of a partial download");
  unjournalled_ = {};
  return {};
}

void PartialFile::discard() {
  // The journal goes first: a crash between the two leaves data without ranges, never ranges without data.
  static_cast<void>(unlink_plain(root_->state_fd(), journal_path_));
  static_cast<void>(unlink_plain(root_->state_fd(), data_path_));
  // Only succeeds when it was the last one.
  static_cast<void>(unlink_plain(root_->state_fd(), parent_of(data_path_), AT_REMOVEDIR));
}

std::map<std::string, PartialOnDisk> list_partials(const CacheRoot& root, const RepoKey& key) {
  std::map<std::string, PartialOnDisk> found;
  if (!root.has_state()) return found;
  const auto names = read_dir_at(root.state_fd(), state::partial_dir(key));
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
    const std::string_view name = entry.name;
    if (!name.ends_with(kJournalSuffix)) continue;
    const auto etag = BlobId::parse(name.substr(0, name.size() - kJournalSuffix.size()));
    if (!etag) continue;
    const auto data = lstat_at(root.state_fd(), state::partial_data(key, *etag));
    if (!data) continue;
    const auto journal = read_journal(root, state::partial_ranges(key, *etag));
    if (!journal || journal->present.empty()) continue;
    found.emplace(etag->text(),
                  PartialOnDisk{journal->info, static_cast<std::uint64_t>(data->st_blocks), journal->present.total()});
  }
  return found;
}

std::vector<RepoKey> list_partial_repos(const CacheRoot& root) {
  std::vector<RepoKey> keys;
  if (!root.has_state()) return keys;
  const auto names = read_dir_at(root.state_fd(), state::kPartial);
  for (const NameInDir& entry : names ? *names : std::vector<NameInDir>{}) {
    if (const auto key = layout::parse_repo_folder(entry.name)) keys.push_back(*key);
  }
  return keys;
}

void remove_partial(const CacheRoot& root, const RepoKey& key, const BlobId& etag) {
  if (!root.has_state()) return;
  static_cast<void>(unlink_plain(root.state_fd(), state::partial_ranges(key, etag)));
  static_cast<void>(unlink_plain(root.state_fd(), state::partial_data(key, etag)));
  // Only succeeds when it was the last one.
  static_cast<void>(unlink_plain(root.state_fd(), state::partial_dir(key), AT_REMOVEDIR));
}

}  // namespace hubfs
