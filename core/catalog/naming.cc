// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/naming.h"

#include <algorithm>
#include <set>

namespace hubfs {

std::map<RepoKey, std::string> give_names(const std::vector<NameRequest>& shelf) {
  std::map<RepoKey, std::string> names;
  std::set<std::string, std::less<>> taken;
  std::vector<RepoKey> newcomers;
  for (const NameRequest& request : shelf) {
    if (request.remembered.empty() || !taken.insert(request.remembered).second) {
      newcomers.push_back(request.key);
    } else {
      names.emplace(request.key, request.remembered);
    }
  }
  std::sort(newcomers.begin(), newcomers.end(), [](const RepoKey& a, const RepoKey& b) {
    return std::tuple(a.id.org(), a.id.name()) < std::tuple(b.id.org(), b.id.name());
  });
  for (const RepoKey& key : newcomers) {
    std::string name(key.id.name());
    if (taken.contains(name)) {
      name += '~';
      name += key.id.org().empty() ? std::string_view("_") : key.id.org();
    }
    taken.insert(name);
    names.emplace(key, std::move(name));
  }
  return names;
}

}  // namespace hubfs
