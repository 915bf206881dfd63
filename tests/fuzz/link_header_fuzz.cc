// SPDX-License-Identifier: Apache-2.0
// `Link: <…>; rel="next"`: what is between the brackets, only of a link that says next.
#include "core/hub/link_header.h"

#include "core/hub/text.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  const auto next = next_link(input);
  if (!next) return;
  must(input.find("<" + *next + ">") != std::string_view::npos, "an address from between the brackets");
  must(next->find('>') == std::string::npos, "that ends at the first bracket");
  must(lower_ascii(input).find("next") != std::string::npos, "of a link that says next");
  must(next_link("<" + *next + ">; rel=next") == next, "as it would be alone");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
