// SPDX-License-Identifier: Apache-2.0
//
// `-o a,b=c,…` into MountOptions.
#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <map>

#include "core/hub/auth.h"
#include "mount-helpers/commands.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

using Setter = std::function<Status(MountOptions&, const std::string& value)>;

Result<unsigned> number(const std::string& name, const std::string& value, int base) {
  unsigned result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result, base);
  if (error != std::errc() || end != value.data() + value.size() || value.empty()) {
    return fail(ErrorKind::kInvalid, "option " + name + "=" + value + ": not a number" + (base == 8 ? " in octal" : ""));
  }
  return result;
}

Status set_show(MountOptions& options, const std::string& value) {
  if (value != "all" && value != "cached") return fail(ErrorKind::kInvalid, "option show=" + value + ": must be all or cached");
  options.show_all = value == "all";
  return {};
}

Status set_subtree(MountOptions& options, const std::string& value) {
  if (value.starts_with('/') || value.find("..") != std::string::npos) {
    return fail(ErrorKind::kInvalid, "option subtree=" + value + ": must be a folder of the view, such as models or models/llama");
  }
  options.subtree = value;
  while (options.subtree.ends_with('/')) options.subtree.pop_back();
  return {};
}

Status set_fill(MountOptions& options, const std::string& value) {
  if (value == "auto") {
    options.fetch.fill = FillMode::kAuto;
  } else if (value == "always") {
    options.fetch.fill = FillMode::kAlways;
  } else if (value == "never") {
    options.fetch.fill = FillMode::kNever;
  } else {
    return fail(ErrorKind::kInvalid, "option fill=" + value + ": must be auto, always or never");
  }
  return {};
}

Status set_verify(MountOptions& options, const std::string& value) {
  if (value != "before-read" && value != "at-end") {
    return fail(ErrorKind::kInvalid, "option verify=" + value + ": must be at-end or before-read");
  }
  options.fetch.verify_before_read = value == "before-read";
  return {};
}

// One that takes a number of connections.
Setter connections(const char* name, int FetchOptions::*field) {
  return [name, field](MountOptions& options, const std::string& value) -> Status {
    const auto n = number(name, value, 10);
    if (!n) return std::unexpected(n.error());
    if (*n < 1 || *n > 64) return fail(ErrorKind::kInvalid, std::string("option ") + name + "=" + value + ": must be 1 to 64");
    options.fetch.*field = static_cast<int>(*n);
    return {};
  };
}

Setter size(const char* name, std::uint64_t FetchOptions::*field) {
  return [name, field](MountOptions& options, const std::string& value) -> Status {
    const auto bytes = parse_size(value);
    if (!bytes) return fail(ErrorKind::kInvalid, std::string("option ") + name + "=" + value + ": not a size, such as 512M or 20G");
    options.fetch.*field = *bytes;
    return {};
  };
}

Setter room(const char* name, std::uint64_t MountOptions::*field) {
  return [name, field](MountOptions& options, const std::string& value) -> Status {
    const auto bytes = parse_size(value);
    if (!bytes) return fail(ErrorKind::kInvalid, std::string("option ") + name + "=" + value + ": not a size, such as 512M or 20G");
    options.*field = *bytes;
    return {};
  };
}

Status set_remove(MountOptions& options, const std::string& value) {
  if (value != "all" && value != "models") return fail(ErrorKind::kInvalid, "option remove=" + value + ": must be all or models");
  options.remove_on_shelves_only = value == "models";
  return {};
}

Status set_floor(MountOptions& options, const std::string& value) {
  auto set = size("floor", &FetchOptions::floor_bytes)(options, value);
  // 0 in the options stands for the default rule; who asks for none gets the least there is.
  if (set && options.fetch.floor_bytes == 0) options.fetch.floor_bytes = 1;
  return set;
}

Status set_partial_age(MountOptions& options, const std::string& value) {
  const auto age = parse_duration(value);
  if (!age) return fail(ErrorKind::kInvalid, "option partial_age=" + value + ": not a time, such as 12h or 30d");
  options.fetch.partial_age = *age;
  return {};
}

Status set_trash(MountOptions& options, const std::string& value) {
  const auto time = parse_duration(value);
  if (!time) return fail(ErrorKind::kInvalid, "option trash=" + value + ": not a time, such as 12h or 30d");
  options.keep_removed = *time;
  return {};
}

