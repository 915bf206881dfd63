// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/origin.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <stdexcept>

namespace hubfs::testing {
namespace {

constexpr std::chrono::seconds kIdle{120};
constexpr int kBacklog = 1024;  // the library's 5 makes clients that connect at once wait a second for a second try

class ThreadPerConnection final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> task) override {
    {
      const std::lock_guard lock(state_->mutex);
      ++state_->running;
    }
    std::thread([state = state_, task = std::move(task)] {
      task();
      const std::lock_guard lock(state->mutex);
      --state->running;
      state->changed.notify_all();
    }).detach();
  }

  void shutdown() override {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->running == 0; });
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int running = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// What the thread is serving. The library hands no connection to its handlers, but calls them on the thread that reads.
struct Exchange {
  Connection* connection = nullptr;
  bool answered = false;
  bool keep_alive = false;
};
thread_local Exchange exchange;  // NOLINT: one for each connection's thread

// The library makes its tables and expressions when a request first needs them. Its build knows nothing of ThreadSanitizer,
// which takes that for a race where first requests come together; so the first one is answered here, before any thread.
class FirstRequest final : httplib::Server {
 public:
  FirstRequest() {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return;
    constexpr std::string_view kText = "GET /?a=b HTTP/1.1\r\nHost: hub\r\nRange: bytes=0-0,2-3\r\n\r\n";
    if (::write(sockets[1], kText.data(), kText.size()) == static_cast<ssize_t>(kText.size())) {
      Connection connection(sockets[0], 0);
      bool closed = false;
      process_request(connection, true, closed, nullptr);
    }
    ::close(sockets[0]);
    ::close(sockets[1]);
  }
};

}  // namespace

Origin::Origin(OriginKind kind, std::function<std::uint64_t()> number, Service service)
    : kind_(kind), number_(std::move(number)), service_(std::move(service)) {
  new_task_queue = [] { return new ThreadPerConnection; };  // the library deletes it
  set_socket_options([](socket_t socket) {
    // Not the library's SO_REUSEPORT, with which two Hubs share a port without a word.
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  set_pre_routing_handler([this](const httplib::Request& raw, httplib::Response& response) {
    if (raw.method == "POST") return HandlerResponse::Unhandled;  // its body is still to be read
    response.status = 200;
    answer(raw, "");
    return HandlerResponse::Handled;
  });
  Post(R"([\s\S]*)",
       [this](const httplib::Request& raw, httplib::Response& response, const httplib::ContentReader& read) {
         std::string body;
         read([&](const char* data, std::size_t size) {
           body.append(data, size);
           return true;
         });
         response.status = 200;
         answer(raw, std::move(body));
       });
}

Origin::~Origin() { stop(); }

void Origin::start(int port) {
  static const FirstRequest first_request;
  if (port == 0) {
    port_ = bind_to_any_port("127.0.0.1");
  } else {
    port_ = bind_to_port("127.0.0.1", port) ? port : -1;
  }
  if (port_ <= 0) throw std::runtime_error("cannot listen on 127.0.0.1:" + std::to_string(port));
  ::listen(svr_sock_, kBacklog);
  thread_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) std::this_thread::yield();
}

void Origin::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  Server::stop();
  thread_.join();
}

bool Origin::adopt(int socket) {
  const std::lock_guard lock(mutex_);
  if (!stopping_) sockets_.insert(socket);
  return !stopping_;
}

bool Origin::process_and_close_socket(socket_t socket) {
  if (adopt(socket)) {
    serve_connection(socket);
    // Forgotten before it is closed, so that stop() never shuts down a number that is something else by now.
    const std::lock_guard lock(mutex_);
    sockets_.erase(socket);
  }
  ::close(socket);
  return true;
}

void Origin::serve_connection(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection connection(socket, number_());
  bool go_on = true;
  while (go_on && connection.wait_for_request(kIdle)) {
    exchange = {.connection = &connection, .answered = false, .keep_alive = false};
    bool closed = false;
    const bool served = process_request(connection, false, closed, nullptr);
    connection.mute(false);
    go_on = served && !closed && (!exchange.answered || exchange.keep_alive);
  }
  exchange = {};
}

HubRequest Origin::translate(const httplib::Request& raw, std::string body) const {
  HubRequest request;
  request.origin = kind_;
  request.method = raw.method;
  request.target = raw.target;
  const std::size_t mark = raw.target.find('?');
  request.path = raw.target.substr(0, mark);
  request.query_text = mark == std::string::npos ? "" : raw.target.substr(mark + 1);
  request.query = parse_query(request.query_text);
  for (const std::string& segment :
       split(std::string_view(request.path).substr(request.path.starts_with('/') ? 1 : 0), '/')) {
    request.segments.push_back(percent_decode(segment));
  }
  for (const auto& [name, value] : raw.headers) {
    // The library adds these four to what the client sent.
    if (name == "REMOTE_ADDR" || name == "REMOTE_PORT" || name == "LOCAL_ADDR" || name == "LOCAL_PORT") continue;
    request.headers.emplace_back(lower_case(name), value);
  }
  request.body = std::move(body);
  return request;
}

void Origin::answer(const httplib::Request& raw, std::string body) {
  HubRequest request = translate(raw, std::move(body));
  exchange.keep_alive = service_(*exchange.connection, request);
  exchange.answered = true;
  exchange.connection->mute(true);
}

}  // namespace hubfs::testing
