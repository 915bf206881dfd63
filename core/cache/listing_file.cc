// SPDX-License-Identifier: Apache-2.0
#include "core/cache/listing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>

#include "core/base/file_io.h"
#include "core/cache/dir_walk.h"
#include "core/cache/layout.h"
#include "core/cache/listing_parser.h"
#include "core/cache/new_file.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::uint64_t kMaxListingBytes = std::uint64_t{256} << 20U;

// The bytes of a file for the parser, a buffer at a time, so that a large listing is never in memory twice.
class FileBytes {
 public:
  explicit FileBytes(int fd) : fd_(fd) { fill(); }
  [[nodiscard]] bool at_end() const { return have_ == 0; }
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] char current() const { return buffer_[at_]; }
  void next() {
    if (++at_ >= have_) fill();
  }

 private:
  void fill() {
    at_ = 0;
    have_ = 0;
    ssize_t n = 0;
    do {
      n = ::read(fd_, buffer_.data(), buffer_.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) error_ = errno;
    total_ += n > 0 ? static_cast<std::uint64_t>(n) : 0;
    if (total_ > kMaxListingBytes) error_ = EFBIG;
    if (n > 0 && error_ == 0) have_ = static_cast<std::size_t>(n);
  }

  int fd_;
  int error_ = 0;
  std::uint64_t total_ = 0;
  std::size_t at_ = 0;
  std::size_t have_ = 0;
  std::array<char, std::size_t{64} << 10U> buffer_{};
};

// The iterator that the library wants over it; a null source is the end.
class FileIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  FileIterator() = default;
  explicit FileIterator(FileBytes* bytes) : bytes_(bytes) {}
  char operator*() const { return bytes_->current(); }
  FileIterator& operator++() {
    bytes_->next();
    return *this;
  }
  FileIterator operator++(int) {
    FileIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const FileIterator& other) const { return done() == other.done(); }
  bool operator!=(const FileIterator& other) const { return done() != other.done(); }

 private:
  [[nodiscard]] bool done() const { return bytes_ == nullptr || bytes_->at_end(); }
  FileBytes* bytes_ = nullptr;
};

template <typename Iterator>
Result<Listing> parse_from(Iterator first, Iterator last) {
  ListingParser parser;
  try {
    const bool complete = nlohmann::json::sax_parse(first, last, &parser);
    return parser.finish(complete);
  } catch (const std::exception& e) {
    return fail(ErrorKind::kInvalid, std::string("not a listing: ") + e.what());
  }
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void append_field(std::string& out, std::string_view name, const std::string& value, bool first = false) {
  out.append(first ? "\n   \"" : ",\n   \"").append(name).append("\": ").append(value);
}

std::optional<Listing> read_from(int dir_fd, const std::string& path, std::string* problem) {
  const auto refuse = [&](const std::string& words) -> std::optional<Listing> {
    if (problem != nullptr) *problem = path + ": " + words;
    return std::nullopt;
  };
  auto fd = open_plain(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd && fd.error().sys_errno == ENOENT) return std::nullopt;
  if (!fd) return refuse("cannot be read: " + fd.error().message);
  struct stat st{};
  if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return refuse("not a regular file");
  if (static_cast<std::uint64_t>(st.st_size) > kMaxListingBytes) return refuse("larger than 256 MiB");
  const auto bytes = std::make_unique<FileBytes>(fd->get());
  auto listing = parse_from(FileIterator(bytes.get()), FileIterator());
  if (bytes->error() != 0) return refuse(fail_errno("cannot be read", bytes->error()).error().message);
  if (!listing) return refuse(listing.error().message);
  return *std::move(listing);
}

}  // namespace

Result<Listing> parse_listing(std::string_view json) {
  if (json.size() > kMaxListingBytes) return fail(ErrorKind::kInvalid, "not a listing: larger than 256 MiB");
  return parse_from(json.data(), json.data() + json.size());
}

std::string format_listing(const Listing& listing) {
  std::string out = "{\n \"format_version\": 1,\n \"files\": {";
  bool first = true;
  for (const auto& [path, file] : listing) {
    out.append(first ? "\n  " : ",\n  ").append(quoted(path)).append(": {");
    append_field(out, "size", std::to_string(file.size), true);
    append_field(out, "blob_id", quoted(file.git_oid));
    if (file.lfs_sha256) {
      append_field(out, "lfs_sha256", quoted(*file.lfs_sha256));
      append_field(out, "lfs_size", std::to_string(file.size));
    }
    if (file.xet_hash) append_field(out, "xet_hash", quoted(file.xet_hash->text()));
    out += "\n  }";
    first = false;
  }
  out += first ? "}\n}" : "\n }\n}";
  return out;
}

std::optional<Listing> read_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                                    std::string* problem) {
  return read_from(root.fd(), layout::listing(key, commit), problem);
}

Status write_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit, const Listing& listing) {
  const std::string folder = layout::repo_folder(key);
  const auto st = lstat_at(root.fd(), folder);
  if (!st) return fail_errno(folder);
  if (auto made = make_dirs_at(root.fd(), layout::trees_dir(key), 0777); !made) return made;
  const auto trees = open_dir(root.fd(), layout::trees_dir(key));
  if (!trees) return std::unexpected(trees.error());
  const mode_t mode = 0640U & (st->st_mode | S_IRUSR | S_IWUSR);
  // Made where hubfs's own things are: what a crash leaves is no concern of others.
  StagedName staged(root, key);
  const auto file = open_plain(staged.dir_fd(), staged.path(), O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!file) return std::unexpected(file.error());
  const std::string text = format_listing(listing);
  if (auto done = pwrite_all(file->get(), std::as_bytes(std::span(text.data(), text.size())), 0); !done) return done;
  if (auto like = make_like_new(file->get(), trees->get()); !like) return like;
  struct stat made{};
  if (::fstat(file->get(), &made) != 0 || ::fchmod(file->get(), made.st_mode & mode) != 0) return fail_errno("fchmod");
  if (::fsync(file->get()) != 0) return fail_errno("fsync " + staged.path());
  return staged.move_to(trees->get(), base_of(layout::listing(key, commit)));
}

std::optional<Listing> read_private_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit) {
  if (!root.has_state()) return std::nullopt;
  return read_from(root.state_fd(), state::listing(key, commit), nullptr);
}

Status write_private_listing(const CacheRoot& root, const RepoKey& key, const CommitHash& commit,
                             const Listing& listing) {
  if (!root.has_state()) return std::unexpected(root.no_state());
  if (auto made = make_dirs_at(root.state_fd(), state::listing_dir(key), 0700); !made) return made;
  return write_file_atomic(root.state_fd(), state::listing(key, commit), format_listing(listing), 0600, false);
}

}  // namespace hubfs
