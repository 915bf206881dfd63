// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "core/base/log.h"
#include "core/cache/cache_root.h"
#include "core/hub/auth.h"
#include "mount-helpers/commands.h"

namespace hubfs {

namespace {

// 1, on, yes, true in any case, as huggingface_hub reads flags.
bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

bool offline_mode(const Environment& env) {
  if (const auto own = env("HF_HUB_OFFLINE"); own && !own->empty()) return is_true(*own);
  return is_true(env("TRANSFORMERS_OFFLINE").value_or(""));
}

Result<std::string> absolute_cache(const std::string& text, const Environment& env) {
  if (text.empty()) return fail(ErrorKind::kInvalid, "--cache is empty; give the folder that HF_HUB_CACHE names, for example ~/.cache/huggingface/hub");
  const std::string path = expand_user_and_vars(text, env);
  if (!path.starts_with('/')) {
    return fail(ErrorKind::kInvalid, "--cache " + text + " is relative; a daemon has no current directory, give the whole path");
  }
  return path;
}

}  // namespace

Result<MountOptions> cache_options(const CacheArguments& arguments) {
  const Environment env = process_environment();
  MountOptions options;
  for (const std::string& cache : arguments.caches) {
    auto path = absolute_cache(cache, env);
    if (!path) return std::unexpected(path.error());
    if (std::find(options.cache_roots.begin(), options.cache_roots.end(), *path) == options.cache_roots.end()) {
      options.cache_roots.push_back(std::move(*path));
    }
  }
  if (options.cache_roots.empty()) {
    auto root = default_cache_root(env);
    if (!root) return std::unexpected(root.error());
    options.cache_roots.push_back(std::move(*root));
  }
  options.endpoint = !arguments.endpoint.empty() ? arguments.endpoint : env("HF_ENDPOINT").value_or("");
  if (options.endpoint.empty()) options.endpoint = "https://huggingface.co";
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!origin_of(options.endpoint)) {
    return fail(ErrorKind::kInvalid, "the endpoint '" + options.endpoint + "' is not an http or https address");
  }
  options.offline = offline_mode(env);
  std::string problem;
  // Without HF_HOME there is no token file; downloads then go on without a token.
  const auto home = hf_home(env);
  options.token = find_token(env, home.value_or(""), &problem);
  if (!problem.empty()) log::warn(problem);
  return options;
}

}  // namespace hubfs
