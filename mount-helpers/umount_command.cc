// SPDX-License-Identifier: Apache-2.0
#include <sys/types.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "mount-helpers/commands.h"
#include "mount-helpers/daemon_report.h"
#include "mount-helpers/mountpoints.h"

namespace hubfs {

namespace {

pid_t daemon_of(const std::string& mountpoint) {
  const auto status = nlohmann::json::parse(ask_daemon(mountpoint).text, nullptr, false);
  return status.is_object() ? status.value("pid", 0) : 0;
}

// A process that has ended stays in the table until its parent takes notice; in a container that may be late.
bool runs(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.size() > name_end + 2 && line[name_end + 2] != 'Z' && line[name_end + 2] != 'X';
}

// What was removed is deleted and what was remembered is saved when the daemon has ended.
void wait_for_end(pid_t daemon) {
  for (int i = 0; daemon > 0 && i < 200 && runs(daemon); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace

int umount_command(const std::string& mountpoint, bool lazy) {
  const std::string path = absolute_path(mountpoint);
  if (!is_hubfs_mountpoint(path)) {
    return complain(is_mountpoint(path) ? path + " is not a hubfs" : "no hubfs is mounted on " + path);
  }
  // A lazy one is for daemons that may not answer, too.
  const pid_t daemon = lazy ? 0 : daemon_of(path);
  if (auto done = unmount(path, lazy); !done) return complain(done.error().message);
  wait_for_end(daemon);
  return 0;
}

}  // namespace hubfs
