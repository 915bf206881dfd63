// SPDX-License-Identifier: Apache-2.0
#include "core/hub/admission.h"

namespace hubfs {

void Admission::enqueue(const std::string& host, std::uint64_t id) { hosts_[host].waiting.push_back(id); }

void Admission::drop(const std::string& host, std::uint64_t id) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  found->second.dropped.insert(id);
  skip_dropped(found->second);
  forget_if_idle(found);
}

std::optional<std::uint64_t> Admission::next() {
  if (running_ >= max_total_ || hosts_.empty()) return std::nullopt;
  auto at = hosts_.upper_bound(last_host_);
  for (std::size_t seen = 0; seen < hosts_.size(); ++seen, ++at) {
    if (at == hosts_.end()) at = hosts_.begin();
    Host& host = at->second;
    if (host.waiting.empty() || host.running >= max_per_host_) continue;
    const std::uint64_t id = host.waiting.front();
    host.waiting.pop_front();
    skip_dropped(host);
    ++host.running;
    ++running_;
    last_host_ = at->first;
    return id;
  }
  return std::nullopt;
}

void Admission::release(const std::string& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  --found->second.running;
  --running_;
  forget_if_idle(found);
}

void Admission::skip_dropped(Host& host) {
  while (!host.waiting.empty() && host.dropped.erase(host.waiting.front()) != 0) host.waiting.pop_front();
}

void Admission::forget_if_idle(Hosts::iterator host) {
  if (host->second.waiting.empty() && host->second.running == 0) hosts_.erase(host);
}

}  // namespace hubfs
