// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/fault.h"

#include <functional>
#include <stdexcept>

#include "tests/hub/url.h"

namespace hubfs::testing {
namespace {

using nlohmann::json;
using Setter = std::function<void(Fault&, const json&)>;

template <typename T>
Setter field(T Fault::* member) {
  return [member](Fault& fault, const json& value) { value.get_to(fault.*member); };
}

template <typename T>
Setter field(std::optional<T> Fault::* member) {
  return [member](Fault& fault, const json& value) { fault.*member = value.get<T>(); };
}

Setter field(std::chrono::milliseconds Fault::* member) {
  return [member](Fault& fault, const json& value) {
    fault.*member = std::chrono::milliseconds(value.get<std::int64_t>());
  };
}

void set_origin(Fault& fault, const json& value) {
  const auto name = value.get<std::string>();
  if (name == "any") return;
  if (name != "hub" && name != "cdn") throw std::invalid_argument("origin is hub, cdn or any");
  fault.origin = name == "hub" ? OriginKind::kHub : OriginKind::kCdn;
}

void set_flip(Fault& fault, const json& value) {
  fault.flip = value.is_array() ? value.get<std::vector<std::uint64_t>>() : std::vector{value.get<std::uint64_t>()};
}

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> table = {
      {"origin", set_origin},
      {"method", field(&Fault::method)},
      {"path", field(&Fault::path)},
      {"regex", field(&Fault::regex)},
      {"header", field(&Fault::header)},
      {"skip", field(&Fault::skip)},
      {"count", field(&Fault::count)},
      {"status", field(&Fault::status)},
      {"body", field(&Fault::body)},
      {"redirect", field(&Fault::redirect)},
      {"hang", field(&Fault::hang)},
      {"reset", field(&Fault::reset)},
      {"json", [](Fault& fault, const json& value) { fault.replacement = value; }},
      {"delay_ms", field(&Fault::delay)},
      {"headers", field(&Fault::headers)},
      {"drop_headers", field(&Fault::drop_headers)},
      {"etag", field(&Fault::etag)},
      {"content_range", field(&Fault::content_range)},
      {"ignore_range", field(&Fault::ignore_range)},
      {"link_next", field(&Fault::link_next)},
      {"expired", field(&Fault::expired)},
      {"rate", field(&Fault::rate)},
      {"cut_after", field(&Fault::cut_after)},
      {"hang_after", field(&Fault::hang_after)},
      {"short_by", field(&Fault::short_by)},
      {"long_by", field(&Fault::long_by)},
      {"surplus", field(&Fault::surplus)},
      {"flip", set_flip},
      {"trickle_bytes", field(&Fault::trickle_bytes)},
      {"trickle_ms", field(&Fault::trickle_interval)},
      {"gzip", field(&Fault::gzip)},
  };
  return table;
}

}  // namespace

Fault fault_from_json(const json& value) {
  Fault fault;
  for (const auto& [name, content] : value.items()) {
    const auto setter = setters().find(name);
    if (setter == setters().end()) throw std::invalid_argument("a fault has no field " + name);
    setter->second(fault, content);
  }
  return fault;
}

std::uint64_t FaultTable::add(Fault fault) {
  Entry entry;
  if (!fault.regex.empty()) entry.pattern.emplace(fault.regex);
  entry.skip_left = fault.skip;
  entry.left = fault.count;
  entry.fault = std::move(fault);
  const std::lock_guard lock(mutex_);
  entry.id = next_id_++;
  entries_.push_back(std::move(entry));
  return entries_.back().id;
}

void FaultTable::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  entries_.remove_if([&](const Entry& entry) { return entry.id == id; });
}

void FaultTable::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

bool FaultTable::fits(const Entry& entry, const FaultTarget& target) {
  const Fault& fault = entry.fault;
  if (fault.origin && *fault.origin != target.origin) return false;
  if (!fault.method.empty() && fault.method != target.method) return false;
  if (!fault.path.empty() && !glob_match(fault.path, target.path)) return false;
  if (entry.pattern && !std::regex_search(std::string(target.target), *entry.pattern)) return false;
  if (fault.header.empty()) return true;
  if (target.headers == nullptr) return false;
  for (const auto& [name, value] : *target.headers) {
    if (glob_match(fault.header, name + ": " + value)) return true;
  }
  return false;
}

std::vector<Fault> FaultTable::take(const FaultTarget& target) {
  const std::lock_guard lock(mutex_);
  std::vector<Fault> taken;
  for (Entry& entry : entries_) {
    if (entry.left == 0 || !fits(entry, target)) continue;
    if (entry.skip_left > 0) {
      --entry.skip_left;
      continue;
    }
    if (entry.left > 0) --entry.left;
    ++entry.hits;
    taken.push_back(entry.fault);
  }
  return taken;
}

std::uint64_t FaultTable::hits(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.id == id) return entry.hits;
  }
  return 0;
}

}  // namespace hubfs::testing
