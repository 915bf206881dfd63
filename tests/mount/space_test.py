# SPDX-License-Identifier: Apache-2.0
"""Where removals are taken, and room that is made by removing what was not used for longest."""

import errno
import json
import os
import sys

from hubfs_mount import HUBFS, Cache, MountTest, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
MIB = 1 << 20
ERROR = "user.hubfs.error"


class RemoveOptionTest(MountTest):
    def setUp(self):
        super().setUp()
        for name in ("one", "two"):
            self.cache.add(f"meta/{name}", {"config.json": CONFIG, "model.safetensors": noise(20_000, 1), "who.txt": name})
        self.cache.add("org/data", {"a.txt": "a", "b.txt": "b"}, repo_type="dataset")

    def test_removals_are_taken_in_models_and_datasets_only(self):
        mounted = self.mount(options="remove=models")
        hub = mounted / "hub/meta/one@main"
        self.assertErrno(errno.EROFS, os.unlink, hub / "who.txt")
        self.assertErrno(errno.EROFS, os.rmdir, hub)
        self.assertErrno(errno.EROFS, os.rmdir, mounted / "hub/meta/one")
        self.assertErrno(errno.EROFS, os.rmdir, mounted / "hub/meta")
        self.assertErrno(errno.EROFS, os.unlink, mounted / "hub/datasets/org/data@main/a.txt")
        self.assertTrue((self.cache.snapshot("meta/one", self.cache_commit("meta/one")) / "who.txt").exists())
        os.unlink(mounted / "models/llama/one/who.txt")
        os.rmdir(mounted / "models/llama/one")
        self.assertFalse(self.cache.repo("meta/one").exists())
        os.rmdir(mounted / "models/meta--two@main")
        self.assertFalse(self.cache.repo("meta/two").exists())
        os.unlink(mounted / "datasets/data/a.txt")
        self.assertEqual(self.names(mounted / "datasets/data"), ["b.txt"])

    def test_a_subtree_counts_from_the_root_of_the_whole_view(self):
        hub = self.mount(options="remove=models,subtree=hub")
        self.assertErrno(errno.EROFS, os.rmdir, hub / "meta/one@main")
        models = self.mount(options="remove=models,subtree=models")
        os.rmdir(models / "llama/one")
        self.assertFalse(self.cache.repo("meta/one").exists())

    def cache_commit(self, repo_id):
        return (self.cache.repo(repo_id) / "refs/main").read_text()

    def test_options_that_contradict_or_mean_nothing_are_refused(self):
        for options in ("remove=hub", "quota=much", "min_free=-1", "ro,quota=1G", "min_free=1G,ro"):
            done = run(HUBFS, "mount", "--cache", self.cache.root, "-o", options, self.folder / "none")
            self.assertEqual(done.returncode, 1, options)
            self.assertIn("option", done.stderr, options)


class SpaceCase(MountTest):
    """Cached models of 2 MiB each, and a Hub with some that are not cached."""

    def setUp(self):
        super().setUp()
        self.server = self.hub()

    def cached_models(self, *names):
        """Cached in this order, days ago."""
        for days, name in enumerate(reversed(names), 10):
            commit = self.cache.add(f"meta/{name}", {"w.bin": noise(2 * MIB, sum(name.encode()))})
            then = 1_700_000_000 - days * 86_400
            os.utime(self.cache.snapshot(f"meta/{name}", commit), (then, then))

    def remote_model(self, name, size):
        data = noise(size, size)
        self.server.add(f"meta/{name}", {"w.bin": data})
        return data

    def here(self):
        return sorted(p.name.removeprefix("models--meta--") for p in self.cache.root.glob("models--*"))

    def read(self, mounted, name):
        return (mounted / f"hub/meta/{name}@main/w.bin").read_bytes()

    def errno_of_read(self, mounted, name):
        try:
            self.read(mounted, name)
        except OSError as error:
            return errno.errorcode[error.errno]
        return ""

    def use(self, mounted, name):
        with open(mounted / f"hub/meta/{name}@main/w.bin", "rb") as file:
            file.read(1)

    def occupied(self):
        """What du says of repos and private state, in bytes."""
        return sum(int(line.split()[0]) for line in run("du", "-sB1", self.cache.root, self.cache.root.parent / ".hubfs").stdout.splitlines())


