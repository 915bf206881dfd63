# SPDX-License-Identifier: Apache-2.0
"""Another user of the volume who puts links, fifos, devices and giants where files and folders belong, also between a
check and its use: nothing outside is read, changed or removed, nothing waits for ever, other repos are as they were."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from hostile_support import Canary, LyingHub, Swapper, is_well, resident_bytes
from hubfs_mount import HUBFS, SLOW, Cache, MountTest, etag_of, main, noise, run, wait_until

FILES = {"w.bin": noise(5000, 1), "sub/x.txt": b"x", "late.bin": noise(5000, 2)}
CACHED = ("w.bin", "sub/x.txt")
ETAG, LATE = etag_of("w.bin", FILES["w.bin"]), etag_of("late.bin", FILES["late.bin"])
OUTSIDE = b"this lies outside of the cache"
BOUND = 60  # seconds for any one command


def plant(path, kind, canary):
    """Puts something else in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("locked", "foreign"):
        if not os.path.lexists(path):
            path.touch()
        if kind == "locked":
            path.chmod(0)
        else:
            os.lchown(path, 12345, 12345)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "link to folder":
        path.symlink_to(canary.path)
    elif kind == "link to file":
        path.symlink_to(os.path.relpath(canary.path / "file", path.parent))
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.open(path.parent, os.O_PATH)
            server.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    elif kind == "folder":
        (path / "in").mkdir(parents=True)
    elif kind == "file":
        path.write_bytes(b"garbage")
    elif kind == "giant":
        with open(path, "wb") as file:
            file.truncate(1 << 30)


KINDS = ("link to folder", "link to file", "fifo", "socket", "device", "folder", "file", "giant", "locked", "foreign")


