// SPDX-License-Identifier: Apache-2.0
// The Hub's listing, in pages: refused whole, or files that can be saved and read again. Input: the pages.
#include "core/hub/listing_json.h"
#include "tests/fuzz/listing_checks.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  constexpr std::size_t kMaxFiles = 1000;
  ListingBuilder builder(kMaxFiles);
  do {
    const Status added = builder.add_page(take_part(input));
    if (!added) {
      must(!added.error().message.empty(), "a refusal has words");
      return;
    }
  } while (!input.empty());
  const auto listing = builder.finish();
  if (!listing) return;
  must(listing->size() <= kMaxFiles, "not more files than allowed");
  check_listing(*listing);
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
