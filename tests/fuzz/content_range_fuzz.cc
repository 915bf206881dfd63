// SPDX-License-Identifier: Apache-2.0
// Whether an answer promises the range that was asked for: never a byte outside of it. Input: three bytes that choose
// the range, then Content-Range, Content-Length and Content-Encoding.
#include "core/hub/range_answer.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  if (input.size() < 3) return;
  const auto at = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(input[i])); };
  // Files from one byte to the largest there can be.
  const std::uint64_t size = (at(0) & 1U) != 0 ? (std::uint64_t{1} << 60U) : at(0) + 1;
  const std::uint64_t first = at(1) % size;
  const std::uint64_t last = first + at(2) % (size - first);
  const RangeRequest request{RepoKey{RepoType::kModel, *RepoId::parse("a/b")},
                             *CommitHash::parse(std::string(40, 'a')),
                             *RelPath::parse("f"),
                             size,
                             first,
                             last};
  input.remove_prefix(3);
  HttpHead head;
  for (const char* name : {"content-range", "content-length", "content-encoding"}) {
    const std::string value(take_part(input));
    if (!value.empty()) head.headers[name] = value;
  }
  for (const int status : {200, 206, 204, 304}) {
    head.status = status;
    const auto plan = check_range_answer(head, request);
    if (!plan) {
      must(!plan.error().empty() && plan.error().find('\n') == std::string::npos, "a refusal is one line of words");
      continue;
    }
    must(status == 200 || status == 206, "only these bring bytes");
    must(plan->deliver >= 1 && plan->deliver <= last - first + 1, "never a byte beyond the range");
    must(plan->covers_all == (plan->deliver == last - first + 1), "all is all");
    must(status == 206 || first == 0, "a whole file serves only its beginning");
  }
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
