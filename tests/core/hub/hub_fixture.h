// SPDX-License-Identifier: Apache-2.0
//
// A running loop for tests, with calls that wait. Everything that lives on the loop's thread is made and destroyed
// there.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "core/hub/hub_client.h"
#include "tests/core/hub/raw_server.h"

namespace hubfs::test {

/// What came of one request or range.
struct Outcome {
  int status = 0;
  HttpHead head;
  FileHead file;
  std::string body;
  Status end;              ///< plain requests
  HubResult<void> result;  ///< ranges
  int heads = 0;
};

class HubFixture : public ::testing::Test {
 protected:
  HubFixture() : loop_(make_curl_http_loop({16, 64, "hubfs-test"})) {}
  ~HubFixture() override { stop(); }

  HttpLoop& loop() { return *loop_; }
  void stop() {
    loop_->stop();
    client_.reset();
  }

  /// A new loop, which reads the environment as it is now.
  void restart() {
    stop();
    loop_ = make_curl_http_loop({16, 64, "hubfs-test"});
  }

  /// Ends loop and server at the end of a scope: declare it after the locals that scripts and callbacks use.
  class Quit {
   public:
    explicit Quit(HubFixture& fixture) : fixture_(fixture) {}
    ~Quit() {
      fixture_.stop();
      fixture_.server_.reset();
    }
    Quit(const Quit&) = delete;
    Quit& operator=(const Quit&) = delete;

   private:
    HubFixture& fixture_;
  };

  /// Runs on the loop's thread and waits for it.
  template <typename Work>
  void on_loop(Work work) {
    std::promise<void> done;
    loop_->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  /// Sends one request and waits for its end.
  Outcome get(const HttpRequest& request);

  /// Makes the client; the options' time limits are as a test wants them.
  HubClient& connect(HubOptions options) {
    on_loop([&] { client_ = std::make_unique<HubClient>(*loop_, std::move(options)); });
    return *client_;
  }
  HubClient& client() { return *client_; }

  HubResult<CommitHash> resolve(const std::string& id, const std::optional<std::string>& revision,
                                std::chrono::milliseconds limit = std::chrono::seconds(20));
  HubResult<Listing> list(const std::string& id, std::chrono::milliseconds limit = std::chrono::seconds(20));
  HubResult<Listing> list_at(const std::string& id, const CommitHash& at,
                             std::chrono::milliseconds limit = std::chrono::seconds(20));
  Outcome fetch(const RangeRequest& request);

  std::unique_ptr<RawServer> server_;

 private:
  std::unique_ptr<HttpLoop> loop_;
  std::unique_ptr<HubClient> client_;
};

inline RepoKey model(const std::string& id) { return {RepoType::kModel, *RepoId::parse(id)}; }
inline CommitHash commit() { return *CommitHash::parse(std::string(40, 'c')); }
inline RangeRequest range(std::uint64_t size, std::uint64_t first, std::uint64_t last,
                          const std::string& path = "a.bin") {
  return {model("org/name"), commit(), *RelPath::parse(path), size, first, last};
}
/// Bytes that differ by position.
std::string pattern(std::size_t size);

}  // namespace hubfs::test
