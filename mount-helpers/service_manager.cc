// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "core/cache/cache_root.h"

namespace hubfs {

void tell_service_manager(const std::string& lines) {
  const auto name = process_environment()("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (!name || name->size() < 2 || name->size() >= sizeof address.sun_path) return;
  if (name->front() != '/' && name->front() != '@') return;
  address.sun_family = AF_UNIX;
  std::copy(name->begin(), name->end(), std::begin(address.sun_path));
  // An abstract name begins with a zero byte.
  if (name->front() == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name->size());
  if (!fd || ::sendto(fd.get(), lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                      length) < 0) {
    log::debug(fail_errno("the service manager was not told").error().message);
  }
}

}  // namespace hubfs
