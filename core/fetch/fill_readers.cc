// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_readers.h"

#include <utility>

namespace hubfs {

FillReaders::Kind FillReaders::cancel(WaitId wait) {
  const auto take = [wait](std::vector<Reader>& list) {
    return std::erase_if(list, [wait](const Reader& reader) { return reader.wait == wait; }) > 0;
  };
  if (take(opens_)) return Kind::kOpen;
  if (take(readers_)) return Kind::kReader;
  return take(wholes_) ? Kind::kWhole : Kind::kNone;
}

std::optional<FillReaders::Clock::time_point> FillReaders::oldest_open() const {
  return opens_.empty() ? std::nullopt : std::optional(opens_.front().since);
}

void FillReaders::answer_opens(const Status& status) {
  for (Reader& open : std::exchange(opens_, {})) open.done(status);
}

void FillReaders::answer_wholes(const Status& status) {
  for (Reader& whole : std::exchange(wholes_, {})) whole.done(status);
}

void FillReaders::answer_ready(const FetchFile& file) {
  std::vector<Reader> ready;
  std::erase_if(readers_, [&](Reader& reader) {
    if (!file.has(reader.range)) return false;
    ready.push_back(std::move(reader));
    return true;
  });
  for (Reader& reader : ready) reader.done({});
}

void FillReaders::answer_all(const FetchFile& file, const Status& status) {
  answer_opens(status);
  // What has arrived is good to read, whatever became of the rest.
  for (Reader& reader : std::exchange(readers_, {})) reader.done(file.has(reader.range) ? Status{} : status);
  answer_wholes(status);
}

}  // namespace hubfs
