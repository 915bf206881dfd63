// SPDX-License-Identifier: Apache-2.0
//
// The small files that come along when one of them is opened: a program that reads a config reads the tokenizer next, and
// one after the other each would cost an answer of the Hub. Pure function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hubfs {

struct SmallFile {
  std::string path;
  std::uint64_t size = 0;
};

/// Of `missing`, the files that come along with `opened`: those in its folder first, then the smaller ones first. At most
/// 128 files and 64 MiB; single files of up to 1 MiB, and tokenizers of up to 32 MiB, which are read together with the
/// rest but are larger.
std::vector<std::string> companions_of(const std::string& opened, std::vector<SmallFile> missing);

}  // namespace hubfs
