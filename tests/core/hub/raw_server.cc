// SPDX-License-Identifier: Apache-2.0
#include "tests/core/hub/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <stdexcept>

namespace hubfs::test {

namespace {

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string RawRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    std::array<pollfd, 2> fds{{{fd_, POLLOUT, 0}, {stop_fd_, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0 || fds[1].revents != 0) return false;
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool RawConnection::wait(std::chrono::milliseconds time) {
  std::array<pollfd, 2> fds{{{fd_, POLLRDHUP, 0}, {stop_fd_, POLLIN, 0}}};
  const auto ms = std::min<std::int64_t>(time.count(), 3'600'000);
  return ::poll(fds.data(), fds.size(), static_cast<int>(ms)) == 0;
}

void RawConnection::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

bool RawConnection::read_more() {
  std::array<pollfd, 2> fds{{{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
  if (::poll(fds.data(), fds.size(), -1) < 0 || fds[1].revents != 0) return false;
  std::array<char, 65536> chunk;
  const ssize_t n = ::recv(fd_, chunk.data(), chunk.size(), 0);
  if (n <= 0) return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(n));
  return true;
}

std::optional<RawRequest> RawConnection::read_request() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return std::nullopt;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  RawRequest request;
  std::size_t at = head.find("\r\n");
  const std::string line = head.substr(0, at);
  request.method = line.substr(0, line.find(' '));
  const std::size_t target_at = line.find(' ') + 1;
  request.target = line.substr(target_at, line.rfind(' ') - target_at);
  for (at += 2; at < head.size();) {
    const std::size_t next = head.find("\r\n", at);
    const std::size_t colon = head.find(':', at);
    request.headers[lowered(head.substr(at, colon - at))] = head.substr(colon + 2, next - colon - 2);
    at = next + 2;
  }
  const std::size_t length = number(request.header("content-length"));
  while (buffer_.size() < length) {
    if (!read_more()) return std::nullopt;
  }
  request.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return request;
}

RawServer::RawServer(Script script) : script_(std::move(script)) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  stop_fd_.reset(::eventfd(0, EFD_CLOEXEC));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 512) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port for the test server");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

RawServer::~RawServer() {
  ::eventfd_write(stop_fd_.get(), 1);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

std::string RawServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::vector<RawRequest> RawServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

void RawServer::accept_all() {
  while (true) {
    std::array<pollfd, 2> fds{{{listener_.get(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0 || fds[1].revents != 0) return;
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ++connections_;
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::serve(int fd) {
  const UniqueFd owned(fd);
  RawConnection connection(fd, stop_fd_.get());
  while (connection.is_open()) {
    const auto request = connection.read_request();
    if (!request) return;
    {
      const MutexLock lock(mutex_);
      requests_.push_back(*request);
    }
    script_(*request, connection);
  }
}

std::string answer(int status, std::string_view headers, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(status) + " Words\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string redirect(std::string_view to, std::string_view headers, int status) {
  return answer(status, "Location: " + std::string(to) + "\r\n" + std::string(headers), "moved");
}

std::string range_of(const RawRequest& request, std::string_view content, std::string_view headers) {
  const std::string range = request.header("range");
  const std::size_t first = number(std::string_view(range).substr(6));
  const std::size_t last = number(std::string_view(range).substr(range.find('-') + 1));
  return answer(206,
                std::string(headers) + "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) +
                    "/" + std::to_string(content.size()) + "\r\n",
                content.substr(first, last - first + 1));
}

}  // namespace hubfs::test