class HostileCacheTest(MountTest):
    def setUp(self):
        super().setUp()
        self.server = LyingHub()
        self.addCleanup(self.server.stop)
        self.number = 0

    def poisoned(self, cache, tag):
        """A repo half of which is cached. Answers its id and commit."""
        self.number += 1
        repo = f"bad/{tag}-{self.number}"
        commit = self.server.add(repo, FILES)
        cache.add(repo, {path: FILES[path] for path in CACHED}, commit=commit)
        return repo, commit

    def canary(self, *names):
        commits = [commit for commit, _ in self.server.repos.values()]
        return Canary(self.folder / "outside", [ETAG, LATE, f"{LATE}.data", f"{LATE}.ranges", f"{ETAG}.lock", f"{LATE}.lock", "main", "w.bin", "sub/x.txt",
                                                *(f"{commit}/w.bin" for commit in commits[:1]), *(f"{commit}.json" for commit in commits[:1]), *names])

    def exercise(self, mounted, repos):
        """Everything a program does: list, read (also what has to be fetched), ask for content, remove."""
        places = [f"hub/{repo}@main" for repo in repos] + [f"hub/{repo}@{self.server.repos[repo][0]}" for repo in repos]
        self.assertIn(run("ls", "-lR", mounted / "hub/bad", timeout=BOUND).returncode, (0, 1, 2))

        def use(place):
            started = time.monotonic()
            for path in FILES:
                with contextlib.suppress(OSError), open(mounted / place / path, "rb", buffering=0) as file:
                    # What stands in the cache under a blob's name is that blob; of what lies outside nothing is read.
                    self.assertFalse(OUTSIDE in file.read(1 << 16), place)
                with contextlib.suppress(OSError):
                    os.setxattr(mounted / place / path, "user.hubfs.fetch", b"1")
            self.assertLess(time.monotonic() - started, 3 * BOUND)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(use, place) for place in places]:
                done.result()
        for number, repo in enumerate(repos):
            if number % 2:
                run("rm", "-rf", mounted / f"hub/{repo}@main", timeout=BOUND)
            with contextlib.suppress(OSError):
                os.rmdir(mounted / f"hub/{repo}")
        self.assertTrue(is_well(mounted))

    def check(self, mounted, canary):
        self.assertEqual((mounted / "hub/good/repo@main/w.bin").read_bytes(), FILES["w.bin"])
        self.assertLess(resident_bytes(mounted), (2048 if SLOW else 300) << 20)
        self.end(mounted)
        self.assertEqual(canary.differences(), [])

    def command(self, cache, *arguments):
        env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HUB_CACHE": str(cache.root), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run([HUBFS, *arguments], capture_output=True, text=True, errors="replace", timeout=BOUND, env=env, check=False)
        self.assertGreaterEqual(done.returncode, 0, f"{arguments[0]} died: {done.stderr[-2000:]}")

    def test_at_every_place_of_a_repo(self):
        """15 places, each with 10 things that do not belong there; twice, for the view and for the command."""
        for use in ("view", "command"):
            with self.subTest(use):
                shutil.rmtree(self.folder / "outside", ignore_errors=True)
                cache = Cache(self.folder / f"cache-{use}")
                cache.add("good/repo", {"w.bin": FILES["w.bin"]})
                targets = []
                for kind in KINDS:
                    for place in ("", "blobs", "blobs/{etag}", "snapshots", "snapshots/{commit}", "snapshots/{commit}/sub", "snapshots/{commit}/w.bin", "refs",
                                  "refs/main", "trees", "trees/{commit}.json", ".no_exist", ".no_exist/{commit}", "../.locks/{name}",
                                  "../.locks/{name}/{etag}.lock"):
                        repo, commit = self.poisoned(cache, use)
                        folder = cache.repo(repo)
                        targets.append((folder / place.format(etag=ETAG, commit=commit, name=folder.name), kind, repo))
                canary = self.canary()
                for path, kind, _ in targets:
                    plant(path.parent.resolve() / path.name, kind, canary)
                repos = [repo for *_, repo in targets]
                if use == "view":
                    mounted = self.mount(cache, endpoint=self.server.url, options="trash=1h")
                    self.exercise(mounted, repos)
                    self.command(cache, "undo", "--list")
                    self.command(cache, "undo")
                else:
                    self.command(cache, "gc", "--min-age", "0s", "--refs")
                    self.command(cache, "rm", "--yes", *(f"model/{repo}" for repo in repos))
                    self.command(cache, "gc", "--min-age", "0s")
                    mounted = self.mount(cache, endpoint=self.server.url)
                self.check(mounted, canary)

    def test_at_every_place_of_the_root(self):
        """Each in a root of its own, all in one mount."""
        places = (".locks", "blobs", "blobs/.huggingface-shared-blobs", "blobs/{hh}", "blobs/{hh}/{hash}", "blobs/{hh}/{hash}.refs", "blobs/{hh}/{hash}.lock",
                  "CACHEDIR.TAG", "../.hubfs", "../.hubfs/cache")
        roots, targets, repos = [Cache(self.folder / "first/cache")], [], []
        roots[0].add("good/repo", {"w.bin": FILES["w.bin"]})
        for kind in ("link to folder", "link to file", "fifo", "folder", "file", "giant"):
            for place in places:
                cache = Cache(self.folder / f"root-{len(roots)}/cache")
                repo, _ = self.poisoned(cache, "root")
                payload = cache.share(FILES["w.bin"], (repo, ETAG))
                roots.append(cache)
                repos.append(repo)
                targets.append((cache.root / place.format(hh=payload.parent.name, hash=payload.name), kind))
        canary = self.canary(payload.name, f"{payload.name}.refs", f"{payload.name}.lock", "cache/names.json", "names.json")
        for path, kind in targets:
            plant(path.parent.resolve() / path.name, kind, canary)
        mounted = self.mount(*roots, endpoint=self.server.url)
        self.exercise(mounted, repos)
        self.check(mounted, canary)

    def test_at_every_place_of_the_private_state(self):
        tops = ("partial", "listings", "trash", "kept", "names.json", "names.json.lock")
        below = ("partial/{name}", "partial/{name}/{late}.data", "partial/{name}/{late}.ranges", "listings/{name}", "listings/{name}/{commit}.json")
        for kind in ("link to folder", "link to file", "fifo", "folder", "file", "giant"):
            for group in (tops, below):
                with self.subTest(kind=kind, group=group[0]):
                    shutil.rmtree(self.folder / "outside", ignore_errors=True)
                    cache = Cache(self.folder / f"state-{self.number}/cache")
                    cache.add("good/repo", {"w.bin": FILES["w.bin"]})
                    targets, repos = [], []
                    for place in group:
                        repo, commit = self.poisoned(cache, "state")
                        repos.append(repo)
                        targets.append(cache.root.parent / ".hubfs/cache" / place.format(name=cache.repo(repo).name, late=LATE, commit=commit))
                    canary = self.canary(*(f"{cache.repo(repo).name}/{LATE}.data" for repo in repos))
                    for path in targets:
                        plant(path, kind, canary)
                    mounted = self.mount(cache, endpoint=self.server.url)
                    self.exercise(mounted, repos)
                    self.check(mounted, canary)

    def test_swapped_between_check_and_use(self):
        cache = Cache(self.folder / "racing/cache")
        cache.add("good/repo", {"w.bin": FILES["w.bin"]})
        repo, commit = self.poisoned(cache, "race")
        folder, locks, state = cache.repo(repo), cache.root / ".locks", cache.root.parent / ".hubfs/cache"
        canary = self.canary(*(f"{above}{name}" for above in ("", f"{commit}/", f"snapshots/{commit}/", "blobs/", "refs/", f"{folder.name}/")
                               for name in ("w.bin", "sub/x.txt", ETAG, LATE, "main", f"{LATE}.data", f"{ETAG}.lock")))
        mounted = self.mount(cache, endpoint=self.server.url, options="fill=always")
        # One at a time: an attacker that exchanged names below a link of its own would change the canary itself.
        for place in (folder, folder / "blobs", folder / "snapshots", folder / f"snapshots/{commit}", folder / f"snapshots/{commit}/sub", folder / "refs",
                      folder / "trees", locks / folder.name, state / "partial" / folder.name, state / "trash"):
            with self.subTest(place.name):
                self.attack(mounted, cache, repo, commit, place, canary)
        self.check(mounted, canary)

    def attack(self, mounted, cache, repo, commit, place, canary):
        link = self.folder / "link"
        link.symlink_to(canary.path)
        place.mkdir(parents=True, exist_ok=True)
        end, rounds, swaps = time.monotonic() + 0.4, 0, 0
        while time.monotonic() < end or rounds < 4:
            rounds += 1
            # What was removed is downloaded again by the other user, while every name is where it belongs.
            if place.is_symlink() and os.path.lexists(link):
                os.rename(place, self.folder / "aside")
                os.rename(link, place)
                os.rename(self.folder / "aside", link)
            for path in CACHED:
                if not os.path.lexists(cache.snapshot(repo, commit) / path):
                    cache.put(repo, commit, path, FILES[path])
            cache.ref(repo, "main", commit)
            place.mkdir(parents=True, exist_ok=True)
            swapper = Swapper((place, link))
            for path in FILES:
                with contextlib.suppress(OSError):
                    self.assertEqual((mounted / f"hub/{repo}@{commit}/{path}").read_bytes(), FILES[path])
                with contextlib.suppress(OSError):
                    os.unlink(mounted / f"hub/{repo}@{commit}/{path}")
            with contextlib.suppress(OSError):
                os.rmdir(mounted / f"hub/{repo}{'' if rounds % 2 else '@' + commit}")
            wait_until(lambda swapper=swapper: swapper.swaps > 5, 0.2)
            swapper.stop()
            swaps += swapper.swaps
        self.assertGreater(swaps, 0, "names cannot be exchanged here")
        with contextlib.suppress(OSError):
            if place.is_symlink() and os.path.lexists(link):
                os.rename(place, self.folder / "aside")
                os.rename(link, place)
        for name in ("link", "aside"):
            if (self.folder / name).is_symlink():
                (self.folder / name).unlink()
            else:
                shutil.rmtree(self.folder / name, ignore_errors=True)


if __name__ == "__main__":
    main()
