// SPDX-License-Identifier: Apache-2.0
//
// `hubfs mount`: checks everything that can be checked, goes into the background before any thread is started, and
// returns when the mount can be used. The background process says how it went through a pipe.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "fs/mount.h"
#include "fs/mount_table.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/crash_report.h"
#include "mount-helpers/mountpoints.h"
#include "mount-helpers/privileges.h"
#include "mount-helpers/service_manager.h"

namespace hubfs {

namespace {

void set_up_log(const MountArguments& arguments) {
  const log::Level least = arguments.verbose ? log::Level::kDebug : log::Level::kInfo;
  if (!arguments.log_file.empty()) {
    const std::string file = std::filesystem::absolute(arguments.log_file).string();
    log::to_file(file, least);
    report_crashes(CrashLog::kFile, file);
  } else if (arguments.foreground) {
    log::to_stderr(least);
    report_crashes(CrashLog::kStderr, {});
  } else {
    log::to_syslog(least);
    report_crashes(CrashLog::kSyslog, {});
  }
}

// Threads inherit this; only the one that serves the session takes the signals that end it.
void block_ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Status serve(const MountArguments& arguments, const MountOptions& options, const std::function<void()>& ready) {
  set_up_log(arguments);
  set_limits();
  drop_privileges();
  block_ending_signals();
  auto mount = Mount::prepare(options);
  if (!mount) return std::unexpected(mount.error());
  Status served = (*mount)->run([&] {
    log::info("mounted " + options.cache_roots.front() + " on " + options.mountpoint + " (Hub: " + options.endpoint +
              (options.offline ? ", offline)" : ")"));
    // Something may be mounted over it already.
    if (const auto entry = top_fuse_mount(options.mountpoint)) detach_on_crash(*entry);
    ready();
    tell_service_manager("READY=1");
  });
  let_crash_report_end();
  return served;
}

void leave_terminal() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int fd : {0, 1, 2}) ::dup2(null, fd);
  ::close(null);
}

// The background process: writes "" for ready or a sentence into the pipe.
[[noreturn]] void run_in_background(const MountArguments& arguments, const MountOptions& options, UniqueFd report) {
  ::setsid();
  static_cast<void>(::chdir("/"));
  const Status served = serve(arguments, options, [&] {
    leave_terminal();
    report.reset();
  });
  if (!served && report) {
    const std::string& words = served.error().message;
    static_cast<void>(::write(report.get(), words.data(), words.size()));
  } else if (!served) {
    log::error(served.error().message);
  }
  ::_exit(served ? 0 : 1);
}

}  // namespace

int mount_command(const MountArguments& arguments) {
  auto options = mount_options(arguments);
  if (!options) return complain(options.error().message);
  options->mountpoint = absolute_path(options->mountpoint);
  if (auto prepared = prepare_mountpoint(options->mountpoint); !prepared) return complain(prepared.error().message);
  if (arguments.foreground) {
    const Status served = serve(arguments, *options, [] {});
    return served ? 0 : complain(served.error().message);
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return complain(fail_errno("pipe").error().message);
  UniqueFd hears(ends[0]);
  UniqueFd says(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return complain(fail_errno("fork").error().message);
  if (child == 0) {
    hears.reset();
    run_in_background(arguments, *options, std::move(says));
  }
  says.reset();
  std::string words;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(hears.get(), buffer, sizeof buffer)) > 0;) words.append(buffer, static_cast<std::size_t>(n));
  if (words.empty()) {
    // Ready, or dead without a word.
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return complain("the background process ended unexpectedly; see the log");
    return 0;
  }
  return complain(words);
}

}  // namespace hubfs
