// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/local_hub.h"

#include <algorithm>
#include <random>
#include <stdexcept>

#include "tests/hub/delivery.h"
#include "tests/hub/endpoints.h"
#include "tests/hub/origin.h"

namespace hubfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

struct LocalHub::Parts {
  HubState state;
  Clock::time_point started = Clock::now();
  mutable std::mutex mutex;  // guards the two listeners, not what they do
  std::unique_ptr<Origin> hub;
  std::unique_ptr<Origin> cdn;

  RequestLog::Ticket log_request(const HubRequest& request, const Connection& connection);
  bool serve(Connection& connection, HubRequest& request);
  Answer route(const HubRequest& request);
  void open(std::unique_ptr<Origin>& origin, OriginKind kind, std::atomic<int>& port);
};

RequestLog::Ticket LocalHub::Parts::log_request(const HubRequest& request, const Connection& connection) {
  LogEntry entry;
  entry.origin = request.origin;
  entry.kind = "other";
  entry.method = request.method;
  entry.path = request.path;
  if (request.origin == OriginKind::kHub) entry.query = request.query_text;
  entry.range = request.header("range");
  entry.has_authorization = !request.header("authorization").empty();
  entry.user_agent = request.header("user-agent");
  entry.started = seconds_since(started);
  entry.connection = connection.number();
  return state.log.begin(std::move(entry));
}

Answer LocalHub::Parts::route(const HubRequest& request) {
  try {
    if (request.origin == OriginKind::kHub) return answer_hub(state, request);
    Answer answer = answer_cdn(state, request);
    answer.kind = "cdn";
    return answer;
  } catch (const std::exception& error) {  // for one, a data folder that changed under us
    return error_answer(500, "", error.what());
  }
}

bool LocalHub::Parts::serve(Connection& connection, HubRequest& request) {
  if (request.origin == OriginKind::kHub && is_control(request)) {
    RequestLog unheard;
    return deliver(connection, request, answer_control(state, request), {}, unheard, unheard.begin({}));
  }
  const Clock::time_point begun = Clock::now();
  const RequestLog::Ticket ticket = log_request(request, connection);
  Fault fault = combine(state.faults.take({.origin = request.origin,
                                           .method = request.method,
                                           .path = request.path,
                                           .target = request.target,
                                           .headers = &request.headers}));
  if (const std::uint64_t rate = state.rate; rate != 0 && !fault.rate) fault.rate = rate;
  if (fault.ignore_range) std::erase_if(request.headers, [](const auto& header) { return header.first == "range"; });
  request.expired_url = fault.expired;
  Answer answer = route(request);
  apply_fault(fault, request, request.origin == OriginKind::kHub ? state.base(request) : state.cdn_url(), answer);
  const bool silent = fault.hang || fault.reset;
  state.log.answer(ticket, silent ? 0 : answer.status, answer.kind, silent || !answer.content ? "" : answer.file);

  bool keep_alive = connection.sleep(std::chrono::milliseconds(state.latency_ms) + fault.delay);
  if (fault.reset) {
    connection.reset_on_close();
    keep_alive = false;
  } else if (fault.hang) {
    connection.wait_until_gone();
    keep_alive = false;
  } else if (keep_alive) {
    try {
      keep_alive = deliver(connection, request, answer, fault, state.log, ticket);
    } catch (const std::exception&) {  // a file could not be read any more: the body ends early
      keep_alive = false;
    }
  }
  state.log.end(ticket, seconds_since(begun));
  return keep_alive;
}

void LocalHub::Parts::open(std::unique_ptr<Origin>& origin, OriginKind kind, std::atomic<int>& port) {
  if (origin) return;
  auto opened = std::make_unique<Origin>(
      kind, [this] { return state.log.next_connection(); },
      [this](Connection& connection, HubRequest& request) { return serve(connection, request); });
  opened->start(port);
  port = opened->port();
  origin = std::move(opened);
}

