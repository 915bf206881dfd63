// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_transfers.h"

#include <algorithm>

namespace hubfs {

// Hands what arrives to the transfers, as long as they are there.
class FillTransfers::Receiver final : public RangeHandler {
 public:
  Receiver(std::shared_ptr<FillTransfers*> owner, Running::iterator transfer)
      : owner_(std::move(owner)), transfer_(transfer) {}

  bool on_head(const FileHead& /*head*/) override {
    if (*owner_ != nullptr) (*owner_)->answered(*transfer_);
    return *owner_ != nullptr;
  }
  bool on_bytes(std::span<const std::byte> bytes) override {
    return *owner_ != nullptr && (*owner_)->arrived(*transfer_, bytes);
  }
  void on_end(const HubResult<void>& result) override {
    if (*owner_ != nullptr) (*owner_)->over(transfer_, result);
  }

 private:
  std::shared_ptr<FillTransfers*> owner_;
  Running::iterator transfer_;
};

FillTransfers::FillTransfers(HttpLoop& loop, HubClient& hub, Pace& pace, TransferCounts& counts, const FetchTarget& target)
    : loop_(loop), hub_(hub), pace_(pace), counts_(counts), target_(target), self_(std::make_shared<FillTransfers*>(this)) {}

FillTransfers::~FillTransfers() {
  *self_ = nullptr;
  cancel_all();
}

void FillTransfers::count(Urgency urgency, int by) {
  (urgency == Urgency::kDemand ? demand_ : patient_) += by;
  (urgency == Urgency::kDemand ? counts_.demand : counts_.patient) += by;
}

// Not destroyed on the spot: one of their callbacks may be on the stack.
void FillTransfers::let_go(Running gone) {
  for (Transfer& transfer : gone) {
    count(transfer.urgency, -1);
    transfer.call.cancel();
  }
  loop_.post([kept = std::make_shared<Running>(std::move(gone))] {});
}

void FillTransfers::start(const NextRequest& request) {
  if (request.shorten) {
    auto running = running_.begin();
    std::advance(running, static_cast<std::ptrdiff_t>(*request.shorten));
    running->end = request.range.first;
  }
  const auto transfer = running_.emplace(running_.end());
  transfer->first = transfer->next = request.range.first;
  transfer->end = request.range.end;
  transfer->urgency = request.urgency;
  transfer->begun = Clock::now();
  count(transfer->urgency, 1);
  transfer->call = hub_.fetch({target_.key, target_.commit, target_.path, target_.size, request.range.first, request.range.end - 1},
                              std::make_unique<Receiver>(self_, transfer));
}

void FillTransfers::cancel_less_urgent_than(Urgency least) {
  Running gone;
  for (auto it = running_.begin(); it != running_.end();) {
    const auto next = std::next(it);
    if (it->urgency > least) gone.splice(gone.end(), running_, it);
    it = next;
  }
  if (!gone.empty()) let_go(std::move(gone));
}

void FillTransfers::cancel_all() {
  if (!running_.empty()) let_go(std::exchange(running_, {}));
}

std::vector<OnItsWay> FillTransfers::on_its_way() const {
  std::vector<OnItsWay> all;
  all.reserve(running_.size());
  for (const Transfer& transfer : running_) all.push_back({transfer.next, std::max(transfer.next, transfer.end)});
  return all;
}

void FillTransfers::answered(Transfer& transfer) {
  transfer.answered = Clock::now();
  pace_.answered(transfer.answered - transfer.begun);
  if (const auto sink = sink_()) sink->on_answer();
}

bool FillTransfers::arrived(Transfer& transfer, std::span<const std::byte> bytes) {
  // A shortened request delivers no more than up to where another one took over.
  const std::uint64_t room = transfer.end > transfer.next ? transfer.end - transfer.next : 0;
  const auto wanted = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), room)));
  const auto sink = sink_();
  if (wanted.empty() || !sink) return false;
  const ByteRange range{transfer.next, transfer.next + wanted.size()};
  transfer.next = range.end;
  return sink->on_arrived(range, wanted) && transfer.next < transfer.end;
}

void FillTransfers::over(Running::iterator transfer, const HubResult<void>& result) {
  const bool whole = transfer->next >= transfer->end;
  if (transfer->answered != Clock::time_point()) {
    pace_.delivered(transfer->next - transfer->first, Clock::now() - transfer->answered);
  }
  Running gone;
  gone.splice(gone.begin(), running_, transfer);
  let_go(std::move(gone));
  if (const auto sink = sink_()) sink->on_over(whole, result);
}

}  // namespace hubfs
