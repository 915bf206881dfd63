// SPDX-License-Identifier: Apache-2.0
// The record of what is kept after a removal, and the names in it: what is accepted is what hubfs writes.
#include "core/cache/kept_files.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  if (is_kept_id(input))
    must(is_one_name(input) && input.find('.') == std::string_view::npos, "the id of a record is one name");
  if (const auto part = parse_kept_part(input))
    must(part->name() == input && is_one_name(input), "a part has one name");
  const auto note = parse_kept_note(std::string(input));
  if (!note) {
    must(!note.error().message.empty(), "a refusal has words");
    return;
  }
  const std::string text = format_kept_note(*note);
  const auto back = parse_kept_note(text);
  must(back && back->key == note->key && format_kept_note(*back) == text, "what is saved comes back");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
