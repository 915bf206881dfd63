# SPDX-License-Identifier: Apache-2.0
"""The model-based test of sharing: random sequences of what all clients do to one cache, compared with a model.

hubfs (mount and command), the Python client, an old one, and the JS client download, read, remove, and are killed in the
middle; the Hub's branches move; mounts come and go. After each step the facts on disk must be those the model says
(model_state.py), nothing may be there that no client leaves (model_disk.py), and the mount must show exactly that
(model_view.py); every so often a scan of the Python client must agree, and all bytes are read.

    model_test.py [--seed N] [--seconds N | --steps N] [--jobs N] [--keep]

The seed is printed; the same seed chooses the same operations again, as long as kills hit the same places. Needs
/dev/fuse, root, and what scripts/test-env installs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "mount"), str(Path(__file__).resolve().parent)]

import model_state as model  # noqa: E402
from hubfs_mount import LocalHub, Mounted, pack, sha256, wait_until  # noqa: E402
from model_actions import Actions, Skip  # noqa: E402
from model_clients import Clients  # noqa: E402
from model_disk import Disk  # noqa: E402
from model_kills import Kills  # noqa: E402
from model_view import compare_repo  # noqa: E402

PATIENCE = 20.0
FULL_CHECK_EVERY = 25
WEIGHTS = {
    "mount_read": 22, "client_file": 8, "client_snapshot": 5, "old_file": 5, "old_snapshot": 3, "js_file": 5, "js_snapshot": 4,
    "python_probe": 2, "push": 6, "share": 4, "remove_repo": 3, "remove_commit": 5, "remove_file": 10, "remove_pinned": 2,
    "hf_rm_repo": 2, "hf_rm_commit": 4, "hf_rm_file": 5, "hf_prune": 2, "remount": 2, "kill_daemon_reading": 2,
    "kill_daemon_removing": 2, "kill_command": 2, "kill_hf_rm": 2, "kill_python": 2, "kill_old": 1, "kill_js": 1,
    "both_download": 3, "download_and_remove": 3, "read_and_remove": 2,
}


class Driver(Actions, Kills):
    def __init__(self, folder, seed):
        self.folder, self.seed, self.step = Path(folder), seed, 0
        self.root = self.folder / "cache"
        self.root.mkdir()
        self.history, self.counts, self.repeated = [], {}, []
        self.facts, self.dangling, self.visible = {}, {}, set()
        self.left, self.hid_at, self.mount = {}, 0.0, None
        self.hub = LocalHub(self.folder / "data")
        self.clients = Clients(self.folder, self.root, self.hub.url)
        rng = random.Random(f"{seed}/world")
        repos = [model.Repo("meta/llama-a", "model", "llama"), model.Repo("org/qwen-b", "model", "qwen"), model.Repo("gpt2", "model", "gpt2"),
                 model.Repo("org/mistral-x", "model", "mistral", xet=True), model.Repo("org/data", "dataset", "")]
        self.world = {repo.folder: repo for repo in repos}
        for repo in repos:
            files = self.some_files(rng, repo)
            packed = {path: pack(data) for path, data in files.items()}
            commit = self.hub.control("repos", {"id": repo.repo, "type": repo.type, "files": packed, "xet": repo.xet})["revisions"]["main"]
            repo.pushed("main", commit, files)
            self.push_to(rng, repo, "dev")
        self.disk = Disk(self.root)
        self.start_mount(rng)

    def some_files(self, rng, repo):
        paths = [path for path in model.PATHS if path == "config.json" or rng.random() < 0.8]
        return {path: model.content(repo, path, 0 if path == "config.json" else rng.randrange(4)) for path in paths}

    def push_to(self, rng, repo, branch):
        files = self.some_files(rng, repo)
        body = {"id": repo.repo, "type": repo.type, "branch": branch, "files": {path: pack(data) for path, data in files.items()}}
        repo.pushed(branch, self.hub.control("branch", body)["commit"], files)

    def xet_hash(self, sha):
        return sha256(f"xet {sha}".encode())

    # --- mounts

    def start_mount(self, rng):
        self.fill = rng.choice(["never", "auto"])
        self.mount = Mounted(self.folder, self.root, options=f"fill={self.fill}", endpoint=self.hub.url)

    def end_mount(self):
        words = self.mount.unmount()
        shutil.copy(self.mount.log_path, self.folder / "last-mount.log")
        if words:
            raise AssertionError(words)

    def settle(self):
        """hubfs's own downloads have come to an end."""
        if wait_until(lambda: not self.mount.status()["downloads"] or None, PATIENCE) is None:
            raise AssertionError(f"downloads never end: {self.mount.status()['downloads']}")

    # --- a step

    def note(self, words):
        self.history.append(f"{self.step}: {words}")

    def one_step(self):
        self.step += 1
        for attempt in range(100):
            rng = random.Random(f"{self.seed}/{self.step}/{attempt}")
            name = rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
            self.fuzzy, self.may_dangle, self.may_leave, self.needs = False, set(), set(), set()
            try:
                bounds = getattr(self, name)(rng)
            except Skip:
                continue
            self.counts[name] = self.counts.get(name, 0) + 1
            self.check_disk(bounds)
            self.check_view({*bounds, rng.choice(list(self.world))} & set(self.world))
            if self.step % FULL_CHECK_EVERY == 0:
                self.check_all(rng)
            return
        raise AssertionError("nothing can be done any more")

    def check_disk(self, bounds):
        """Waits until the disk is within the bounds (hubfs finishes in the background), then takes it as what is so."""
        words = []

        def fits():
            self.disk = Disk(self.root)
            words[:] = self.differences(bounds)
            return not words

        if not wait_until(fits, PATIENCE):
            raise AssertionError("the disk is not as the model says:\n  " + "\n  ".join(words[:20]))
        self.facts, self.visible, self.dangling, self.left = self.disk.facts, self.disk.visible, self.disk.dangling, self.disk.left
        for (name, commit), files in self.disk.trees.items():
            truth = {path: len(data) for path, data in self.world[name].commits[commit].items()}
            if (found := {path: file["size"] for path, file in files.items()}) != truth:
                raise AssertionError(f"{name}/trees/{commit}.json says {found}, not {truth}")

    def differences(self, bounds):
        words = list(self.disk.wrong)
        for name in {*self.facts, *self.disk.facts} - {"blobs"}:
            found = self.disk.facts.get(name, set())
            at_least, at_most = bounds.get(name, (self.facts.get(name, set()),) * 2)
            words += [f"{name}: missing {fact}" for fact in sorted(at_least - found)]
            words += [f"{name}: surplus {fact}" for fact in sorted(found - at_most)]
            if name not in self.may_dangle:
                words += [f"{name}: {etag} dangles" for etag in self.disk.dangling.get(name, set()) - self.dangling.get(name, set())]
            if name not in self.may_leave:
                words += [f"left over: {each}" for each in set(self.disk.left.get(name, ())) - set(self.left.get(name, ()))]
        words += [f"{name}: no entry needs {etag}" for name, etag in self.needs
                  if not any(entry[2] == etag for entry in model.entries_of(self.disk.facts.get(name, ())))]
        return words + self.payload_differences(bounds)

    def payload_differences(self, bounds):
        """Whoever removes the last link removes the payload, unless it is killed in between."""
        found, known = self.disk.facts.get("blobs", set()), self.facts.get("blobs", set())
        before = bounds.get("blobs", (known,))[0]
        used = model.payloads_after(self.disk.facts, before)
        loose = known - model.payloads_after(self.facts, known)
        words = [f"payload {fact[1]} went although it is used" for fact in used - found]
        return words + [f"payload {fact[1]} stayed although nothing uses it" for fact in found - used - loose if not self.fuzzy]

    def check_view(self, names):
        for name in names:
            repo, words = self.world[name], [""]
            facts = self.facts.get(name, set())

            def agrees(repo=repo, facts=facts, words=words):
                words[0] = compare_repo(self.mount.point, repo, facts, self.commits_in_part(repo))
                return not words[0]

            if not wait_until(agrees, PATIENCE, 0.02):
                raise AssertionError(f"the view is not as the cache: {words[0]}; hidden {repo.hidden}")
            repo.seen(facts, self.commits_in_part(repo))

    def commits_in_part(self, repo):
        """Partial downloads, which only hubfs sees, make it show a commit too."""
        etags = {path.stem for path in self.folder.glob(f".hubfs/cache/partial/{repo.folder}/*.data")}
        return {commit for commit, files in repo.commits.items() if any(repo.etag(commit, path) in etags for path in files)}

    def check_all(self, rng):
        found = self.clients.python.must("scan")
        if set(found["repos"]) != self.visible:
            raise AssertionError(f"the client finds {sorted(found['repos'])}, not {sorted(self.visible)}: {found['warnings']}")
        if len(found["warnings"]) != len(set(self.facts) - self.visible - {"blobs"}):
            raise AssertionError(f"the client complains: {found['warnings']}; hidden from it {set(self.facts) - self.visible}")
        for name, repo in self.world.items():
            facts = self.facts.get(name, set())
            if name in self.visible:
                sizes = {etag: len(repo.commits[commit][path]) for commit, path, etag in model.entries_of(facts)}
                if found["repos"][name] != {"size": sum(sizes.values()), "revisions": sorted(model.snaps_of(facts))}:
                    raise AssertionError(f"{name}: {found['repos'][name]}")
            for commit, path, etag in model.entries_of(facts):
                if etag not in self.dangling.get(name, ()) and rng.random() < 0.3:
                    place = self.mount / repo.hub_parent / f"{repo.name}@{commit}" / path
                    self.read_right(place, repo.commits[commit][path])
        self.check_view(self.world)

    def read_right(self, path, data):
        """The bytes, and no others. A name may be on its way from one node to another: then it is there a moment later."""

        def there():
            found.append(path.read_bytes())
            return True

        found = []
        if not wait_until(there, 0.0):
            self.repeated.append(f"{self.step}: {path.relative_to(self.mount.point)}")
            wait_until(there, PATIENCE)
        if found != [data]:
            raise AssertionError(f"{path}: {'wrong bytes' if found else 'cannot be read'}")

    def stop(self):
        if self.mount:
            self.mount.kill()
        self.clients.stop()
        self.hub.stop()


