// SPDX-License-Identifier: Apache-2.0
//
// Pages of the Hub's tree API become a Listing. Anything that a Hub would not write makes the whole listing useless, as
// it decides for ever which files a commit has. Internal to core/hub; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/hub/json_reader.h"
#include "core/model/listing.h"

namespace hubfs {

class ListingBuilder {
 public:
  explicit ListingBuilder(std::size_t max_files) : max_files_(max_files) {}

  /// Takes one page in. After a failure (kBadContent, in words) the builder is of no more use.
  Status add_page(std::string_view json);
  /// The complete listing, after a last check that no file is also a folder. Leaves the builder empty.
  Result<Listing> finish();

 private:
  class Page;
  std::size_t max_files_;
  Listing files_;
  std::vector<std::string> folders_;
};

}  // namespace hubfs