const std::map<std::string, Setter>& with_value() {
  static const std::map<std::string, Setter> setters{
      {"subtree", set_subtree},
      {"show", set_show},
      {"fill", set_fill},
      {"verify", set_verify},
      {"connections", connections("connections", &FetchOptions::connections)},
      {"connections_per_file", connections("connections_per_file", &FetchOptions::connections_per_file)},
      {"floor", set_floor},
      {"quota", room("quota", &MountOptions::quota)},
      {"min_free", room("min_free", &MountOptions::min_free)},
      {"remove", set_remove},
      {"partial_total", size("partial_total", &FetchOptions::partial_total)},
      {"partial_age", set_partial_age},
      {"trash", set_trash},
      {"uid", [](MountOptions& o, const std::string& v) -> Status {
         const auto n = number("uid", v, 10);
         if (!n) return std::unexpected(n.error());
         o.permissions.uid = *n;
         return {};
       }},
      {"gid", [](MountOptions& o, const std::string& v) -> Status {
         const auto n = number("gid", v, 10);
         if (!n) return std::unexpected(n.error());
         o.permissions.gid = *n;
         return {};
       }},
      {"umask", [](MountOptions& o, const std::string& v) -> Status {
         const auto n = number("umask", v, 8);
         if (!n) return std::unexpected(n.error());
         if (*n > 0777) return fail(ErrorKind::kInvalid, "option umask=" + v + ": must be 000 to 777");
         o.permissions.umask = *n;
         return {};
       }},
      {"endpoint", [](MountOptions& o, const std::string& v) -> Status {
         o.endpoint = v;
         while (o.endpoint.ends_with('/')) o.endpoint.pop_back();
         if (!origin_of(o.endpoint)) return fail(ErrorKind::kInvalid, "option endpoint=" + v + ": must be an http or https address");
         return {};
       }},
  };
  return setters;
}

const std::map<std::string, std::function<void(MountOptions&)>>& flags() {
  static const std::map<std::string, std::function<void(MountOptions&)>> setters{
      {"ro", [](MountOptions& o) { o.read_only = true; }},
      {"rw", [](MountOptions& o) { o.read_only = false; }},
      {"allow_other", [](MountOptions& o) { o.allow_other = true; }},
      {"offline", [](MountOptions& o) { o.offline = true; }},
      {"expose", [](MountOptions& o) { o.permissions.expose = true; }},
      {"nopassthrough", [](MountOptions& o) { o.passthrough = false; }},
      {"debug", [](MountOptions& o) { o.debug = true; }},
      {"default_permissions", [](MountOptions&) {}},  // always on
  };
  return setters;
}

// Of mount(8), systemd and fstab: for them, not for us.
bool is_for_others(const std::string& option) {
  static constexpr std::array kNames{"defaults", "auto", "noauto", "user", "nouser", "users", "nofail", "_netdev", "owner", "group"};
  return option.starts_with("x-") || option.starts_with("comment=") ||
         std::find(kNames.begin(), kNames.end(), option) != kNames.end();
}

// Of mount(8) too, but not known to every libfuse. What they say about times of access, links and locks makes no
// difference here.
bool makes_no_difference(const std::string& option) {
  static constexpr std::array kNames{"atime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
                                     "lazytime", "nolazytime", "iversion", "noiversion", "mand", "nomand", "silent", "loud",
                                     "symfollow", "nosymfollow"};
  return std::find(kNames.begin(), kNames.end(), option) != kNames.end();
}

bool is_for_libfuse(const std::string& option) {
  static constexpr std::array kNames{"allow_root", "auto_unmount", "dev", "nodev", "suid", "nosuid", "exec", "noexec", "noatime",
                                     "sync", "async", "dirsync"};
  return option.starts_with("max_read=") || option.starts_with("fsname=") || option.starts_with("subtype=") ||
         option.starts_with("context=") || std::find(kNames.begin(), kNames.end(), option) != kNames.end();
}

Status apply(MountOptions& options, const std::string& option) {
  const std::size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  if (equals != std::string::npos && with_value().contains(name)) {
    return with_value().at(name)(options, option.substr(equals + 1));
  }
  if (equals == std::string::npos && flags().contains(name)) {
    flags().at(name)(options);
    return {};
  }
  if (is_for_others(option) || makes_no_difference(option)) return {};
  if (is_for_libfuse(option)) {
    options.fuse_options.push_back(option);
    return {};
  }
  return fail(ErrorKind::kInvalid, "unknown mount option '" + option + "'; see the list in hubfs(1)");
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    if (comma > at) parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

}  // namespace

Result<MountOptions> mount_options(const MountArguments& arguments) {
  // Roots named with -o come behind those of --cache; without any, the environment decides.
  CacheArguments cache = arguments.cache;
  std::vector<std::string> words;
  for (const std::string& group : arguments.options) {
    for (std::string& word : split(group)) {
      if (word.starts_with("cache=")) {
        cache.caches.push_back(word.substr(6));
      } else {
        words.push_back(std::move(word));
      }
    }
  }
  auto options = cache_options(cache);
  if (!options) return options;
  for (const std::string& word : words) {
    if (auto applied = apply(*options, word); !applied) return std::unexpected(applied.error());
  }
  if (options->read_only && (options->quota > 0 || options->min_free > 0)) {
    return fail(ErrorKind::kInvalid, "options quota and min_free remove models, which option ro forbids: give one or the other");
  }
  options->mountpoint = arguments.mountpoint;
  return options;
}

}  // namespace hubfs
