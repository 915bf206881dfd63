// SPDX-License-Identifier: Apache-2.0
//
// One accepted connection, as the HTTP library reads from it and as we write to it.
#ifndef HUBFS_TESTS_HUB_CONNECTION_H_
#define HUBFS_TESTS_HUB_CONNECTION_H_

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace hubfs::testing {

// Used by one thread at a time; only the socket may be shut down from another, which wakes every wait here. Does not
// own the socket.
class Connection final : public httplib::Stream {
 public:
  Connection(int socket, std::uint64_t number) : socket_(socket), number_(number) {}

  std::uint64_t number() const { return number_; }
  // True when a request, or a part of it, is there to be read.
  bool wait_for_request(std::chrono::milliseconds timeout);
  // False when the connection is gone. `more`: do not send a short packet yet.
  bool send(std::string_view bytes, bool more = false);
  // False when the connection went away meanwhile.
  bool sleep(std::chrono::nanoseconds duration);
  void wait_until_gone();
  // The close that follows becomes a TCP reset.
  void reset_on_close();
  // What the HTTP library writes is thrown away while muted: we have answered already.
  void mute(bool on) { muted_ = on; }

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* ptr, size_t size) override;
  ssize_t write(const char* ptr, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  // The library refuses sockets from 1024 on, for the sake of select(), which is not used here: it gets to see none.
  socket_t socket() const override { return 0; }

 private:
  int socket_;
  std::uint64_t number_;
  bool muted_ = false;
  std::array<char, 16384> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_CONNECTION_H_
