// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace hubfs {
namespace {

TEST(Hash, Sha256OfKnownTexts) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, PiecesGiveTheSameAsTheWhole) {
  const std::string text(100'000, 'q');
  Hasher hasher = Hasher::sha256();
  for (std::size_t at = 0; at < text.size(); at += 777) hasher.update(std::string_view(text).substr(at, 777));
  EXPECT_EQ(hasher.finish_hex(), sha256_hex(text));
}

TEST(Hash, GitBlobIdsAreGits) {
  // `git hash-object` of an empty file, and of "hello\n".
  EXPECT_EQ(Hasher::git_blob(0).finish_hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  Hasher hasher = Hasher::git_blob(6);
  hasher.update(std::string_view("hello\n"));
  EXPECT_EQ(hasher.finish_hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(Hash, StableHashIsStable) {
  EXPECT_EQ(stable_hash64("model/org/name"), stable_hash64("model/org/name"));
  EXPECT_NE(stable_hash64("model/org/name"), stable_hash64("model/org/nam"));
  EXPECT_NE(stable_hash64(""), 0U);
}

}  // namespace
}  // namespace hubfs
