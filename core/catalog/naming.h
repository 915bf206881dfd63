// SPDX-License-Identifier: Apache-2.0
//
// Which name a repo gets on its shelf. A name once given stays while the repo is cached; a newcomer whose bare name is
// taken is called `<name>~<org>`. Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/model/ids.h"

namespace hubfs {

/// A repo that wants a name on a shelf, and the name it had before ("" if none).
struct NameRequest {
  RepoKey key;
  std::string remembered;
};

/// Names for all repos of one shelf (one family of models, or all datasets, …): remembered names first, then the others
/// in byte order of their org (no org first).
std::map<RepoKey, std::string> give_names(const std::vector<NameRequest>& shelf);

}  // namespace hubfs
