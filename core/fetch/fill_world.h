// SPDX-License-Identifier: Apache-2.0
//
// What the fills of a mount share. Owned by the engine, which outlives them. Loop thread only, but for what says
// otherwise.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "core/cache/cache_root.h"
#include "core/fetch/fetch_engine.h"
#include "core/fetch/fill_transfers.h"
#include "core/fetch/pace.h"
#include "core/fetch/work_pool.h"
#include "core/hub/hub_client.h"

namespace hubfs {

class FileFill;

struct FillWorld {
  const CacheRootPtr root;
  HttpLoop& loop;
  HubClient& hub;
  WorkPool& pool;
  const FetchOptions options;
  FetchEvents& events;
  Pace pace;
  TransferCounts counts;
  /// Fills that could not begin a request because of the common limits: served again when one has ended.
  std::set<std::weak_ptr<FileFill>, std::owner_less<std::weak_ptr<FileFill>>> hungry;
  std::function<void(FetchFile*)> finished;             ///< the fill may be dropped
  std::function<void(const FetchTarget&)> begin_again;  ///< a second try from nothing, for those who open it from now on
};

}  // namespace hubfs
