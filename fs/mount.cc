// SPDX-License-Identifier: Apache-2.0
#include "fs/mount.h"

#include "core/base/log.h"
#include "core/cache/removal.h"
#include "core/cache/this_process.h"
#include "core/fetch/fetch_engine.h"
#include "fs/change_feed.h"
#include "fs/follower.h"
#include "fs/fuse_context.h"
#include "fs/fuse_session.h"
#include "fs/remover.h"
#include "fs/space_keeper.h"
#include "fs/status_report.h"
#include "fs/view_parts.h"

namespace hubfs {

namespace {

FetchOptions fetch_options(const MountOptions& options) {
  FetchOptions fetch = options.fetch;
  fetch.ask_for_room = options.quota > 0 || options.min_free > 0;
  return fetch;
}

}  // namespace

// In the order in which they are made; destroyed in reverse. The engine ends its fills on the loop's thread, so the loop
// stops after it. The session outlives the loop, whose thread replies to reads: libfuse keeps a pipe for each thread that
// does, and gives it back when the thread ends, but only while the session is there.
struct Mount::Parts : FetchEvents {
  Parts(const MountOptions& o, std::vector<CacheRootPtr> roots)
      : options(o), shown(o, std::move(roots)), uses(shown.roots.front()), engine(shown.roots.front(), *shown.loop, shown.hub, fetch_options(o), *this) {}

  ~Parts() override {
    // What waits for a download is answered while those are there who answer it.
    engine.shut_down();
    space.reset();
    follower.reset();
    if (remover) remover->drain();
    if (const Status saved = shown.memory.flush(); !saved) log::warn("not saved: " + saved.error().message);
    if (const Status saved = uses.save(); !saved) log::warn("times of use not saved: " + saved.error().message);
  }

  void on_published(const FetchTarget& target) override {
    uses.note(target.key);
    if (follower) follower->note(target.key);
  }
  void on_changed(const FetchTarget& target) override {
    if (follower) follower->note(target.key);
  }

  void on_tainted(const FetchTarget& target) override {
    const auto node = inodes ? inodes->find_file(partial_file_key(target.key, target.etag)) : std::nullopt;
    if (node && notifier) notifier->pages_wrong(*node);
  }
  void on_cleaned(const RepoKey& key) override {
    if (follower) follower->note(key);
  }
  void make_room(const FetchFilePtr& file, std::uint64_t upto, std::function<void(Status)> done) override {
    space ? space->make_room(file, upto, std::move(done)) : done({});
  }

  // By hubfs itself, with its own rights, and until the space has been given back.
  Status remove_unused(const RepoKey& key) {
    auto removal = plan_repo(shown.view, key);
    if (!removal) return std::unexpected(removal.error());
    removal->for_good = true;
    const Caller self = this_process();
    // Unlike a removal that somebody asked for, this one ends no download.
    if (auto allowed = remover->check(*removal, self); !allowed) return allowed;
    if (auto done = remover->carry_out(*removal, self); !done) return done;
    remover->drain();
    return {};
  }

  const MountOptions options;
  FuseSession session;
  ViewParts shown;
  UseLog uses;
  std::unique_ptr<InodeTable> inodes;
  std::unique_ptr<Notifier> notifier;
  std::unique_ptr<ChangeFeed> feed;
  ParkedRequests parked;
  OpenFiles open_files;
  std::unique_ptr<Follower> follower;
  FetchEngine engine;
  std::unique_ptr<Remover> remover;
  std::unique_ptr<SpaceKeeper> space;
  std::unique_ptr<FuseContext> context;
};

Mount::Mount(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Mount::~Mount() = default;

Result<std::unique_ptr<Mount>> Mount::prepare(const MountOptions& options) {
  auto roots = open_roots(options.cache_roots);
  if (!roots) return std::unexpected(roots.error());
  for (const CacheRootPtr& root : *roots) {
    if (options.mountpoint == root->path() || root->path().starts_with(options.mountpoint + "/")) {
      return fail(ErrorKind::kInvalid, "the cache " + root->path() + " lies in the mountpoint " + options.mountpoint +
                                           ": the mount would cover it; choose another mountpoint");
    }
    empty_trash(*root);
  }
  auto parts = std::make_unique<Parts>(options, std::move(*roots));
  parts->shown.library.load();
  auto root_spec = parts->shown.view.root();
  if (!root_spec) return std::unexpected(root_spec.error());
  parts->inodes = std::make_unique<InodeTable>(*root_spec);
  return std::unique_ptr<Mount>(new Mount(std::move(parts)));
}

Status Mount::run(std::function<void()> ready) {
  Parts& p = *parts_;
  p.notifier = std::make_unique<Notifier>(p.session);
  p.feed = std::make_unique<ChangeFeed>(p.shown.view, *p.inodes, *p.notifier, p.options.subtree);
  p.remover = std::make_unique<Remover>(p.shown.view, p.engine, [&p](const RepoKey& key) { p.feed->repo_removed(key); });
  p.remover->keep_removed(p.options.keep_removed);
  p.remover->begin_expiring();
  p.space = std::make_unique<SpaceKeeper>(p.shown.library, p.shown.memory, p.uses, SpaceLimits{p.options.quota, p.options.min_free},
                                          [&p](const RepoKey& key) { return p.remove_unused(key); });
  p.context = std::make_unique<FuseContext>(p.shown.view, *p.inodes, *p.notifier, p.engine, *p.remover, p.open_files, p.parked, p.options);
  p.context->look_now = [&p](const RepoKey& key) { p.feed->repo_changed(key); };
  p.context->uses = &p.uses;
  p.context->space = p.space.get();
  p.context->note_changed = [&p](const RepoKey& key) { p.follower->note(key); };
  p.shown.view.control_content = [&p](const std::string&) { return status_report(*p.context); };
  p.follower = std::make_unique<Follower>(p.shown.view, *p.feed, [&p](bool followed) { p.context->followed = followed; },
                                          [&p](const RepoKey& key) { p.remover->end_hiding_later(key); });
  if (auto mounted = p.session.mount(*p.context, p.options); !mounted) return mounted;
  p.engine.begin_cleaning();
  const Status served = p.session.serve([&] {
    if (!p.context->passthrough) {
      log::info(built_with_passthrough() ? "passthrough is not available here (it needs Linux 6.9 and root): reads go through the page cache"
                                         : "this hubfs was built with a libfuse older than 3.17: passthrough is not available, "
                                           "reads go through the page cache");
    }
    ready();
  });
  p.parked.drop_all();
  p.session.unmount();
  return served;
}

}  // namespace hubfs