class QuotaTest(SpaceCase):
    def test_the_least_recently_used_goes_and_its_removal_is_said(self):
        self.cached_models("one", "two", "three")
        data = self.remote_model("new", 3 * MIB)
        mounted = self.mount(hub=self.server, options=f"quota={8 * MIB}")
        self.use(mounted, "one")
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "one", "three"], 20), self.here())
        space = mounted.status()["space"]
        self.assertEqual((space["evicted"], space["quota"]), (1, 8 * MIB))
        self.assertGreaterEqual(space["evicted_bytes"], 2 * MIB)
        self.assertIn("removed model/meta/two", mounted.log())
        self.assertNotIn("two", [name.split("@")[0] for name in self.names(mounted / "hub/meta")])
        self.assertLessEqual(self.occupied(), 8 * MIB + MIB // 2)

    def test_without_the_option_nothing_goes(self):
        self.cached_models("one", "two")
        data = self.remote_model("new", 3 * MIB)
        self.assertEqual(self.read(self.mount(hub=self.server), "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "one", "two"], 20), self.here())

    def test_what_fits_costs_nothing(self):
        self.cached_models("one", "two")
        data = self.remote_model("new", 3 * MIB)
        self.assertEqual(self.read(self.mount(hub=self.server, options=f"quota={8 * MIB}"), "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "one", "two"], 20), self.here())

    def test_pinned_and_open_models_stay_and_the_refusal_names_them(self):
        self.cached_models("pinned", "mine", "theirs")
        data = self.remote_model("new", 3 * MIB)
        mounted = self.mount(hub=self.server, options=f"quota={7 * MIB + MIB // 2}")
        os.setxattr(mounted / "hub/meta/pinned@main", "user.hubfs.pinned", b"1")
        mine = open(mounted / "hub/meta/mine@main/w.bin", "rb")
        self.addCleanup(mine.close)
        blob = next((self.cache.repo("meta/theirs") / "blobs").iterdir())
        other = self.start(sys.executable, "-c", f"f = open({str(blob)!r}); print('open', flush=True); import time; time.sleep(300)", stdout=-1)
        self.assertEqual(other.stdout.readline(), b"open\n")
        self.assertEqual(self.errno_of_read(mounted, "new"), "ENOSPC")
        words = os.getxattr(mounted / "hub/meta/new@main/w.bin", ERROR).decode()
        self.assertIn("quota of 8 MiB", words)
        self.assertIn("model/meta/pinned (it is pinned)", words)
        self.assertIn("model/meta/mine (it is open through this mount)", words)
        self.assertIn(f"process {other.pid}", words)
        self.assertEqual(self.here(), ["mine", "pinned", "theirs"])
        self.assertEqual(self.server.file_bytes("models/meta/new/w.bin"), 0, "nothing was asked of the Hub")
        # It was used until it was closed: the one that the other program had open goes first.
        mine.close()
        other.kill()
        other.wait()
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["mine", "new", "pinned"], 20), self.here())

    def test_nothing_goes_for_a_download_that_would_not_fit_anyway(self):
        self.cached_models("one", "two")
        self.remote_model("huge", 9 * MIB)
        mounted = self.mount(hub=self.server, options=f"quota={8 * MIB}")
        self.assertEqual(self.errno_of_read(mounted, "huge"), "ENOSPC")
        self.assertEqual(self.here(), ["one", "two"])

    def test_the_repo_that_is_being_downloaded_does_not_go_for_its_own_next_file(self):
        files = {"a.bin": noise(3 * MIB, 1), "b.bin": noise(3 * MIB, 2)}
        self.server.add("meta/both", files)
        mounted = self.mount(hub=self.server, options=f"quota={5 * MIB},fill=never")
        self.assertEqual((mounted / "hub/meta/both@main/a.bin").read_bytes(), files["a.bin"])
        self.assertErrno(errno.ENOSPC, (mounted / "hub/meta/both@main/b.bin").read_bytes)
        self.assertEqual((mounted / "hub/meta/both@main/a.bin").read_bytes(), files["a.bin"])

    def test_a_download_under_way_is_not_removed_for_another(self):
        self.server.control("settings", {"rate": MIB // 16})
        self.remote_model("slow", 24 * MIB)
        self.remote_model("new", 6 * MIB)
        mounted = self.mount(hub=self.server, options=f"quota={28 * MIB}")
        slow = mounted / "hub/meta/slow@main/w.bin"
        os.setxattr(slow, "user.hubfs.fetch", b"1")
        self.assertTrue(wait_until(lambda: int(os.getxattr(slow, "user.hubfs.cached_bytes")) > 0, 20))
        self.assertEqual(self.errno_of_read(mounted, "new"), "ENOSPC")
        self.assertIn("promised to other downloads", os.getxattr(mounted / "hub/meta/new@main/w.bin", ERROR).decode())
        self.assertEqual(os.getxattr(slow, "user.hubfs.state"), b"partial")

    def test_the_order_of_use_is_kept_over_a_restart(self):
        self.cached_models("one", "two", "three")
        mounted = self.mount(hub=self.server)
        self.use(mounted, "two")
        self.use(mounted, "one")
        self.assertEqual(mounted.unmount(), "")
        data = self.remote_model("new", 4 * MIB)
        mounted = self.mount(hub=self.server, options=f"quota={7 * MIB}")
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "one"], 20), self.here())

    def test_what_the_daemon_may_not_remove_stays(self):
        self.cached_models("one", "two")
        data = self.remote_model("new", 3 * MIB)
        lock = next((self.cache.repo("meta/one") / "blobs").iterdir()).name
        folder = self.cache.root / ".locks/models--meta--one"
        folder.mkdir(parents=True)
        holder = self.start("flock", "--no-fork", folder / f"{lock}.lock", "sleep", "300")
        self.assertTrue(wait_until(lambda: run("flock", "-n", folder / f"{lock}.lock", "true").returncode != 0, 20))
        mounted = self.mount(hub=self.server, options=f"quota={6 * MIB}")
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "one"], 20), self.here())
        self.assertIsNone(holder.poll())


