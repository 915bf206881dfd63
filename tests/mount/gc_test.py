# SPDX-License-Identifier: Apache-2.0
"""hubfs gc beside mounts and other clients: what nobody needs goes, and nothing else."""

import json
import os
import shutil
import subprocess
import sys

from hubfs_mount import HUBFS, Cache, MountTest, etag_of, main, noise, run

CONFIG = json.dumps({"model_type": "llama"})
FILES = {"config.json": CONFIG, "model.safetensors": noise(200_000, 1), "sub/a.txt": "a"}
HOLD = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(600)"


class GcTest(MountTest):
    def setUp(self):
        super().setUp()
        self.commit = self.cache.add("meta/one", FILES)
        self.orphan = self.cache.blob("meta/one", "old.txt", b"nobody needs this")
        self.orphan.write_bytes(b"nobody needs this")
        self.etag = etag_of("old.txt", b"nobody needs this")
        self.half = self.orphan.with_name(f"{self.etag}.0a1b2c3d.incomplete")
        self.half.write_bytes(noise(50_000, 3))

    def gc(self, *args, code=0, **kwargs):
        done = run(HUBFS, "gc", "--json", "--cache", self.cache.root, *args, **kwargs)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def paths(self, answer):
        return sorted(item["path"] for cache in answer["caches"] for item in cache["items"])

    def both(self):
        return sorted(str(path.relative_to(self.cache.root)) for path in (self.orphan, self.half))

    def assertNeededIsThere(self, folder):
        for path, data in FILES.items():
            self.assertEqual((folder / path).read_bytes(), data.encode() if isinstance(data, str) else data)

    def test_young_things_stay(self):
        answer = self.gc()
        self.assertEqual(self.paths(answer), [])
        self.assertEqual({left["path"] for left in answer["caches"][0]["left"]}, set(self.both()))

    def test_a_dry_run_changes_nothing_and_says_what_gc_then_does(self):
        self.gc("--dry-run")  # opening a cache makes its private state, and the folder of locks beside it
        before = sorted(str(p) for p in self.cache.root.rglob("*"))
        would = self.gc("--dry-run", "--min-age", "0s")
        self.assertEqual(self.paths(would), self.both())
        self.assertGreaterEqual(would["bytes"], 50_000)
        self.assertEqual(sorted(str(p) for p in self.cache.root.rglob("*")), before)
        did = self.gc("--min-age", "0s")
        self.assertEqual((self.paths(did), did["bytes"]), (self.paths(would), would["bytes"]))
        self.assertEqual(self.paths(self.gc("--min-age", "0s")), [])
        self.assertFalse(self.orphan.exists() or self.half.exists())
        done = run(HUBFS, "gc", "--cache", self.cache.root)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "0 things, 0 bytes given back\n", ""))

    def test_beside_a_mount_that_goes_on_reading(self):
        folder = self.mount() / "models/llama/one"
        with open(folder / "model.safetensors", "rb", buffering=0) as file:
            file.read(1000)
            self.gc("--min-age", "0s")
            self.assertEqual(len(file.read()), 199_000)
        self.assertNeededIsThere(folder)
        self.assertFalse(self.orphan.exists())

    def test_what_another_process_has_locked_stays_until_it_ends(self):
        lock = self.cache.root / ".locks" / self.cache.repo("meta/one").name / f"{self.etag}.lock"
        lock.parent.mkdir(parents=True)
        holder = self.start(sys.executable, "-c", HOLD, lock, stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "held\n")
        self.assertEqual(self.paths(self.gc("--min-age", "0s")), [])
        self.assertTrue(self.orphan.exists() and self.half.exists())
        holder.kill()
        holder.wait()
        self.assertEqual(self.paths(self.gc("--min-age", "0s")), self.both())
        self.assertTrue(lock.exists())

    def test_a_pinned_model_loses_nothing(self):
        mounted = self.mount()
        os.setxattr(mounted / "models/llama/one", "user.hubfs.pinned", b"1")
        self.assertEqual(self.paths(self.gc("--min-age", "0s")), [])
        os.setxattr(mounted / "models/llama/one", "user.hubfs.pinned", b"0")
        self.assertEqual(self.paths(self.gc("--min-age", "0s")), self.both())

    def test_a_download_that_is_under_way_in_a_mount_is_nobodys_garbage(self):
        hub = self.hub()
        self.cache.hub_add(hub, "meta/far", {"config.json": CONFIG, "big.safetensors": {"size": 8 << 20, "seed": 3}}, cached=["config.json"])
        hub.fault(origin="cdn", path="*", hang_after=1 << 20)
        folder = self.mount(hub=hub, options="fill=never") / "models/llama/far"
        with open(folder / "big.safetensors", "rb", buffering=0) as file:
            self.assertEqual(len(file.read(1000)), 1000)
            answer = self.gc("--min-age", "0s")
            self.assertEqual(self.paths(answer), self.both())
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            self.assertEqual(len(file.read(1000)), 1000)
        self.assertEqual((folder / "config.json").read_text(), CONFIG)

    def test_the_view_loses_what_dangled(self):
        link = self.cache.snapshot("meta/one", self.commit) / "gone.txt"
        link.symlink_to(f"../../blobs/{'0' * 40}")
        folder = self.mount() / "models/llama/one"
        self.assertIn(str(link.relative_to(self.cache.root)), self.paths(self.gc("--min-age", "0s")))
        self.assertFalse(os.path.lexists(link))
        self.assertNeededIsThere(folder)

    def test_all_roots_and_the_trash_of_a_daemon_that_was_killed(self):
        other = Cache(self.folder / "other")
        other.add("meta/two", FILES)
        blob = other.blob("meta/two", "x.txt", b"x")
        blob.write_bytes(b"x")
        self.gc("--min-age", "0s")  # makes the private state
        trash = self.cache.root.parent / ".hubfs/cache/trash/models--a--b.0a1b2c3d"
        trash.mkdir(parents=True)
        (trash / "left").write_bytes(noise(100_000, 4))
        answer = self.gc("--cache", other.root, "--min-age", "0s")
        self.assertEqual(self.paths(answer), [str(blob.relative_to(other.root)), "trash/models--a--b.0a1b2c3d"])
        self.assertFalse(trash.exists())

    def test_a_cache_that_cannot_be_written_is_refused_in_words(self):
        program = self.folder / "hubfs"  # where that user can reach it
        shutil.copy(os.path.realpath(HUBFS), program)
        done = run(program, "gc", "--cache", self.cache.root, "--min-age", "0s", user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)
        self.assertTrue(self.orphan.exists())

    def test_malformed_ages_are_refused(self):
        done = run(HUBFS, "gc", "--cache", self.cache.root, "--min-age", "soon")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("not a time", done.stderr)


if __name__ == "__main__":
    main()
