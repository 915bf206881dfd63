// SPDX-License-Identifier: Apache-2.0
//
// `hubfs undo`: brings back what was removed last and is kept. Needs no mount; a mount that is there sees it come.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/log.h"
#include "core/cache/kept.h"
#include "core/cache/undo.h"
#include "core/catalog/memory.h"
#include "fs/view_parts.h"
#include "mount-helpers/commands.h"

namespace hubfs {

namespace {

// A removal over all roots: the records of one id.
struct Removed {
  KeptInfo info;  // of all roots together
  std::vector<CacheRootPtr> roots;
};

// The last one first.
std::vector<Removed> all_removed(const std::vector<CacheRootPtr>& roots) {
  std::vector<Removed> all;
  for (const CacheRootPtr& root : roots) {
    std::vector<std::string> problems;
    for (KeptInfo& info : list_kept(*root, &problems)) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const Removed& r) { return r.info.id == info.id; });
      if (known == all.end()) {
        all.push_back({std::move(info), {root}});
      } else {
        known->info.bytes += info.bytes;
        known->info.files += info.files;
        known->info.whole = known->info.whole || info.whole;
        known->info.added_s = std::max(known->info.added_s, info.added_s);
        known->roots.push_back(root);
      }
    }
    for (const std::string& problem : problems) log::warn(problem);
  }
  std::sort(all.begin(), all.end(), [](const Removed& a, const Removed& b) {
    return a.info.added_s != b.info.added_s ? a.info.added_s > b.info.added_s : a.info.id > b.info.id;
  });
  return all;
}

std::string time_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (::localtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts));
  return text;
}

std::string what_of(const KeptInfo& info) { return info.key.text() + (info.whole ? "" : " (parts of it)"); }

int print_list(const std::vector<Removed>& all, bool json) {
  nlohmann::json list = nlohmann::json::array();
  for (const Removed& one : all) {
    const KeptInfo& info = one.info;
    if (json) {
      list.push_back({{"id", info.id},
                      {"repo", info.key.text()},
                      {"whole", info.whole},
                      {"files", info.files},
                      {"bytes", info.bytes},
                      {"removed", info.added_s},
                      {"until", info.deadline_s}});
    } else {
      std::printf("%s  %s  %s, %llu files, %llu bytes, until %s\n", info.id.c_str(), time_text(info.added_s).c_str(),
                  what_of(info).c_str(), static_cast<unsigned long long>(info.files),
                  static_cast<unsigned long long>(info.bytes), time_text(info.deadline_s).c_str());
    }
  }
  if (json) std::printf("%s\n", list.dump(2).c_str());
  if (!json && all.empty()) std::printf("nothing that was removed is kept\n");
  return 0;
}

// What `rm` hid under these names, and the folders it removed with them, may be shown again.
void end_hiding(Memory& memory, const Restored& restored) {
  for (const auto& [commit, path] : restored.entries) {
    std::string text = path.text();
    memory.unhide(restored.key, commit, text);
    for (std::size_t slash = text.rfind('/'); slash != std::string::npos; slash = text.rfind('/')) {
      text.resize(slash);
      memory.unhide(restored.key, commit, text);
    }
  }
}

int bring_back(const std::vector<CacheRootPtr>& roots, const Removed& removed, bool json) {
  Memory memory(roots.front());
  int code = 0;
  nlohmann::json lost = nlohmann::json::array();
  for (const CacheRootPtr& root : removed.roots) {
    const auto restored = restore_kept(*root, removed.info.id);
    if (!restored) {
      code = complain(root->path() + ": " + restored.error().message +
                      "; what is left can be brought back with another try");
      continue;
    }
    end_hiding(memory, *restored);
    for (const std::string& sentence : restored->lost) {
      code = complain("lost: " + sentence);
      lost.push_back(sentence);
    }
  }
  if (const Status saved = memory.flush(); !saved) code = complain("not saved: " + saved.error().message);
  if (json) {
    std::printf("%s\n", nlohmann::json{{"id", removed.info.id}, {"repo", removed.info.key.text()}, {"lost", lost}}
                            .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
                            .c_str());
  } else if (code == 0) {
    std::printf("%s is back\n", what_of(removed.info).c_str());
  }
  return code;
}

}  // namespace

int undo_command(const UndoArguments& arguments) {
  log::to_stderr(log::Level::kWarn);
  const auto settings = cache_options(arguments.cache);
  if (!settings) return complain(settings.error().message);
  const auto roots = open_roots(settings->cache_roots);
  if (!roots) return complain(roots.error().message);
  const std::vector<Removed> all = all_removed(*roots);
  if (arguments.list) return print_list(all, arguments.json);
  const auto wanted = arguments.id.empty() ? all.begin() : std::find_if(all.begin(), all.end(), [&](const Removed& r) {
    return r.info.id == arguments.id;
  });
  if (wanted == all.end()) {
    if (!arguments.id.empty()) return complain("no removal " + arguments.id + " is kept; see hubfs undo --list");
    return complain("nothing that was removed is kept; mount with -o trash=TIME, or remove with hubfs rm --trash TIME");
  }
  return bring_back(*roots, *wanted, arguments.json);
}

}  // namespace hubfs
