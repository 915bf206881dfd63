// SPDX-License-Identifier: Apache-2.0
// Where the header of a safetensors or GGUF file ends: inside the file, whatever its first bytes say. Input: eight
// bytes for the size, then the file's.
#include <array>
#include <cstring>
#include <span>

#include "core/fetch/fill_policy.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  std::uint64_t size = 0;
  if (input.size() < sizeof size) return;
  std::memcpy(&size, input.data(), sizeof size);
  input.remove_prefix(sizeof size);
  const auto bytes = std::as_bytes(std::span(input.data(), input.size()));
  for (const char* path : {"a.safetensors", "a.gguf", "a.bin", ".safetensors", ""}) {
    const std::uint64_t end = header_end(path, size, bytes);
    must(end <= size, "a header ends inside its file");
    must(bytes.size() >= 8 || end == 0, "nothing is said of a beginning that is too short");
  }
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
