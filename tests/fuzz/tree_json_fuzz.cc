// SPDX-License-Identifier: Apache-2.0
// trees/<commit>.json: what is accepted is a listing of files below the snapshot, and comes back from its own text.
#include "core/cache/listing_file.h"
#include "tests/fuzz/listing_checks.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  const auto listing = parse_listing(input);
  if (!listing) {
    must(!listing.error().message.empty(), "a refusal has words");
    return;
  }
  check_listing(*listing);
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
