// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/publication.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/base/plain_path.h"
#include "core/cache/blob_lock.h"
#include "core/cache/layout.h"
#include "core/cache/listing_file.h"
#include "core/cache/publish.h"
#include "core/cache/repo_scan.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

std::uint64_t free_bytes(const CacheRoot& root) {
  struct statvfs st {};
  if (::fstatvfs(root.fd(), &st) != 0) return UINT64_MAX;
  return std::uint64_t{st.f_bavail} * st.f_frsize;
}

// The entry, then the ref, then the listing: a ref without a snapshot would hide the repo from `hf cache`.
Status link_and_note(const CacheRoot& root, const FetchTarget& target) {
  if (auto linked = link_snapshot_entry(root, target.key, target.commit, target.path, target.etag); !linked) return linked;
  if (target.ref) {
    if (auto noted = write_ref(root, target.key, *target.ref, target.commit, true); !noted) return noted;
  }
  if (target.listing && !read_listing(root, target.key, target.commit)) {
    if (auto saved = write_listing(root, target.key, target.commit, *target.listing); !saved) {
      // Of use, not of need: the file is there and right.
      log::warn("listing of " + target.key.text() + " not saved: " + saved.error().message);
    } else if (root.has_state()) {
      // The private copy, kept while nothing of the commit was cached, has served.
      static_cast<void>(unlink_plain(root.state_fd(), state::listing(target.key, target.commit)));
    }
  }
  return {};
}

}  // namespace

std::uint64_t default_floor(const CacheRoot& root) {
  struct statvfs st {};
  if (::fstatvfs(root.fd(), &st) != 0) return 0;
  const std::uint64_t twentieth = std::uint64_t{st.f_blocks} * st.f_frsize / 20;
  return std::min<std::uint64_t>(1U << 30U, twentieth);
}

bool has_room_for(const CacheRoot& root, std::uint64_t bytes, std::uint64_t floor_bytes) {
  const std::uint64_t free = free_bytes(root);
  const std::uint64_t floor = floor_bytes != 0 ? floor_bytes : default_floor(root);
  return free >= floor && free - floor >= bytes;
}

std::optional<UniqueFd> adopt_blob(const CacheRoot& root, const FetchTarget& target) {
  auto blob = open_blob(root, target.key, target.etag);
  if (!blob) return std::nullopt;
  struct stat st {};
  if (::fstat(blob->get(), &st) != 0 || static_cast<std::uint64_t>(st.st_size) != target.size) return std::nullopt;
  // A cache that cannot be written is still readable: the entry is a courtesy to other clients.
  if (const auto linked = link_and_note(root, target); !linked) log::debug("not linked: " + linked.error().message);
  return std::move(*blob);
}

Status check_floor(const CacheRoot& root, std::uint64_t floor_bytes) {
  if (has_room_for(root, 0, floor_bytes)) return {};
  const std::uint64_t floor = floor_bytes != 0 ? floor_bytes : default_floor(root);
  return fail(ErrorKind::kNoSpace, root.path() + ": less than " + std::to_string(floor >> 10U) +
                                       " KiB free, nothing more is downloaded; make room, for example with `hubfs rm`");
}

Result<FillStart> start_fill(const CacheRoot& root, const FetchTarget& target, std::optional<std::uint64_t> floor_bytes) {
  FillStart start;
  if (auto blob = adopt_blob(root, target)) {
    start.blob = std::move(*blob);
    return start;
  }
  if (target.xet_hash) {
    if (auto made = prepare_repo(root, target.key); made) {
      auto lock = BlobLock::try_acquire(root, target.key, target.etag);
      if (lock && *lock) {
        const auto linked = link_shared_payload(root, target.key, target.etag, *target.xet_hash, target.size);
        if (!linked) log::debug("shared store: " + linked.error().message);
        if (linked && *linked) {
          if (auto blob = adopt_blob(root, target)) {
            start.blob = std::move(*blob);
            return start;
          }
        }
      }
    }
  }
  if (floor_bytes) {
    if (auto room = check_floor(root, *floor_bytes); !room) return std::unexpected(room.error());
  }
  auto partial = PartialFile::open(root, target.key, target.etag, {target.commit, target.path, target.ref, target.size});
  if (!partial) return std::unexpected(partial.error());
  start.partial = std::move(*partial);
  return start;
}

RunningHash::RunningHash(const FetchTarget& target)
    : hasher_(target.etag.is_git_sha1() ? Hasher::git_blob(target.size) : Hasher::sha256()) {}

Status RunningHash::advance(int fd, std::uint64_t end, const std::atomic<bool>& stop) {
  std::vector<std::byte> buffer(1U << 20U);
  const std::uint64_t from = done_;
  while (done_ < end) {
    if (stop) return fail(ErrorKind::kInterrupted, "not wanted any more");
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - done_));
    const std::span<std::byte> into(buffer.data(), part);
    if (auto read = pread_all(fd, into, done_); !read) return read;
    hasher_.update(into);
    done_ += part;
  }
  static_cast<void>(::sync_file_range(fd, static_cast<off64_t>(from), static_cast<off64_t>(end - from), SYNC_FILE_RANGE_WRITE));
  return {};
}

Status RunningHash::check(const FetchTarget& target) {
  const std::string found = hasher_.finish_hex();
  if (found == target.etag.text()) return {};
  return fail(ErrorKind::kBadContent, target.key.text() + "/" + target.path.text() +
                                          ": the bytes from the Hub do not match their hash (expected " + target.etag.text() +
                                          ", got " + found + "); they were thrown away");
}

Status publish(const CacheRoot& root, const FetchTarget& target, PartialFile& partial) {
  if (auto made = prepare_repo(root, target.key); !made) return made;
  if (auto moved = publish_blob(root, target.key, target.etag, partial.data_path()); !moved) return moved;
  partial.discard();
  return link_and_note(root, target);
}

}  // namespace hubfs
