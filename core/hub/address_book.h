// SPDX-License-Identifier: Apache-2.0
//
// Where the Hub redirected to, per file of a commit, so that further ranges go there at once: a bounded LRU whose
// entries end with the address's own expiry. Such addresses are secrets while they live: they never leave this folder.
// Internal to core/hub; loop thread only.
#pragma once

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/hub/hub_client.h"

namespace hubfs {

/// How long a signed address still lives, by its query: Expires=<unix time>, or X-Amz-Date with X-Amz-Expires. nullopt
/// when it does not say; zero when it is over.
std::optional<std::chrono::seconds> lifetime_of(std::string_view url, std::chrono::system_clock::time_point now);

class AddressBook {
 public:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::string url;
    FileHead head;
  };

  explicit AddressBook(std::size_t capacity = 1024) : capacity_(capacity) {}
  /// nullptr when there is none or it has expired. Valid until the next change.
  const Entry* find(const std::string& file, Clock::time_point now);
  void remember(const std::string& file, Entry entry, Clock::time_point now);
  /// Only if it is still that address: another call may have renewed it meanwhile.
  void forget(const std::string& file, std::string_view url);

 private:
  struct Slot {
    std::string file;
    Entry entry;
    Clock::time_point expires;
  };
  using Slots = std::list<Slot>;  // most recently used first

  std::size_t capacity_;
  Slots slots_;
  std::unordered_map<std::string, Slots::iterator> by_file_;
};

}  // namespace hubfs
