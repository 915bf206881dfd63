// SPDX-License-Identifier: Apache-2.0
//
// What a repo is to people: its family (the shelf in models/) and its type. One table (family.cc) over three kinds of
// evidence; the first row that matches decides, so that the order of the rows is the order of decision. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "core/model/ids.h"

namespace hubfs {

/// What a cache knows about a repo without reading a weight file. Empty where unknown.
struct Evidence {
  std::string model_type;  ///< config.json "model_type"
  std::string class_name;  ///< model_index.json "_class_name"
};

struct Classification {
  std::string family;  ///< e.g. "flux", "llama"; "other" when nothing matches
  std::string type;    ///< e.g. "llm", "checkpoint"; "other" when unknown; "dataset", "space", "kernel" by repo type
  std::string rule;    ///< which row decided, for people
};

Classification classify(const RepoKey& key, const Evidence& evidence);

}  // namespace hubfs
