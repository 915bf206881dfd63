// SPDX-License-Identifier: Apache-2.0
//
// The inside of a HubClient: its running calls and the addresses they share. A call lives in `calls_` until it ends or
// is cancelled, and is destroyed only in a later round of the loop, since it may be one of its own callbacks that ends
// it. Internal to core/hub; loop thread only.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/hub/address_book.h"
#include "core/hub/hub_client.h"
#include "core/hub/redirect_chain.h"

namespace hubfs {

/// One running call.
class Call {
 public:
  virtual ~Call() = default;
  /// Called in a round after the one that made the call.
  virtual void begin() = 0;
  /// No callback after this; stops requests and timers. Destruction follows later.
  virtual void stop() = 0;
};

struct HubState : std::enable_shared_from_this<HubState> {
 public:
  HubState(HttpLoop& loop, HubOptions with);
  ~HubState();
  HubState(const HubState&) = delete;
  HubState& operator=(const HubState&) = delete;

  using CallId = std::uint64_t;
  CallId next_id() { return next_id_++; }
  /// Takes the call and lets it begin soon.
  HubCall adopt(CallId id, std::shared_ptr<Call> call);
  /// The call is over: it hears no more and goes soon.
  void retire(CallId id);

  HubOptions options;
  HubAccess access;
  AddressBook addresses;

 private:
  CallId next_id_ = 1;
  std::unordered_map<CallId, std::shared_ptr<Call>> calls_;
  std::vector<std::shared_ptr<Call>> retired_;
};

/// "models", "datasets", …: the API's folder of a repo, with the id: "<endpoint>/api/models/org/name".
std::string api_url(const HubOptions& options, const RepoKey& key);

std::shared_ptr<Call> make_resolve_call(HubState& state, HubState::CallId id, const RepoKey& key,
                                        const std::optional<std::string>& revision, std::chrono::milliseconds limit,
                                        std::function<void(HubResult<CommitHash>)> done);
std::shared_ptr<Call> make_listing_call(HubState& state, HubState::CallId id, const RepoKey& key,
                                        const CommitHash& commit, std::chrono::milliseconds limit,
                                        std::function<void(HubResult<Listing>)> done);
std::shared_ptr<Call> make_range_call(HubState& state, HubState::CallId id, const RangeRequest& request,
                                      std::unique_ptr<RangeHandler> handler);

}  // namespace hubfs
