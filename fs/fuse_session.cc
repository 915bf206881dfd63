// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <vector>

#include "core/base/log.h"
#include "fs/fuse_context.h"

namespace hubfs {

namespace {

std::function<void()> g_ready;  // libfuse hands on_init nothing but the context

// libfuse 3.17 keeps the flags twice and refuses to have both changed; older ones have no functions for it.
#ifdef FUSE_CAP_PASSTHROUGH
void want(fuse_conn_info* conn, unsigned flag) { fuse_set_feature_flag(conn, flag); }
void do_without(fuse_conn_info* conn, unsigned flag) { fuse_unset_feature_flag(conn, flag); }
#else
void want(fuse_conn_info* conn, unsigned flag) { conn->want |= conn->capable & flag; }
void do_without(fuse_conn_info* conn, unsigned flag) { conn->want &= ~flag; }
#endif

void on_init([[maybe_unused]] void* data, fuse_conn_info* conn) {
  // Asynchronous reads would let parked readers outlive SIGKILL and use up the kernel's background requests; reads of
  // complete files do not come here at all, or are served from the page cache.
  for (const auto flag : std::array<unsigned, 2>{FUSE_CAP_ASYNC_READ, FUSE_CAP_ASYNC_DIO}) do_without(conn, flag);
  // All attributes with every listing: `ls -l`, `du` and `find -size` need them, and asking one by one costs more.
  do_without(conn, FUSE_CAP_READDIRPLUS_AUTO);
  // Page-cache contents are immutable; a change of mtime must not throw them away.
  do_without(conn, FUSE_CAP_AUTO_INVAL_DATA);
  for (const auto flag : std::array<unsigned, 4>{FUSE_CAP_READDIRPLUS, FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_SPLICE_WRITE,
                                                 FUSE_CAP_SPLICE_MOVE}) {
    want(conn, flag);
  }
#ifdef FUSE_CAP_PASSTHROUGH
  auto& context = *static_cast<FuseContext*>(data);
  if (context.options.passthrough && fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH)) {
    // The cache may lie on an overlay, as in containers. libfuse hands the kernel one more than this, and above 2 the
    // kernel switches passthrough off without a word.
    conn->max_backing_stack_depth = 1;
    context.passthrough = true;
  }
#endif
  if (auto ready = std::exchange(g_ready, nullptr)) ready();
}

// The signals that end a mount are blocked in every thread and waited for by one. Telling libfuse to stop only sets a flag;
// the thread that serves sleeps until something interrupts it, which is sent again until it has taken notice.
class EndingSignals {
 public:
  EndingSignals(fuse_session* session, FuseContext& context)
      : session_(session), context_(context), server_(pthread_self()) {
    struct sigaction nudge {};
    nudge.sa_handler = [](int) {};
    sigemptyset(&nudge.sa_mask);
    ::sigaction(SIGUSR1, &nudge, nullptr);
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, nullptr);
    thread_ = std::thread([this] { wait(); });
  }
  ~EndingSignals() {
    served_ = true;
    thread_.join();
  }
  EndingSignals(const EndingSignals&) = delete;
  EndingSignals& operator=(const EndingSignals&) = delete;

 private:
  void wait() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    const timespec poll{0, 50'000'000};
    while (!served_ && ::sigtimedwait(&set, nullptr, &poll) < 0) {
    }
    while (!served_) {
      context_.parked.drop_all();
      fuse_session_exit(session_);
      ::pthread_kill(server_, SIGUSR1);
      ::nanosleep(&poll, nullptr);
    }
  }

  fuse_session* const session_;
  FuseContext& context_;
  const pthread_t server_;
  std::atomic<bool> served_{false};
  std::thread thread_;
};

// A value of an option: libfuse splits options at commas.
std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

Status explain_mount_failure(const MountOptions& options) {
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    const bool absent = errno == ENOENT || errno == ENODEV || errno == ENXIO;
    const std::string why = std::generic_category().message(errno);
    return fail(ErrorKind::kUnsupported,
                "cannot open /dev/fuse (" + why + "): in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN; on a host, " +
                    (absent ? "run `modprobe fuse`" : "its mode must let this user read and write it (usually 0666)"));
  }
  ::close(device);
  return fail(ErrorKind::kSystem, "cannot mount on " + options.mountpoint +
                                      ": the line above says why (without root, fusermount3 must be installed; allow_other needs "
                                      "user_allow_other in /etc/fuse.conf)");
}

}  // namespace

