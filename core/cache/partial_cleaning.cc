// SPDX-License-Identifier: Apache-2.0
//
// Which partial downloads are no longer of use, and their end.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/base/file_io.h"
#include "core/base/log.h"
#include "core/cache/dir_walk.h"
#include "core/cache/partial_file.h"
#include "core/cache/state_paths.h"

namespace hubfs {

namespace {

constexpr std::string_view kJournalSuffix = ".ranges";
constexpr std::string_view kDataSuffix = ".data";

struct Found {
  RepoKey key;
  std::string data;     // relative to the state folder
  std::string journal;
  bool lasting = false;  // named by its etag, with a journal: the next mount can go on with it
  std::int64_t used_s = 0;
  std::uint64_t bytes = 0;
};

void find_in(const CacheRoot& root, const RepoKey& key, std::vector<Found>& all) {
  const std::string folder = state::partial_dir(key);
  const auto names = read_dir_at(root.state_fd(), folder);
  for (const NameInDir& name : names ? *names : std::vector<NameInDir>{}) {
    if (name.kind != NameKind::kFile || !std::string_view(name.name).ends_with(kDataSuffix)) continue;
    const std::string stem = name.name.substr(0, name.name.size() - kDataSuffix.size());
    Found found{key, folder + "/" + name.name, folder + "/" + stem + std::string(kJournalSuffix), false, 0, 0};
    const auto data = lstat_at(root.state_fd(), found.data);
    if (!data) continue;
    const auto journal = lstat_at(root.state_fd(), found.journal);
    found.lasting = journal && BlobId::parse(stem);
    found.used_s = std::max<std::int64_t>(data->st_mtim.tv_sec, journal ? journal->st_mtim.tv_sec : 0);
    found.bytes = static_cast<std::uint64_t>(data->st_blocks) * 512;
    all.push_back(std::move(found));
  }
}

// Under its lock, so that it is nobody's.
bool remove(const CacheRoot& root, const Found& found) {
  const auto fd = open_plain(root.state_fd(), found.data, O_RDWR);
  if (!fd || (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)) return false;
  static_cast<void>(unlink_plain(root.state_fd(), found.journal));
  static_cast<void>(unlink_plain(root.state_fd(), found.data));
  static_cast<void>(unlink_plain(root.state_fd(), state::partial_dir(found.key), AT_REMOVEDIR));
  return true;
}

bool is_free(const CacheRoot& root, const Found& found) {
  const auto fd = open_plain(root.state_fd(), found.data, O_RDONLY);
  return fd && (::flock(fd->get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK);
}

}  // namespace

std::vector<PartialLeftover> partial_leftovers(const CacheRoot& root) {
  std::vector<Found> all;
  for (const RepoKey& key : list_partial_repos(root)) find_in(root, key, all);
  std::vector<PartialLeftover> left;
  for (const Found& found : all) {
    if (!found.lasting && is_free(root, found)) left.push_back({found.key, found.data, found.bytes});
  }
  return left;
}

std::vector<RepoKey> clean_partials(const CacheRoot& root, const PartialLimits& limits) {
  std::vector<Found> all;
  for (const RepoKey& key : list_partial_repos(root)) find_in(root, key, all);
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.used_s < b.used_s; });
  std::uint64_t total = 0;
  for (const Found& found : all) total += found.bytes;
  std::set<RepoKey> changed;
  for (const Found& found : all) {
    const bool old = limits.longest_unused_s > 0 && found.used_s + limits.longest_unused_s < limits.now_s;
    const bool too_much = limits.total_bytes > 0 && total > limits.total_bytes;
    if ((found.lasting && !old && !too_much) || !remove(root, found)) continue;
    total -= found.bytes;
    if (found.lasting) log::info("removed the partial download " + found.data + (old ? ": not used for long" : ": over the limit of all together"));
    changed.insert(found.key);
  }
  return {changed.begin(), changed.end()};
}

}  // namespace hubfs
