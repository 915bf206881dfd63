// SPDX-License-Identifier: Apache-2.0
// names.json of the private state: what is accepted can be shown, and is the same after being saved.
#include "core/catalog/memory.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  const auto repos = parse_memory(std::string(input));
  if (!repos) {
    must(!repos.error().message.empty(), "a refusal has words");
    return;
  }
  for (const auto& [key, repo] : *repos) {
    must(repo.name.empty() || is_one_name(repo.name), "a name is one name");
    must(repo.family.empty() || is_one_name(repo.family), "a family is one name");
  }
  const std::string text = format_memory(*repos);
  const auto back = parse_memory(text);
  must(back && format_memory(*back) == text, "what is saved comes back");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