bool built_with_passthrough() {
#ifdef FUSE_CAP_PASSTHROUGH
  return true;
#else
  return false;
#endif
}

FuseSession::~FuseSession() {
  unmount();
  if (session_ == nullptr) return;
  // With the kernel's end closed this unmounts nothing; libfuse gives the name of the mountpoint back nowhere else.
  if (has_ended()) fuse_session_unmount(session_);
  fuse_session_destroy(session_);
}

Status FuseSession::mount(FuseContext& context, const MountOptions& options) {
  context_ = &context;
  mountpoint_ = options.mountpoint;
  static fuse_lowlevel_ops ops = [] {
    fuse_lowlevel_ops table{};
    table.init = on_init;
    add_name_operations(table);
    add_file_operations(table);
    add_change_operations(table);
    add_attribute_operations(table);
    return table;
  }();
  std::vector<std::string> words{"hubfs", "-o", "fsname=" + escaped(options.cache_roots.front()), "-o", "subtype=hubfs", "-o", "default_permissions"};
  if (options.allow_other) words.insert(words.end(), {"-o", "allow_other"});
  if (options.read_only) words.insert(words.end(), {"-o", "ro"});
  if (options.debug) words.emplace_back("-d");
  for (const std::string& option : options.fuse_options) words.insert(words.end(), {"-o", option});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  fuse_args args = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
  session_ = fuse_session_new(&args, &ops, sizeof ops, &context);
  fuse_opt_free_args(&args);
  if (session_ == nullptr) return fail(ErrorKind::kInvalid, "libfuse refused the mount options; see the line above");
  if (fuse_session_mount(session_, options.mountpoint.c_str()) != 0) return explain_mount_failure(options);
  entry_ = top_fuse_mount(options.mountpoint);
  mounted_ = true;
  return {};
}

Status FuseSession::serve(std::function<void()> ready) {
  g_ready = std::move(ready);
  const EndingSignals ending(session_, *context_);
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, 8);
  fuse_loop_cfg_set_idle_threads(config, 8);
  const int result = fuse_session_loop_mt(session_, config);
  fuse_loop_cfg_destroy(config);
  if (result < 0) return fail_errno("serving file system requests", -result);
  return {};
}

bool FuseSession::has_ended() const {
  pollfd device{fuse_session_fd(session_), 0, 0};
  return ::poll(&device, 1, 0) > 0 && (device.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

bool FuseSession::is_ours() const {
  // A session that the kernel has ended has no mount any more; its path, and even its mount id, may be another's by now.
  if (has_ended()) return false;
  const auto top = top_mount(mountpoint_);
  return entry_ && top && top->id == entry_->id && top->device == entry_->device;
}

void FuseSession::unmount() {
  if (!mounted_.exchange(false) || !is_ours()) return;
  // By force first: requests that nobody will answer any more would keep the notifier waiting in the kernel.
  ::umount2(mountpoint_.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
  // Without the right to do that, libfuse asks fusermount3.
  if (is_ours()) fuse_session_unmount(session_);
}

void FuseSession::invalidate_name(NodeId parent, const std::string& name) {
  if (can_notify()) fuse_lowlevel_notify_inval_entry(session_, parent, name.c_str(), name.size());
}

void FuseSession::invalidate_listing(NodeId dir) {
  // A listing that was answered just now is kept once the kernel has taken it in, which it does under the folder's lock.
  // This waits for that lock and does nothing else.
  invalidate_name(dir, ".");
  if (can_notify()) fuse_lowlevel_notify_inval_inode(session_, dir, 0, 0);
}

void FuseSession::invalidate_attributes(NodeId node) {
  if (can_notify()) fuse_lowlevel_notify_inval_inode(session_, node, -1, 0);
}

void FuseSession::invalidate_pages(NodeId node) {
  if (can_notify()) fuse_lowlevel_notify_inval_inode(session_, node, 0, 0);
}

}  // namespace hubfs
