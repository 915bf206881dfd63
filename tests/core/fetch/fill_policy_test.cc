// SPDX-License-Identifier: Apache-2.0
#include "core/fetch/fill_policy.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

namespace hubfs {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kLarge = 100'000 * kMiB;

ReadPattern read_in_sequence(std::uint64_t from, std::uint64_t bytes, std::uint64_t header = 0) {
  ReadPattern pattern;
  pattern.set_header_end(header);
  for (std::uint64_t at = from; at < from + bytes; at += 128U << 10U) pattern.note({at, at + (128U << 10U)});
  return pattern;
}

TEST(FillPolicy, SmallFilesAreTakenWhole) {
  const FetchOptions options;
  EXPECT_TRUE(wants_fill(options, options.small_file, {}));
  EXPECT_FALSE(wants_fill(options, options.small_file + 1, {}));
}

TEST(FillPolicy, ReadingInSequenceWantsTheRest) {
  const FetchOptions options;
  EXPECT_FALSE(wants_fill(options, kLarge, read_in_sequence(kMiB, 4 * kMiB)));
  EXPECT_TRUE(wants_fill(options, kLarge, read_in_sequence(kMiB, options.fill_after_run)));
}

TEST(FillPolicy, ReadingAHeaderDoesNot) {
  EXPECT_FALSE(wants_fill({}, kLarge, read_in_sequence(0, 20 * kMiB, 20 * kMiB)));
  EXPECT_TRUE(wants_fill({}, kLarge, read_in_sequence(0, 40 * kMiB, 20 * kMiB)));
}

TEST(FillPolicy, ReadingAGoodPartInAnyOrderDoes) {
  ReadPattern pattern;
  for (std::uint64_t i = 0; i < 100; ++i) pattern.note({i * 500 * kMiB, i * 500 * kMiB + 4096});
  EXPECT_FALSE(wants_fill({}, kLarge, pattern)) << "a few pages";
  for (std::uint64_t i = 0; i < 256; ++i) pattern.note({i * 300 * kMiB, i * 300 * kMiB + (128U << 10U)});
  EXPECT_TRUE(wants_fill({}, kLarge, pattern));
}

TEST(FillPolicy, ByOptionAlwaysOrNever) {
  FetchOptions options;
  options.fill = FillMode::kAlways;
  EXPECT_TRUE(wants_fill(options, kLarge, {}));
  options.fill = FillMode::kNever;
  EXPECT_FALSE(wants_fill(options, 1, read_in_sequence(0, 100 * kMiB)));
  options.verify_before_read = true;
  EXPECT_TRUE(wants_fill(options, kLarge, {})) << "nothing can be read before all is here";
}

std::array<std::byte, 8> bytes_of(std::uint64_t number) {
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i));
  return bytes;
}

TEST(FillPolicy, ASafetensorsHeaderSaysHowLongItIs) {
  EXPECT_EQ(header_end("a/model.safetensors", 1000, bytes_of(500)), 508U);
  EXPECT_EQ(header_end("model.safetensors", 1000, bytes_of(992)), 1000U);
}

TEST(FillPolicy, ALyingHeaderIsNone) {
  for (const std::uint64_t length : {993ULL, 1001ULL, 1ULL << 63U, ~0ULL}) {
    EXPECT_EQ(header_end("model.safetensors", 1000, bytes_of(length)), 0U) << length;
  }
  EXPECT_EQ(header_end("model.safetensors", 1000, {}), 0U);
  EXPECT_EQ(header_end("model.bin", 1000, bytes_of(500)), 0U);
}

TEST(FillPolicy, AGgufHeaderIsGuessed) {
  std::array<std::byte, 8> magic{};
  std::memcpy(magic.data(), "GGUF\3\0\0\0", 8);
  EXPECT_EQ(header_end("model.gguf", kLarge, magic), 32 * kMiB);
  EXPECT_EQ(header_end("model.gguf", 100, magic), 100U);
}

}  // namespace
}  // namespace hubfs
