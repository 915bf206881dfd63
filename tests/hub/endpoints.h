// SPDX-License-Identifier: Apache-2.0
//
// The endpoints, each a function from a request to an answer.
#ifndef HUBFS_TESTS_HUB_ENDPOINTS_H_
#define HUBFS_TESTS_HUB_ENDPOINTS_H_

#include "tests/hub/hub_state.h"

namespace hubfs::testing {

// Everything on the Hub's origin, but the control endpoints.
Answer answer_hub(const HubState& state, const HubRequest& request);
// Everything on the CDN's origin.
Answer answer_cdn(HubState& state, const HubRequest& request);

bool is_control(const HubRequest& request);
Answer answer_control(HubState& state, const HubRequest& request);

Answer answer_repo_info(const Repo& repo, const Commit& commit, const HubRequest& request);
Answer answer_repo_list(const HubState& state, RepoType type, const HubRequest& request);
Answer answer_refs(const Repo& repo, const HubRequest& request);
Answer answer_commits(const Repo& repo, const Commit& commit);
Answer answer_tree(const HubState& state, const Repo& repo, const Commit& commit, const std::string& directory,
                   const HubRequest& request);
Answer answer_paths_info(const Commit& commit, const HubRequest& request);
// resolve and raw
Answer answer_file(const HubState& state, const RepoAddress& address, const HubRequest& request);
// /api/resolve-cache/<type>s/<id>/<commit>/<path>
Answer answer_resolve_cache(const HubState& state, const HubRequest& request);

}  // namespace hubfs::testing

#endif  // HUBFS_TESTS_HUB_ENDPOINTS_H_
