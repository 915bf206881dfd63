// SPDX-License-Identifier: Apache-2.0
//
// Where the token comes from. A token is never logged, never in an error, never in an attribute; to whom it may go is
// decided by origins (url.h, redirect_chain.h).
// Order as in huggingface_hub: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the token file (HF_TOKEN_PATH or $HF_HOME/token);
// none when HF_HUB_DISABLE_IMPLICIT_TOKEN is true. OIDC exchange and OAuth refresh are not done. Thread-safe (no
// state).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/hub/url.h"

namespace hubfs {

/// The token, trimmed, or nullopt. `hf_home` is the resolved HF_HOME. `env` as in cache_root.h. A value with control
/// characters or spaces inside is refused (it would split the header): nullopt, and `problem` (may be null) says which
/// source; so it does for a token file that is there and cannot be read.
std::optional<std::string> find_token(const std::function<std::optional<std::string>(const char*)>& env,
                                      const std::string& hf_home, std::string* problem);

}  // namespace hubfs
