// SPDX-License-Identifier: Apache-2.0
//
// `hubfs gc --keep-below SIZE`: by hand what `-o quota=` does, with the same choice of models. Needs no mount; mounts
// and other clients may be at work.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/log.h"
#include "fs/kept_room.h"
#include "fs/space_promises.h"
#include "fs/space_survey.h"
#include "mount-helpers/cache_removal.h"
#include "mount-helpers/commands.h"

namespace hubfs {

namespace {

constexpr auto kOthersMayTake = std::chrono::seconds(30);

struct Gone {
  RepoKey key;
  std::uint64_t bytes = 0;
  std::int64_t last_used_ns = 0;
};

std::string time_text(std::int64_t ns) {
  const std::time_t seconds = ns / 1'000'000'000;
  std::tm parts{};
  char text[32] = "unknown";
  if (::gmtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

// One run of the command.
class KeepBelow {
 public:
  KeepBelow(CacheRemoval& removal, std::uint64_t limit)
      : removal_(removal), limit_(limit), uses_(removal.parts().roots.front()) {
    for (const CacheRootPtr& root : removal.parts().roots) disk_.emplace_back(root);
  }

  Status run(bool dry_run) {
    while (true) {
      for (DiskUse& root : disk_) root.count();
      occupied_ = total_of(disk_);
      ViewParts& parts = removal_.parts();
      const Survey survey = survey_models({parts.library, parts.memory, uses_, disk_, kept_});
      RoomNeeded needed;
      needed.anywhere = occupied_ > limit_ ? occupied_ - limit_ : 0;
      const EvictionChoice choice = choose_evictions(survey.models, needed_without_kept(parts.roots, needed));
      stay_ = choice.stay;
      if (!choice.enough) {
        return fail(ErrorKind::kNoSpace, "the cache takes " + std::to_string(occupied_) +
                                             " bytes; what may be removed is not enough to bring it below " +
                                             std::to_string(limit_) + words_of_kept(choice.stay));
      }
      const auto more = [&] {
        for (DiskUse& root : disk_) root.count();
        return total_of(disk_) > limit_;
      };
      // What then is still needed is chosen anew, without them.
      if (!dry_run && give_up_kept(parts.roots, more) > 0) continue;
      if (remove(survey, choice, dry_run)) return {};
    }
  }

  std::vector<Gone> gone_;
  std::vector<std::string> stay_;
  std::uint64_t occupied_ = 0;  ///< before

 private:
  // False when one was refused, and is not chosen again.
  bool remove(const Survey& survey, const EvictionChoice& choice, bool dry_run) {
    for (const RepoKey& key : choice.go) {
      const EvictionCandidate& model = *find_model(survey.models, key);
      const Status removed = dry_run ? Status{} : remove_one(key);
      if (!removed) {
        kept_[key] = removed.error().message;
        static_cast<void>(removal_.finish());
        return false;
      }
      gone_.push_back({key, bytes_alone(model), model.last_used_ns});
    }
    return true;
  }

  Status remove_one(const RepoKey& key) {
    auto plan = plan_repo(removal_.parts().view, key);
    if (!plan) return std::unexpected(plan.error());
    plan->for_good = true;
    if (auto allowed = removal_.check(*plan); !allowed) return allowed;
    return removal_.carry_out(*plan);
  }

  CacheRemoval& removal_;
  const std::uint64_t limit_;
  const UseLog uses_;
  std::vector<DiskUse> disk_;
  std::map<RepoKey, std::string> kept_;
};

void print(const KeepBelow& done, bool dry_run) {
  std::uint64_t bytes = 0;
  for (const Gone& one : done.gone_) {
    bytes += one.bytes;
    std::printf("%s %s  %llu bytes, last used %s\n", dry_run ? "would remove" : "removed", one.key.text().c_str(),
                static_cast<unsigned long long>(one.bytes), time_text(one.last_used_ns).c_str());
  }
  std::printf("%zu models, %llu bytes%s\n", done.gone_.size(), static_cast<unsigned long long>(bytes),
              dry_run ? " would be given back" : " given back");
}

void print_json(const KeepBelow& done, std::uint64_t limit, bool dry_run) {
  nlohmann::json models = nlohmann::json::array();
  for (const Gone& one : done.gone_) {
    models.push_back({{"repo", one.key.text()}, {"bytes", one.bytes}, {"last_used", time_text(one.last_used_ns)}});
  }
  const nlohmann::json all{
      {"dry_run", dry_run}, {"limit", limit}, {"occupied", done.occupied_}, {"models", models}, {"stay", done.stay_}};
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

int keep_below(const CacheArguments& cache, std::uint64_t bytes, bool dry_run, bool json) {
  log::to_stderr(log::Level::kWarn);
  const auto removal = CacheRemoval::open(cache);
  if (!removal) return complain(removal.error().message);
  // While this looks, no mount gives away what it counts on.
  const auto end = std::chrono::steady_clock::now() + kOthersMayTake;
  const auto turn =
      take_room_lock(*(*removal)->parts().roots.front(), [&] { return std::chrono::steady_clock::now() >= end; });
  if (!turn) return complain(turn.error().message);
  KeepBelow work(**removal, bytes);
  const Status done = work.run(dry_run);
  int code = 0;
  for (const std::string& failure : (*removal)->finish()) code = complain(failure);
  if (json) {
    print_json(work, bytes, dry_run);
  } else {
    print(work, dry_run);
  }
  return done ? code : complain(done.error().message);
}

}  // namespace hubfs
