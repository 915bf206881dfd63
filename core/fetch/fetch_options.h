// SPDX-License-Identifier: Apache-2.0
//
// What a mount may say about downloading. Value type; constant once the engine has it.
#pragma once

#include <chrono>
#include <cstdint>

namespace hubfs {

/// When a file that is being read is filled to its end in the background.
enum class FillMode : std::uint8_t {
  kAuto,    ///< small files at once; large ones when reading shows that the content is wanted
  kAlways,  ///< every file that is opened
  kNever,   ///< never: only what is read, with a little readahead
};

struct FetchOptions {
  FillMode fill = FillMode::kAuto;
  bool verify_before_read = false;  ///< readers get nothing before the hash of the whole file was right
  int connections_per_file = 8;     ///< requests of one file that no reader waits for
  int connections = 16;             ///< the same of all files together; what readers wait for comes on top
  int demand_connections = 48;      ///< requests of all files that readers wait for
  std::uint64_t small_file = 8U << 20U;            ///< files up to this size are taken whole
  std::uint64_t fill_after_run = 8U << 20U;        ///< bytes read in sequence (behind a header) that start a fill
  std::uint64_t fill_after_total = 32U << 20U;     ///< bytes read in any order that start a fill
  std::chrono::seconds give_up_after{120};         ///< a read without a byte for this long gets an error
  std::chrono::seconds open_gives_up_after{10};    ///< an open
  std::uint64_t floor_bytes = 0;                   ///< free space that downloads leave alone; 0: the default rule
  bool ask_for_room = false;                       ///< FetchEvents::make_room is asked before a file takes space
  std::chrono::seconds partial_age{30 * 86'400};       ///< partial downloads that nobody used for this long go; 0: never
  std::uint64_t partial_total = 0;                 ///< the longest unused go while all take more than this; 0: no limit
};

}  // namespace hubfs
