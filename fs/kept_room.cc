// SPDX-License-Identifier: Apache-2.0
#include "fs/kept_room.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "core/base/log.h"
#include "core/cache/kept.h"

namespace hubfs {

namespace {

struct Kept {
  CacheRootPtr root;
  KeptInfo info;
};

std::vector<Kept> oldest_first(const std::vector<CacheRootPtr>& roots) {
  std::vector<Kept> all;
  for (const CacheRootPtr& root : roots) {
    for (KeptInfo& info : list_kept(*root)) all.push_back({root, std::move(info)});
  }
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) {
    return std::tie(a.info.created_s, a.info.id) < std::tie(b.info.created_s, b.info.id);
  });
  return all;
}

std::uint64_t less(std::uint64_t from, std::uint64_t by) { return from > by ? from - by : 0; }

}  // namespace

RoomNeeded needed_without_kept(const std::vector<CacheRootPtr>& roots, RoomNeeded needed) {
  for (const Kept& kept : oldest_first(roots)) {
    needed.anywhere = less(needed.anywhere, kept.info.bytes);
    struct stat st{};
    if (::fstat(kept.root->fd(), &st) == 0 && st.st_dev == needed.volume)
      needed.on_volume = less(needed.on_volume, kept.info.bytes);
  }
  return needed;
}

std::size_t give_up_kept(const std::vector<CacheRootPtr>& roots, const std::function<bool()>& more) {
  std::size_t count = 0;
  for (const Kept& kept : oldest_first(roots)) {
    if (!more()) break;
    const auto gone = expire_kept(*kept.root, kept.info.id, std::numeric_limits<std::int64_t>::max());
    if (!gone) {
      log::error("a kept removal of " + kept.info.key.text() + " was not given up: " + gone.error().message);
    } else if (*gone) {
      ++count;
      log::info("gave up the kept removal of " + kept.info.key.text() + " to make room");
    }
  }
  return count;
}

}  // namespace hubfs
