// SPDX-License-Identifier: Apache-2.0
//
// The running requests of one file: begins them, hands their bytes on, ends those that are not wanted any more, and
// tells Pace how they went. Counts them in the limits that all files share. Loop thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "core/fetch/fetch_file.h"
#include "core/fetch/fill_plan.h"
#include "core/fetch/pace.h"
#include "core/hub/hub_client.h"

namespace hubfs {

/// Requests under way of all files together.
struct TransferCounts {
  int demand = 0;   ///< a reader waits for them, or did when they began
  int patient = 0;  ///< readahead and background
};

/// Hears of the requests of one file. Called on the loop's thread, never from within a call into FillTransfers.
class TransferSink {
 public:
  virtual ~TransferSink() = default;
  /// An answer's status and range were good.
  virtual void on_answer() = 0;
  /// Bytes [range) of the file; false ends the request.
  virtual bool on_arrived(ByteRange range, std::span<const std::byte> bytes) = 0;
  /// A request is over. `whole`: it brought all that it was to bring; else `result` says why not.
  virtual void on_over(bool whole, const HubResult<void>& result) = 0;
};

class FillTransfers {
 public:
  using Clock = std::chrono::steady_clock;

  /// `sink` may be asked for after this object is gone, then answers null. The others outlive it.
  FillTransfers(HttpLoop& loop, HubClient& hub, Pace& pace, TransferCounts& counts, const FetchTarget& target);
  ~FillTransfers();
  FillTransfers(const FillTransfers&) = delete;
  FillTransfers& operator=(const FillTransfers&) = delete;
  /// To be called once, before start().
  void set_sink(std::function<std::shared_ptr<TransferSink>()> sink) { sink_ = std::move(sink); }

  void start(const NextRequest& request);
  /// Ends all that are not of the given urgency or more urgent.
  void cancel_less_urgent_than(Urgency least);
  void cancel_all();

  /// In the order that NextRequest::shorten means.
  [[nodiscard]] std::vector<OnItsWay> on_its_way() const;
  [[nodiscard]] int demand() const { return demand_; }
  [[nodiscard]] int patient() const { return patient_; }
  [[nodiscard]] bool empty() const { return running_.empty(); }

 private:
  struct Transfer {
    std::uint64_t next = 0;
    std::uint64_t end = 0;
    Urgency urgency = Urgency::kDemand;
    std::uint64_t first = 0;
    Clock::time_point begun;
    Clock::time_point answered;
    HubCall call;
  };
  using Running = std::list<Transfer>;
  class Receiver;

  void answered(Transfer& transfer);
  bool arrived(Transfer& transfer, std::span<const std::byte> bytes);
  void over(Running::iterator transfer, const HubResult<void>& result);
  void count(Urgency urgency, int by);
  void let_go(Running gone);

  HttpLoop& loop_;
  HubClient& hub_;
  Pace& pace_;
  TransferCounts& counts_;
  const FetchTarget& target_;
  std::function<std::shared_ptr<TransferSink>()> sink_;
  std::shared_ptr<FillTransfers*> self_;  // null in it once this object is gone
  Running running_;
  int demand_ = 0;
  int patient_ = 0;
};

}  // namespace hubfs
