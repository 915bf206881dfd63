// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "core/base/error.h"
#include "core/base/log.h"

namespace hubfs {

namespace {

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

// SYS_ADMIN: mount, umount and FUSE passthrough. The others: folders of a cache that belong to other users (DAC_*), files
// that are published with the group and mode of their folder (CHOWN, FOWNER, FSETID), and looking who has a file open that is
// removed or might be (SYS_PTRACE: processes of root have capabilities that we drop).
constexpr std::uint64_t kKept = bit(CAP_SYS_ADMIN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_CHOWN) |
                                bit(CAP_FOWNER) | bit(CAP_FSETID) | bit(CAP_SYS_PTRACE);

// glibc has no functions for these; the library that has them is not worth a dependency.
struct Capabilities {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};

  bool read() { return ::syscall(SYS_capget, &header, data.data()) == 0; }
  bool write() { return ::syscall(SYS_capset, &header, data.data()) == 0; }
  void narrow_to(std::uint64_t kept) {
    for (std::size_t half = 0; half < data.size(); ++half) {
      const auto mask = static_cast<std::uint32_t>(kept >> (32 * half));
      data[half].permitted &= mask;
      data[half].effective &= mask;
      data[half].inheritable = 0;
    }
  }
  [[nodiscard]] bool can_mount() const { return (data[0].effective & bit(CAP_SYS_ADMIN)) != 0; }
};

}  // namespace

void drop_privileges() {
  Capabilities capabilities;
  if (!capabilities.read()) return log::warn(fail_errno("capabilities kept: capget").error().message);
  const bool needs_fusermount = !capabilities.can_mount();
  capabilities.narrow_to(kKept);
  if (!capabilities.write()) log::warn(fail_errno("capabilities kept: capset").error().message);
  if (needs_fusermount) return;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) log::warn(fail_errno("no_new_privs").error().message);
}

void set_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) log::warn(fail_errno("limit of open files kept").error().message);
  }
  // Not 0, which a core_pattern that is a program does not obey; 1 is the kernel's word for "never".
  const rlimit core{.rlim_cur = 1, .rlim_max = 1};
  rlimit allowed{};
  if (::getrlimit(RLIMIT_CORE, &allowed) != 0 || allowed.rlim_max < core.rlim_max) return;
  if (::setrlimit(RLIMIT_CORE, &core) != 0) log::warn(fail_errno("core files are not prevented").error().message);
}

}  // namespace hubfs