LocalHub::LocalHub(HubOptions options) : parts_(std::make_unique<Parts>()) {
  HubState& state = parts_->state;
  state.tokens = std::move(options.tokens);
  state.secret = std::to_string(std::random_device{}()) + std::to_string(std::random_device{}());
  state.port = options.port;
  state.cdn_port = options.cdn_port;
  state.latency_ms = options.latency.count();
  state.rate = options.rate;
  state.page_size = options.page_size;
  state.resolve_cache = options.resolve_cache;
  state.signed_url_seconds = options.signed_url_life.count();
}

LocalHub::~LocalHub() { stop(); }

void LocalHub::start() {
  const std::lock_guard lock(parts_->mutex);
  parts_->open(parts_->cdn, OriginKind::kCdn, parts_->state.cdn_port);
  parts_->open(parts_->hub, OriginKind::kHub, parts_->state.port);
}

void LocalHub::stop() {
  const std::lock_guard lock(parts_->mutex);
  parts_->hub.reset();
  parts_->cdn.reset();
}

void LocalHub::stop_cdn() {
  const std::lock_guard lock(parts_->mutex);
  parts_->cdn.reset();
}

void LocalHub::start_cdn() {
  const std::lock_guard lock(parts_->mutex);
  parts_->open(parts_->cdn, OriginKind::kCdn, parts_->state.cdn_port);
}

std::string LocalHub::url() const { return "http://127.0.0.1:" + std::to_string(parts_->state.port.load()); }
std::string LocalHub::cdn_url() const { return parts_->state.cdn_url(); }

void LocalHub::add_repo(RepoSpec spec) { parts_->state.shelf.put(std::make_shared<Repo>(std::move(spec))); }

void LocalHub::add_data_folder(const std::filesystem::path& folder, bool xet) {
  load_data_folder(folder, xet, parts_->state.shelf);
}

void LocalHub::remove_repo(RepoType type, const std::string& id) { parts_->state.shelf.remove(type, id); }

void LocalHub::add_alias(RepoType type, const std::string& from, const std::string& to) {
  parts_->state.shelf.put_alias(type, from, to);
}

std::string LocalHub::set_branch(RepoType type, const std::string& id, const std::string& branch, Files files) {
  return parts_->state.shelf.update(type, id, [&](const Repo& old) { return old.with_commit(branch, files); })
      ->resolve(branch)
      ->hash();
}

void LocalHub::set_access(RepoType type, const std::string& id, bool is_private, bool gated, bool disabled) {
  parts_->state.shelf.update(type, id, [&](const Repo& old) { return old.with_access(is_private, gated, disabled); });
}

std::string LocalHub::commit(RepoType type, const std::string& id, const std::string& revision) const {
  const RepoPtr repo = parts_->state.shelf.find(type, id);
  const CommitPtr commit = repo ? repo->resolve(revision) : nullptr;
  if (!commit) throw std::out_of_range("no revision " + revision + " of " + id);
  return commit->hash();
}

std::uint64_t LocalHub::add_fault(Fault fault) { return parts_->state.faults.add(std::move(fault)); }
void LocalHub::remove_fault(std::uint64_t id) { parts_->state.faults.remove(id); }
void LocalHub::clear_faults() { parts_->state.faults.clear(); }
std::uint64_t LocalHub::fault_hits(std::uint64_t id) const { return parts_->state.faults.hits(id); }

void LocalHub::set_latency(std::chrono::milliseconds latency) { parts_->state.latency_ms = latency.count(); }
void LocalHub::set_rate(std::uint64_t bytes_per_second) { parts_->state.rate = bytes_per_second; }
void LocalHub::set_page_size(std::size_t entries) { parts_->state.page_size = entries; }
void LocalHub::set_resolve_cache(bool on) { parts_->state.resolve_cache = on; }
void LocalHub::set_signed_url_life(std::chrono::seconds life) { parts_->state.signed_url_seconds = life.count(); }

HubStats LocalHub::stats() const { return parts_->state.log.stats(); }
std::vector<LogEntry> LocalHub::log() const { return parts_->state.log.entries(); }

void LocalHub::reset() {
  parts_->state.faults.clear();
  parts_->state.log.clear();
}

}  // namespace hubfs::testing
