// SPDX-License-Identifier: Apache-2.0
#include "core/hub/hub_client.h"

#include "core/hub/hub_state.h"

namespace hubfs {

namespace {

HubOptions tidied(HubOptions options) {
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  return options;
}

}  // namespace

HubState::HubState(HttpLoop& loop, HubOptions with)
    : options(tidied(std::move(with))), access{loop, options, origin_of(options.endpoint)} {}

HubState::~HubState() {
  for (const auto& [id, call] : calls_) call->stop();
}

HubCall HubState::adopt(CallId id, std::shared_ptr<Call> call) {
  calls_.emplace(id, std::move(call));
  access.loop.post([weak = weak_from_this(), id] {
    const auto self = weak.lock();
    if (!self) return;
    const auto found = self->calls_.find(id);
    if (found == self->calls_.end()) return;
    const auto running = found->second;
    running->begin();
  });
  return HubCall([weak = weak_from_this(), id] {
    if (const auto self = weak.lock()) self->retire(id);
  });
}

void HubState::retire(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  found->second->stop();
  retired_.push_back(std::move(found->second));
  calls_.erase(found);
  if (retired_.size() > 1) return;
  // Were the loop stopped, the post is dropped and the calls go with this object: never under their own feet.
  access.loop.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      const auto gone = std::exchange(self->retired_, {});
    }
  });
}

std::string api_url(const HubOptions& options, const RepoKey& key) {
  return options.endpoint + "/api/" + std::string(plural(key.type)) + "/" + url_encode(key.id.text(), true);
}

HubClient::HubClient(HttpLoop& loop, HubOptions options)
    : state_(std::make_shared<HubState>(loop, std::move(options))) {}

HubClient::~HubClient() = default;

const HubOptions& HubClient::options() const { return state_->options; }

HubCall HubClient::resolve(const RepoKey& key, const std::optional<std::string>& revision,
                           std::chrono::milliseconds limit, std::function<void(HubResult<CommitHash>)> done) {
  const auto id = state_->next_id();
  return state_->adopt(id, make_resolve_call(*state_, id, key, revision, limit, std::move(done)));
}

HubCall HubClient::list(const RepoKey& key, const CommitHash& commit, std::chrono::milliseconds limit,
                        std::function<void(HubResult<Listing>)> done) {
  const auto id = state_->next_id();
  return state_->adopt(id, make_listing_call(*state_, id, key, commit, limit, std::move(done)));
}

HubCall HubClient::fetch(const RangeRequest& request, std::unique_ptr<RangeHandler> handler) {
  const auto id = state_->next_id();
  return state_->adopt(id, make_range_call(*state_, id, request, std::move(handler)));
}

}  // namespace hubfs
