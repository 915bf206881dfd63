// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "mount-helpers/commands.h"
#include "mount-helpers/daemon_report.h"
#include "mount-helpers/mountpoints.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

void print_removals(const nlohmann::json& removals) {
  const auto size = [&](const char* name) { return human_size(removals.value(name, std::uint64_t{0})); };
  if (removals.value("given_back", std::uint64_t{0}) > 0) std::printf("  given back   %s by removals\n", size("given_back").c_str());
  if (removals.value("pending", std::uint64_t{0}) > 0) {
    std::printf("  held open    %s of removed files, by", size("pending").c_str());
    for (const auto& holder : removals["held_open_by"]) std::printf(" %s", holder.get<std::string>().c_str());
    std::printf("\n");
  }
  for (const char* kind : {"failed", "refused"}) {
    for (const auto& note : removals.value(kind, nlohmann::json::array())) {
      std::printf("  %-12s removal of %s: %s\n", kind, note.value("what", "").c_str(), note.value("why", "").c_str());
    }
  }
}

void print_status(const nlohmann::json& status) {
  std::printf("%s\n", status.value("mountpoint", "").c_str());
  for (const auto& root : status["cache_roots"]) {
    std::printf("  cache        %s%s\n", root.value("path", "").c_str(), root.value("writable", true) ? "" : " (read-only)");
  }
  std::printf("  hub          %s%s\n", status.value("endpoint", "").c_str(), status.value("offline", false) ? " (offline)" : "");
  std::printf("  passthrough  %s\n", status.value("passthrough", false) ? "yes" : "no");
  std::printf("  changes      noticed by %s\n", status.value("follows_changes", "").c_str());
  std::printf("  repos        %llu\n", static_cast<unsigned long long>(status.value("repos", 0ULL)));
  if (const auto kept = status.value("kept", nlohmann::json::object()); kept.value("records", 0ULL) != 0) {
    std::printf("  kept         %llu removed things, %llu bytes; see hubfs undo --list\n",
                static_cast<unsigned long long>(kept.value("records", 0ULL)),
                static_cast<unsigned long long>(kept.value("bytes", 0ULL)));
  }
  for (const auto& file : status["downloads"]) {
    std::printf("  download     %s/%s %llu of %llu bytes%s%s\n", file.value("repo", "").c_str(), file.value("path", "").c_str(),
                static_cast<unsigned long long>(file.value("present", 0ULL)),
                static_cast<unsigned long long>(file.value("size", 0ULL)), file.contains("error") ? ": " : "",
                file.value("error", "").c_str());
  }
  print_removals(status.value("removals", nlohmann::json::object()));
  for (const auto& problem : status["problems"]) std::printf("  problem      %s\n", problem.get<std::string>().c_str());
  if (const std::string error = status.value("last_error", ""); !error.empty()) std::printf("  last error   %s\n", error.c_str());
  if (const std::string words = status.value("last_refusal", ""); !words.empty()) std::printf("  last refusal %s\n", words.c_str());
}

const char* state_name(DaemonReport::State state) {
  switch (state) {
    case DaemonReport::State::kDead: return "dead";
    case DaemonReport::State::kSilent: return "silent";
    case DaemonReport::State::kAnswers:
    case DaemonReport::State::kUnknown: return "unknown";
  }
  return "";
}

}  // namespace

int status_command(const std::string& mountpoint, bool json) {
  std::vector<std::string> points = hubfs_mountpoints();
  if (!mountpoint.empty()) {
    const std::string path = absolute_path(mountpoint);
    if (!is_hubfs_mountpoint(path)) return complain("no hubfs is mounted on " + path);
    points = {path};
  }
  nlohmann::json all = nlohmann::json::array();
  for (const std::string& point : points) {
    const DaemonReport report = ask_daemon(point);
    auto status = nlohmann::json::parse(report.text, nullptr, false);
    if (!status.is_object()) {
      const std::string words = report.words.empty() ? "its status cannot be read" : report.words;
      status = {{"mountpoint", point}, {"state", state_name(report.state)}, {"error", words}};
      if (!json) std::printf("%s\n  %s: %s\n", point.c_str(), state_name(report.state), words.c_str());
    } else if (!json) {
      print_status(status);
    }
    all.push_back(std::move(status));
  }
  if (json) std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  if (!json && points.empty()) std::printf("no hubfs is mounted\n");
  return 0;
}

}  // namespace hubfs