def run_one(args):
    folder = Path(tempfile.mkdtemp(prefix="hubfs-model-"))
    begin, driver = time.monotonic(), None
    try:
        driver = Driver(folder, args.seed)
        while driver.step < args.steps and time.monotonic() - begin < args.seconds:
            driver.one_step()
        driver.check_all(random.Random(args.seed))
        driver.end_mount()
        driver.check_disk({})
    except BaseException:
        if driver:
            print(*driver.history[-40:], sep="\n")
            print(driver.mount.log()[-4000:] if driver.mount and driver.mount.log_path.exists() else "")
        print(f"FAILED; again: model_test.py --seed {args.seed} --steps {driver.step if driver else 0}", flush=True)
        raise
    finally:
        if args.hold and sys.exc_info()[0]:
            traceback.print_exc()
            print(f"held: {folder}, until a signal", flush=True)
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
        if driver:
            driver.stop()
        if args.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - begin
    print(f"seed {args.seed}: {driver.step} operations in {seconds:.0f} s, {json.dumps(driver.counts)}; read again {driver.repeated}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--steps", type=int, default=1 << 60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--hold", action="store_true", help="after a failure wait for SIGTERM, with everything still running")
    parser.add_argument("--keep", action="store_true", help="leave the cache and the logs where they are")
    args = parser.parse_args()
    if args.seconds == 1e9 and args.steps == 1 << 60:
        args.seconds = 60.0
    print(f"seed {args.seed}", flush=True)
    if args.jobs == 1:
        run_one(args)
        return 0
    more = ["--seconds", str(args.seconds), "--steps", str(args.steps), *(["--keep"] if args.keep else [])]
    jobs = [subprocess.Popen([sys.executable, "-B", __file__, "--seed", str(args.seed + number), *more]) for number in range(args.jobs)]
    return max(job.wait() for job in jobs)


if __name__ == "__main__":
    sys.exit(main())