class KeepBelowTest(SpaceCase):
    def keep_below(self, size, *more):
        return run(HUBFS, "gc", "--cache", self.cache.root, "--keep-below", str(size), *more, timeout=60)

    def test_by_hand_the_same_choice_and_first_only_said(self):
        self.cached_models("one", "two", "three", "pinned")
        mounted = self.mount()
        self.use(mounted, "one")
        os.setxattr(mounted / "hub/meta/pinned@main", "user.hubfs.pinned", b"1")
        self.assertEqual(mounted.unmount(), "")
        said = self.keep_below(5 * MIB, "--dry-run", "--json")
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        plan = json.loads(said.stdout)
        self.assertEqual([each["repo"] for each in plan["models"]], ["model/meta/two", "model/meta/three"])
        self.assertGreaterEqual(plan["occupied"], 8 * MIB)
        self.assertEqual(self.here(), ["one", "pinned", "three", "two"])
        done = self.keep_below(5 * MIB)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("removed model/meta/two", done.stdout)
        self.assertIn("2 models", done.stdout)
        self.assertEqual(self.here(), ["one", "pinned"])
        self.assertLessEqual(self.occupied(), 5 * MIB)
        self.assertIn("0 models", self.keep_below(5 * MIB).stdout)

    def test_what_a_running_mount_has_open_stays_and_too_little_is_nothing(self):
        self.cached_models("one", "two")
        mounted = self.mount()
        with open(mounted / "hub/meta/one@main/w.bin", "rb"):
            done = self.keep_below(MIB)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"model/meta/one (it is open in hubfs, process {mounted.pid})", done.stderr)
            self.assertEqual(self.here(), ["one", "two"])
            self.assertEqual(self.keep_below(3 * MIB).returncode, 0)
            self.assertEqual(self.here(), ["one"])
            self.assertTrue(wait_until(lambda: "two@main" not in self.names(mounted / "hub/meta"), 20))

    def test_a_size_that_is_none_is_refused(self):
        done = self.keep_below("much")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a size", done.stderr)


