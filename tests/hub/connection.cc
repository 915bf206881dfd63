// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hubfs::testing {
namespace {

constexpr int kReadTimeoutMs = 60'000;
constexpr int kWriteTimeoutMs = 600'000;  // a client that does not read for long is a test of its own

int wait_for(int socket, short events, int timeout_ms) {
  pollfd entry = {.fd = socket, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&entry, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? entry.revents : 0;
}

}  // namespace

bool Connection::wait_for_request(std::chrono::milliseconds timeout) {
  if (begin_ < end_) return true;
  return (wait_for(socket_, POLLIN, static_cast<int>(timeout.count())) & POLLIN) != 0;
}

bool Connection::send(std::string_view bytes, bool more) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if ((wait_for(socket_, POLLOUT, kWriteTimeoutMs) & POLLOUT) == 0) return false;
    } else if (sent < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool Connection::sleep(std::chrono::nanoseconds duration) {
  using std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + duration;
  while (true) {
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero()) return true;
    pollfd entry = {.fd = socket_, .events = POLLRDHUP, .revents = 0};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds);
    const timespec wait = {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
    if (::ppoll(&entry, 1, &wait, nullptr) > 0) return false;
  }
}

void Connection::wait_until_gone() {
  while (wait_for(socket_, POLLRDHUP, -1) == 0) {
  }
}

void Connection::reset_on_close() {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool Connection::is_readable() const {
  return begin_ < end_ || (wait_for(socket_, POLLIN, kReadTimeoutMs) & POLLIN) != 0;
}

bool Connection::is_writable() const { return true; }

ssize_t Connection::read(char* ptr, size_t size) {
  if (begin_ == end_) {
    if (!is_readable()) return -1;
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  const std::size_t count = std::min(size, end_ - begin_);
  std::memcpy(ptr, &buffer_[begin_], count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* ptr, size_t size) {
  if (muted_ || send({ptr, size})) return static_cast<ssize_t>(size);
  return -1;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = "127.0.0.1";
  port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const { get_remote_ip_and_port(ip, port); }

}  // namespace hubfs::testing
