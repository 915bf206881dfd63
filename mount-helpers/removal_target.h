// SPDX-License-Identifier: Apache-2.0
//
// What a TARGET of `hubfs rm` and `hubfs pin` names: `model/org/name`, a commit, `hf://org/name[/path]` as `hf cache rm`
// takes them, or a place of the view. Pure functions over a loaded library.
#pragma once

#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/catalog/library.h"

namespace hubfs {

struct RemovalTarget {
  std::optional<RepoKey> key;        ///< none: a place of the view
  std::optional<CommitHash> commit;  ///< one commit of it
  std::string path;                  ///< in the repo, from every commit; or, without a key, in the view
};

/// Whether the text can be a path, of the view or of a mount. What names a repo or a commit is none.
[[nodiscard]] bool may_be_path(const std::string& text);

/// Ids are compared without regard to case where no repo has just that spelling. kNotFound when nothing cached is meant;
/// kInvalid, with the candidates, when several are.
Result<RemovalTarget> find_target(const Library& library, const std::string& text);

}  // namespace hubfs