class TrashTest(SpaceCase):
    def kept(self):
        return sorted((self.cache.root.parent / ".hubfs/cache/kept").glob("*"))

    def test_what_is_kept_goes_before_any_model_and_what_goes_for_room_is_not_kept(self):
        self.cached_models("one", "two", "three")
        data = self.remote_model("new", 3 * MIB)
        more = self.remote_model("more", 3 * MIB + 4096)
        mounted = self.mount(hub=self.server, options=f"quota={7 * MIB + MIB // 2},trash=1h")
        os.rmdir(mounted / "hub/meta/one@main")
        self.assertEqual(len(self.kept()), 1)
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "three", "two"], 20), self.here())
        self.assertEqual(self.kept(), [])
        self.assertIn("gave up the kept removal of model/meta/one", mounted.log())
        self.assertEqual(self.read(mounted, "more"), more)
        self.assertTrue(wait_until(lambda: self.here() == ["more", "new"], 20), self.here())
        self.assertEqual(self.kept(), [])
        self.assertEqual(mounted.status()["space"]["evicted"], 2)

    def test_by_hand_too(self):
        self.cached_models("one", "two")
        mounted = self.mount(options="trash=1h")
        os.rmdir(mounted / "hub/meta/two@main")
        done = run(HUBFS, "gc", "--cache", self.cache.root, "--keep-below", 3 * MIB, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.kept(), self.here()), ([], ["one"]))


class TwoMountsTest(SpaceCase):
    def test_two_mounts_do_not_give_the_same_room_away_twice(self):
        self.cached_models("one", "two", "three", "four")
        self.remote_model("slow", 4 * MIB)
        data = self.remote_model("new", 4 * MIB + 4096)
        self.server.control("settings", {"rate": MIB // 64})
        first, second = (self.mount(hub=self.server, options=f"quota={13 * MIB}") for _ in range(2))
        slow = first / "hub/meta/slow@main/w.bin"
        os.setxattr(slow, "user.hubfs.fetch", b"1")
        self.assertTrue(wait_until(lambda: int(os.getxattr(slow, "user.hubfs.cached_bytes")) > 0, 20))
        self.assertEqual(first.status()["space"]["evicted"], 0, "8 and 4 are less than 13")
        self.server.control("settings", {"rate": 0})
        self.assertEqual(self.read(second, "new"), data)
        self.assertEqual(second.status()["space"]["evicted"], 2, "4 more are not, with what the other one has promised")
        self.assertTrue(wait_until(lambda: set(self.here()) - {"slow"} == {"four", "new", "three"}, 20), self.here())

    def test_a_dead_mount_takes_its_promises_with_it(self):
        self.remote_model("slow", 24 * MIB)
        data = self.remote_model("new", 6 * MIB)
        self.server.control("settings", {"rate": MIB // 16})
        first = self.mount(hub=self.server, options=f"quota={28 * MIB}")
        slow = first / "hub/meta/slow@main/w.bin"
        os.setxattr(slow, "user.hubfs.fetch", b"1")
        self.assertTrue(wait_until(lambda: int(os.getxattr(slow, "user.hubfs.cached_bytes")) > 0, 20))
        second = self.mount(hub=self.server, options=f"quota={28 * MIB}")
        self.assertEqual(self.errno_of_read(second, "new"), "ENOSPC")
        first.kill()
        self.server.control("settings", {"rate": 0})
        self.assertEqual(self.read(second, "new"), data)


class MinFreeTest(SpaceCase):
    def test_a_volume_keeps_its_free_space_and_nothing_else_goes(self):
        volume = self.folder / "volume"
        volume.mkdir()
        done = run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", volume)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(run, "umount", "-l", volume)
        self.cache = Cache(volume / "cache")
        self.cached_models("one", "two", "three")
        free = os.statvfs(volume).f_bavail * os.statvfs(volume).f_frsize
        data = self.remote_model("new", 3 * MIB)
        mounted = self.mount(hub=self.server, options=f"min_free={free - 2 * MIB},floor=1")
        self.assertEqual(self.read(mounted, "new"), data)
        self.assertTrue(wait_until(lambda: self.here() == ["new", "three", "two"], 20), self.here())
        self.assertEqual(mounted.unmount(), "")
        # What the floor refuses by itself is made possible by what goes before it is looked at.
        self.remote_model("huge", 40 * MIB)
        mounted = self.mount(hub=self.server, options=f"min_free={free + 3 * MIB}")
        self.assertEqual(self.errno_of_read(mounted, "huge"), "ENOSPC")
        words = os.getxattr(mounted / "hub/meta/huge@main/w.bin", ERROR).decode()
        self.assertIn("to be kept free", words)
        self.assertEqual(self.here(), ["new", "three", "two"])


if __name__ == "__main__":
    main()
