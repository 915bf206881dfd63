# SPDX-License-Identifier: Apache-2.0
"""Crashes and failing system calls at every step that hubfs takes on a disk, with the real client as the judge.

    faults_test.py [--seed N] [--runs N | --seconds N] [--all [--part I/N]] [SCENARIO…]

Without --all a sample, whose seed is fixed unless given, and printed. Each run: a copy of the scenario's cache, a mount that
is killed or whose system call fails at one step of the scenario's action, then a mount without faults. After each: every blob is what
its name says, no snapshot entry leads to nothing, refs name snapshots, what was not to be removed is there, nothing outside
has changed, nothing is left over outside hubfs's own state, the client finds nothing wrong, and the action, repeated, succeeds.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import Cache, LocalHub, Mounted, noise, prepare_client, sha256, wait_until  # noqa: E402

prepare_client()

import huggingface_hub as client  # noqa: E402  (reads the environment when it is imported)

from fault_run import Run, describe, faults_for, steps_of, tree_of  # noqa: E402

SEED = 20261201
SECONDS = 18  # beside the counting, which takes as long as a dozen runs
CONFIG = json.dumps({"model_type": "llama"})
WEIGHTS = noise(2_500_000, 1)   # three records in the journal of a partial
SHARED = noise(60_000, 2)
MINE = noise(50_000, 3)
COMMON = {"config.json": CONFIG, "same.bin": noise(40_000, 4)}
GONE, STAYS = "a" * 40, "b" * 40


def same_bytes(path, data):
    got = path.read_bytes()
    if got != data:
        wrong = next((i for i, (a, b) in enumerate(zip(got, data)) if a != b), min(len(got), len(data)))
        raise AssertionError(f"{path.name} is {len(got)} bytes, wrong from {wrong} on")


class Scenario:
    """What is in the cache, what is done, and how to see that it was done. `act` may find it done already."""

    name = ""
    from_start = False  # the fault may come while mounting

    def __init__(self, folder, hub):
        self.hub, self.endpoint = hub, hub.url
        self.template = folder / self.name
        self.cache = Cache(self.template / "cache")
        # What is never touched: a pinned repo that is complete.
        commit = self.cache.add("org/kept", {"config.json": CONFIG, "w.bin": MINE}, remote={})
        self.complete = [("org/kept", commit)]
        self.fill()
        self.prepare()
        self.kept = {path: value for path, value in tree_of(self.template).items() if self.keeps(path)}

    def prepare(self):
        """A first mount gives names, and pins."""
        mounted = Mounted(self.template.parent, self.cache, endpoint=self.endpoint)
        try:
            os.setxattr(mounted / "models/llama/kept", "user.hubfs.pinned", b"1")
            self.use(mounted)
        finally:
            if words := mounted.unmount():
                raise AssertionError(words)

    def fill(self):
        pass

    def use(self, mounted):
        pass

    def keeps(self, path):
        return path.startswith("cache/models--org--kept/")

    def look(self, point):
        """Before the fault: what the view has read by then."""
        os.listdir(point / "models/llama")

    def act(self, point):
        raise NotImplementedError

    def not_done(self, cache):
        """Words for what is missing of the action; on the disk."""
        return []

    def wrong_in(self, point):
        """Words for what is wrong in the view of a mount after it."""
        if os.getxattr(point / "models/llama/kept", "user.hubfs.pinned") != b"1":
            return ["the pin is lost"]
        return []


class Fetch(Scenario):
    """Creating a partial, recording ranges, publishing, linking, ref and listing."""

    name = "fetch"
    repo = "new"

    def fill(self):
        self.hub.add(f"org/{self.repo}", {"config.json": CONFIG, "w.bin": WEIGHTS, "small/a.txt": "text"})

    def act(self, point):
        model = point / f"hub/org/{self.repo}@main"
        for path, data in (("w.bin", WEIGHTS), ("small/a.txt", b"text")):
            same_bytes(model / path, data)
        # Published a moment after the last byte was read; not at all, where that failed.
        wait_until(lambda: all(os.getxattr(model / path, "user.hubfs.fetch") != b"fetching" for path in ("w.bin", "small/a.txt")), 10)

    def wrong_in(self, point):
        done = wait_until(lambda: all(os.getxattr(point / f"hub/org/{self.repo}@main" / path, "user.hubfs.state") == b"cached"
                                      for path in ("w.bin", "small/a.txt")), 10)
        return super().wrong_in(point) + ([] if done else ["not published"])


class Resume(Fetch):
    """A partial that an earlier mount left is opened, filled and published."""

    name = "resume"
    repo = "part"

    def use(self, mounted):
        self.hub.control("settings", {"rate": 1_000_000})
        fd = os.open(mounted / f"hub/org/{self.repo}@main/w.bin", os.O_RDONLY)
        os.pread(fd, 1000, 1_400_000)
        os.close(fd)
        os.setxattr(mounted / f"hub/org/{self.repo}@main/w.bin", "user.hubfs.fetch", b"0")
        self.hub.control("settings", {"rate": 0})


class Share(Scenario):
    """A file that the shared store has is linked from there."""

    name = "share"

    def fill(self):
        files = {"config.json": CONFIG, "w.bin": SHARED}
        self.cache.add("org/kept2", {"config.json": CONFIG, "w.bin": SHARED})
        etag = sha256(SHARED)
        self.cache.share(SHARED, ("org/kept2", etag))
        self.commit = self.cache.hub_add(self.hub, "org/link", files, cached=["config.json"])
        self.cache.tree("org/link", self.commit, files)
        path = self.cache.repo("org/link") / f"trees/{self.commit}.json"
        tree = json.loads(path.read_text())
        tree["files"]["w.bin"]["xet_hash"] = sha256(b"xet" + SHARED)
        path.write_text(json.dumps(tree))

    def keeps(self, path):
        return super().keeps(path) or (path.startswith(("cache/models--org--kept2/", "cache/blobs/")) and not path.endswith((".refs", ".lock")))

    def act(self, point):
        path = point / "models/llama/link/w.bin"
        same_bytes(path, SHARED)
        wait_until(lambda: os.getxattr(path, "user.hubfs.fetch") != b"fetching", 10)

class Removal(Scenario):
    """Two commits of a repo that share a blob and a payload of the shared store, which another repo uses too."""

    def fill(self):
        old, new = {**COMMON, "old.bin": MINE, "w.bin": SHARED}, {**COMMON, "new.bin": noise(30_000, 5), "w.bin": SHARED}
        self.cache.add("org/two", old, refs=("old",), commit=GONE, remote={})
        self.cache.add("org/two", new, commit=STAYS, remote={})
        self.cache.add("org/kept2", {"config.json": CONFIG, "w.bin": SHARED})
        etag = sha256(SHARED)
        self.cache.share(SHARED, ("org/two", etag), ("org/kept2", etag))
        # Of one repo alone.
        only = noise(20_000, 6)
        self.cache.put("org/two", GONE, "only.bin", only)
        self.cache.share(only, ("org/two", sha256(only)))

    def keeps(self, path):
        used = sha256(b"xet" + SHARED)
        return super().keeps(path) or path.startswith("cache/models--org--kept2/") or path.endswith(f"/{used}")


class RemoveCommit(Removal):
    name = "commit"

    def keeps(self, path):
        names = [STAYS] + [sha256(data) for data in (COMMON["same.bin"], noise(30_000, 5), SHARED)]
        return super().keeps(path) or (path.startswith("cache/models--org--two/") and any(name in path for name in names))

    def act(self, point):
        # By its hash: a crash may have left it without its ref.
        if (point / f"hub/org/two@{GONE}").exists():
            os.rmdir(point / f"hub/org/two@{GONE}")

    def not_done(self, cache):
        repo = cache.repo("org/two")
        return [f"{path} is there" for path in (f"refs/old", f"snapshots/{GONE}") if (repo / path).exists()]


class RemoveRepo(Removal):
    name = "repo"

    def act(self, point):
        if (point / "models/llama/two").exists():
            os.rmdir(point / "models/llama/two")

    def not_done(self, cache):
        return ["the repo is there"] if cache.repo("org/two").exists() else []


class RemoveFiles(Removal):
    """Of both commits, and hidden since the listing still has them: tombstones."""

    name = "files"

    def keeps(self, path):
        return super().keeps(path) or (path.startswith("cache/models--org--two/refs/"))

    def look(self, point):
        os.listdir(point / "models/llama/two")

    def act(self, point):
        # Through models/ first, from both commits; what a failure left of one is reached through its own place.
        for place in ("models/llama/two", f"hub/org/two@{GONE}", f"hub/org/two@{STAYS}"):
            for name in ("same.bin", "w.bin"):
                if (point / place / name).exists():
                    (point / place / name).unlink()

    def not_done(self, cache):
        return [f"{commit}/{name} is there" for commit in (GONE, STAYS) for name in ("same.bin", "w.bin")
                if os.path.lexists(cache.snapshot("org/two", commit) / name)]

    def wrong_in(self, point):
        listed = os.listdir(point / "models/llama/two")
        return super().wrong_in(point) + [f"{name} is listed" for name in ("same.bin", "w.bin") if name in listed]


class Start(Removal):
    """A mount over what crashes left: trash, a partial without its journal, a new repo without a name."""

    name = "start"
    from_start = True

    def prepare(self):
        super().prepare()
        state = self.template / ".hubfs/cache"
        (state / "trash").mkdir(exist_ok=True)
        shutil.copytree(self.cache.repo("org/two"), state / "trash/models--org--two.01234567", symlinks=True)
        shutil.rmtree(self.cache.repo("org/two"))
        partial = state / "partial/models--org--kept"
        partial.mkdir(parents=True, exist_ok=True)
        (partial / f"{'c' * 64}.data").write_bytes(b"x" * 1000)
        (state / ".staged.01234567").write_text("x")
        self.cache.add("org/fresh", {"config.json": CONFIG})

    def act(self, point):
        os.listdir(point / "models/llama")
        same_bytes(point / "models/llama/fresh/config.json", CONFIG.encode())


class Pin(Scenario):
    """Saving names: another pin."""

    name = "names"

    def fill(self):
        self.cache.add("org/more", {"config.json": CONFIG})

    def act(self, point):
        os.setxattr(point / "models/llama/more", "user.hubfs.pinned", b"1")

    def wrong_in(self, point):
        return super().wrong_in(point) + ([] if os.getxattr(point / "models/llama/more", "user.hubfs.pinned") == b"1" else ["not pinned"])


SCENARIOS = (Fetch, Resume, Share, RemoveCommit, RemoveRepo, RemoveFiles, Start, Pin)


def chosen_faults(options, folder, hub):
    """[(scenario, steps, fault)] in the order in which they are run."""
    faults = []
    for kind in SCENARIOS:
        if options.scenarios and kind.name not in options.scenarios:
            continue
        scenario = kind(folder, hub)
        steps = steps_of(scenario, client)
        of_this = [(scenario, steps, fault) for fault in faults_for(steps)]
        print(f"{kind.name}: {len(steps)} steps, {len(of_this)} faults", flush=True)
        faults += of_this
    if options.all:
        part, parts = map(int, options.part.split("/"))
        return [fault for number, fault in enumerate(faults) if number % parts == part - 1]
    # The scenarios in turn, so that a short sample has some of each.
    chance = random.Random(options.seed)
    by_scenario = {}
    for item in faults:
        by_scenario.setdefault(item[0].name, []).append(item)
    for items in by_scenario.values():
        chance.shuffle(items)
    rounds = max(map(len, by_scenario.values()))
    return [items[i] for i in range(rounds) for items in by_scenario.values() if i < len(items)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--fault", help="this one only, of the one SCENARIO")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("scenarios", nargs="*")
    options = parser.parse_args()
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        sys.exit("nothing can be mounted here: this test needs /dev/fuse and root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    begin = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="hubfs-faults-"))
    hub = LocalHub(folder / "data")
    failed = runs = 0
    try:
        todo = chosen_faults(options, folder, hub)
        if options.fault:
            todo = [(todo[0][0], todo[0][1], options.fault)]
        print(f"{len(todo)} faults; seed {options.seed}", flush=True)
        # Some of each scenario at least, however slow the machine is.
        counted = time.monotonic()
        for scenario, steps, fault in todo:
            in_time = runs < options.runs if options.runs else runs < len(SCENARIOS) or time.monotonic() - counted < options.seconds
            if not options.all and not in_time:
                break
            runs += 1
            run = Run(scenario, fault, client)
            try:
                problems = run.go()
            finally:
                run.close()
            if problems or options.verbose:
                failed += bool(problems)
                print(f"{scenario.name} {fault} ({describe(steps, fault)}): {'; '.join(problems)[:3000] or 'fine'}", flush=True)
    finally:
        hub.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{runs} runs, {failed} failed, {time.monotonic() - begin:.0f} s; seed {options.seed}", flush=True)
    return 1 if failed or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
