// SPDX-License-Identifier: Apache-2.0
#include "core/cache/this_process.h"

#include <unistd.h>

#include <algorithm>

namespace hubfs {

Caller this_process() {
  Caller caller{::geteuid(), {::getegid()}};
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(groups.size()), groups.data()) > 0) {
    caller.groups.insert(caller.groups.end(), groups.begin(), groups.end());
  }
  return caller;
}

}  // namespace hubfs
