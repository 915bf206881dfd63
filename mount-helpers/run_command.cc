// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/run_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "mount-helpers/commands.h"
#include "mount-helpers/quantities.h"

namespace hubfs {

namespace {

void add_cache_options(CLI::App& app, CacheArguments& arguments) {
  app.add_option("--cache", arguments.caches,
                 "A cache root (what HF_HUB_CACHE names); several may be given, downloads go to the first")
      ->allow_extra_args(false);
  app.add_option("--endpoint", arguments.endpoint, "The Hub's address (default: HF_ENDPOINT or https://huggingface.co)");
}

// mount(8) and mount.fuse call `NAME source mountpoint [-sfnvN] [-o options] [-t type]`.
bool is_helper_call(int argc, char** argv) {
  const std::string program = argv[0];
  const std::string name = program.substr(program.rfind('/') + 1);
  if (name.starts_with("mount.")) return true;
  return argc >= 3 && (argv[1][0] == '/' || std::string(argv[1]) == "none") && argv[2][0] == '/';
}

int run_helper(int argc, char** argv) {
  CLI::App app{"mount helper of hubfs"};
  MountArguments arguments;
  std::string source;
  std::string type;
  bool sloppy = false;
  bool fake = false;
  bool no_mtab = false;
  app.add_option("source", source, "The cache root, or `none` for the default")->required();
  app.add_option("mountpoint", arguments.mountpoint)->required();
  app.add_option("-o", arguments.options)->allow_extra_args(false);
  app.add_option("-t", type);
  app.add_flag("-s", sloppy);
  app.add_flag("-f", fake);
  app.add_flag("-n", no_mtab);
  app.add_flag("-v", arguments.verbose);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (source != "none" && source != "hubfs") arguments.cache.caches.push_back(source);
  if (fake) return 0;
  return mount_command(arguments);
}

void add_gc_command(CLI::App& app, int& code) {
  const auto gc = std::make_shared<GcArguments>();
  auto* command = app.add_subcommand("gc", "Collect what nobody needs: orphan blobs, abandoned downloads, leftovers");
  add_cache_options(*command, gc->cache);
  command->add_flag("-n,--dry-run", gc->dry_run, "Only say what would go");
  command->add_option("--min-age", gc->min_age, "Leave alone what changed within this time (default: 1h)");
  command->add_flag("--refs", gc->refs, "Also refs to snapshots that are not here");
  command->add_flag("--json", gc->json, "As a JSON object");
  command->add_option("--keep-below", gc->keep_below, "Instead, remove the models not used for longest until the cache takes less than this");
  command->callback([gc, &code] {
    const auto limit = parse_size(gc->keep_below);
    if (gc->keep_below.empty()) {
      code = gc_command(*gc);
    } else if (limit) {
      code = keep_below(gc->cache, *limit, gc->dry_run, gc->json);
    } else {
      code = complain("--keep-below " + gc->keep_below + ": not a size, such as 512M or 2T");
    }
  });
}

void add_undo_command(CLI::App& app, int& code) {
  const auto undo = std::make_shared<UndoArguments>();
  auto* command = app.add_subcommand("undo", "Bring back what was removed last and is kept (-o trash, rm --trash)");
  add_cache_options(*command, undo->cache);
  command->add_flag("-l,--list", undo->list, "Only say what can be brought back");
  command->add_flag("--json", undo->json, "As JSON");
  command->add_option("id", undo->id, "One of the list, instead of the last");
  command->callback([undo, &code] { code = undo_command(*undo); });
}

}  // namespace

int complain(const std::string& sentence) {
  std::fprintf(stderr, "hubfs: %s\n", sentence.c_str());
  return 1;
}

int run_command(int argc, char** argv) {
  if (is_helper_call(argc, argv)) return run_helper(argc, argv);
  CLI::App app{"hubfs: the Hugging Face cache as a tree that people can read"};
  app.set_version_flag("--version", "hubfs " HUBFS_VERSION);
  app.require_subcommand(1);
  int code = 0;

  MountArguments mount;
  auto* mount_app = app.add_subcommand("mount", "Mount the view of a cache");
  add_cache_options(*mount_app, mount.cache);
  mount_app->add_option("-o", mount.options, "Mount options, separated by commas; see hubfs(1)")->allow_extra_args(false);
  mount_app->add_flag("-f,--foreground", mount.foreground, "Stay in the foreground and log to stderr");
  mount_app->add_flag("-v,--verbose", mount.verbose, "Log what is decided and why");
  mount_app->add_option("--log", mount.log_file, "Log to this file (default in the background: syslog)");
  mount_app->add_option("mountpoint", mount.mountpoint, "An empty directory")->required();
  mount_app->callback([&] { code = mount_command(mount); });

  std::string umount_point;
  bool lazy = false;
  auto* umount_app = app.add_subcommand("umount", "Unmount");
  umount_app->add_flag("-l,--lazy", lazy, "Detach now, end when nothing uses it any more");
  umount_app->add_option("mountpoint", umount_point)->required();
  umount_app->callback([&] { code = umount_command(umount_point, lazy); });

  std::string status_point;
  bool status_json = false;
  auto* status_app = app.add_subcommand("status", "What the mounts are doing");
  status_app->add_flag("--json", status_json, "As a JSON array");
  status_app->add_option("mountpoint", status_point, "Only this one");
  status_app->callback([&] { code = status_command(status_point, status_json); });

  CacheArguments ls;
  bool ls_json = false;
  auto* ls_app = app.add_subcommand("ls", "What the cache holds, and what it costs");
  add_cache_options(*ls_app, ls);
  ls_app->add_flag("--json", ls_json, "As a JSON array");
  ls_app->callback([&] { code = ls_command(ls, ls_json); });

  RmArguments rm;
  auto* rm_app = app.add_subcommand("rm", "Remove models, commits or files from the cache");
  add_cache_options(*rm_app, rm.cache);
  rm_app->add_flag("-y,--yes", rm.yes, "Do not ask");
  rm_app->add_flag("-n,--dry-run", rm.dry_run, "Show what would go, what stays and why; remove nothing");
  rm_app->add_option("--trash", rm.trash, "Keep what is removed that long, for hubfs undo");
  rm_app->add_option("target", rm.targets, "model/ORG/NAME, a commit, hf://ORG/NAME/PATH, or a path of the view")->required();
  rm_app->callback([&] { code = rm_command(rm); });

  PinArguments pin;
  auto* pin_app = app.add_subcommand("pin", "Protect models from every removal through hubfs");
  add_cache_options(*pin_app, pin.cache);
  pin_app->add_flag("--remove", pin.remove, "Take the pin away");
  pin_app->add_flag("--list", pin.list, "Say which are pinned");
  pin_app->add_option("target", pin.targets, "model/ORG/NAME, or a path of the view");
  pin_app->callback([&] { code = pin_command(pin); });

  add_gc_command(app, code);
  add_undo_command(app, code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}

}  // namespace hubfs
