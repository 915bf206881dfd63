// SPDX-License-Identifier: Apache-2.0
#include "tests/core/hub/hub_fixture.h"

namespace hubfs::test {

namespace {

void append(std::string& to, std::span<const std::byte> bytes) {
  to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class Recorder final : public HttpHandler {
 public:
  explicit Recorder(std::promise<Outcome>& into) : into_(into) {}
  bool on_head(const HttpHead& head) override {
    outcome_.status = head.status;
    outcome_.head = head;
    ++outcome_.heads;
    return true;
  }
  bool on_body(std::span<const std::byte> bytes) override {
    append(outcome_.body, bytes);
    return true;
  }
  void on_end(const Status& status) override {
    outcome_.end = status;
    into_.set_value(std::move(outcome_));
  }

 private:
  std::promise<Outcome>& into_;
  Outcome outcome_;
};

class RangeRecorder final : public RangeHandler {
 public:
  explicit RangeRecorder(std::promise<Outcome>& into) : into_(into) {}
  bool on_head(const FileHead& head) override {
    outcome_.file = head;
    ++outcome_.heads;
    return true;
  }
  bool on_bytes(std::span<const std::byte> bytes) override {
    append(outcome_.body, bytes);
    return true;
  }
  void on_end(const HubResult<void>& result) override {
    outcome_.result = result;
    into_.set_value(std::move(outcome_));
  }

 private:
  std::promise<Outcome>& into_;
  Outcome outcome_;
};

}  // namespace

Outcome HubFixture::get(const HttpRequest& request) {
  std::promise<Outcome> promise;
  on_loop([&] { loop_->start(request, std::make_unique<Recorder>(promise)); });
  return promise.get_future().get();
}

HubResult<CommitHash> HubFixture::resolve(const std::string& id, const std::optional<std::string>& revision,
                                          std::chrono::milliseconds limit) {
  std::promise<HubResult<CommitHash>> promise;
  HubCall call;
  on_loop([&] { call = client_->resolve(model(id), revision, limit, [&](const auto& r) { promise.set_value(r); }); });
  auto result = promise.get_future().get();
  on_loop([&] { call.cancel(); });
  return result;
}

HubResult<Listing> HubFixture::list(const std::string& id, std::chrono::milliseconds limit) {
  return list_at(id, commit(), limit);
}

HubResult<Listing> HubFixture::list_at(const std::string& id, const CommitHash& at, std::chrono::milliseconds limit) {
  std::promise<HubResult<Listing>> promise;
  HubCall call;
  on_loop([&] { call = client_->list(model(id), at, limit, [&](auto r) { promise.set_value(std::move(r)); }); });
  auto result = promise.get_future().get();
  on_loop([&] { call.cancel(); });
  return result;
}

Outcome HubFixture::fetch(const RangeRequest& request) {
  std::promise<Outcome> promise;
  HubCall call;
  on_loop([&] { call = client_->fetch(request, std::make_unique<RangeRecorder>(promise)); });
  Outcome outcome = promise.get_future().get();
  on_loop([&] { call.cancel(); });
  return outcome;
}

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return out;
}

}  // namespace hubfs::test
