// SPDX-License-Identifier: Apache-2.0
// `-o …`: refused in words, or options within their bounds. Input: the text of -o; `cache=` in it names roots.
#include "core/hub/url.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/quantities.h"
#include "tests/fuzz/fuzz.h"

namespace hubfs::fuzz {

void check(std::string_view input) {
  static const bool prepared =
      ::setenv("HF_HUB_CACHE", "/tmp/no-cache", 1) == 0 && ::setenv("HF_TOKEN_PATH", "/dev/null", 1) == 0;
  must(prepared, "an environment");
  if (input.find('\0') != std::string_view::npos) return;  // no argument holds one
  MountArguments arguments;
  arguments.options = {std::string(input)};
  const auto options = mount_options(arguments);
  if (!options) {
    must(!options.error().message.empty(), "a refusal has words");
    return;
  }
  must(options->subtree.find("..") == std::string::npos && !options->subtree.starts_with('/'), "a subtree of the view");
  must(origin_of(options->endpoint).has_value(), "an endpoint that can be asked");
  must(options->permissions.umask <= 0777, "a umask");
  must(options->fetch.connections >= 1 && options->fetch.connections <= 64, "a number of connections");
  for (const std::string& root : options->cache_roots) must(root.starts_with('/'), "an absolute root");
  for (const std::string& option : options->fuse_options)
    must(option.find(',') == std::string::npos, "one option at a time for libfuse");
  if (const auto size = parse_size(input)) must(!input.empty(), "a size has digits");
  if (const auto time = parse_duration(input)) must(time->count() >= 0, "a time is not negative");
}

}  // namespace hubfs::fuzz

HUBFS_FUZZ_TARGET
