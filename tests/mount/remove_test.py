# SPDX-License-Identifier: Apache-2.0
"""Removing, by every program that removes: it behaves as on a disk, and the cache stays valid."""

import errno
import json
import os
import shutil
import time

from hubfs_mount import SLOW, MountTest, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
FILES = {"config.json": CONFIG, "model.safetensors": noise(200_000, 1), "sub/deep/a.txt": "a"}


class RemoveCase(MountTest):
    def quiet(self, *args):
        done = run(*args)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), args)

    def assertValid(self):
        """What a scan would complain about, and blobs that nobody needs."""
        for repo in self.cache.root.glob("*s--*"):
            snapshots = {p.name for p in (repo / "snapshots").iterdir()}
            for ref in (repo / "refs").rglob("*"):
                if ref.is_file():
                    self.assertIn(ref.read_text(), snapshots, f"{ref} points nowhere")
            used = set()
            for base, _, names in os.walk(repo / "snapshots"):
                for name in names:
                    link = os.path.join(base, name)
                    self.assertTrue(os.path.exists(link), f"{link} dangles")
                    used.add(os.path.normpath(os.path.join(base, os.readlink(link))))
            self.assertEqual({str(p) for p in (repo / "blobs").iterdir()} - used, set(), "blobs without a use")


class ModelTest(RemoveCase):
    def setUp(self):
        super().setUp()
        for name in ("one", "two", "three"):
            self.cache.add(f"meta/{name}", {**FILES, "who": name})
        self.cache.add("bfl/picture", {"model_index.json": '{"_class_name": "FluxPipeline"}'})
        self.mounted = self.mount()
        self.llama = self.mounted / "models/llama"

    def gone(self, *names):
        for name in names:
            self.assertFalse(self.cache.repo(f"meta/{name}").exists(), name)
        self.assertValid()

    def test_rmdir_of_a_full_model(self):
        os.rmdir(self.llama / "one")
        self.gone("one")
        self.assertEqual(self.names(self.llama), ["three", "two"])
        self.assertNotIn("one@main", self.names(self.mounted / "hub/meta"))
        self.assertErrno(errno.ENOENT, os.stat, self.llama / "one")
        self.assertTrue(self.cache.repo("meta/two").exists())

    def test_rmdir_by_alias_and_through_hub(self):
        os.rmdir(self.mounted / "models/meta--one")
        os.rmdir(self.mounted / "hub/meta/two")
        os.rmdir(self.mounted / "hub/meta/three@main")
        self.gone("one", "two", "three")

    def test_space_comes_back(self):
        self.cache.add("meta/big", {"config.json": CONFIG, "model.safetensors": noise(30_000_000, 5)})
        self.assertTrue(wait_until(lambda: (self.llama / "big").exists(), 2))
        before = os.statvfs(self.cache.root)
        os.rmdir(self.llama / "big")
        self.assertTrue(wait_until(lambda: os.statvfs(self.cache.root).f_bfree * before.f_frsize
                                   > before.f_bfree * before.f_frsize + 20_000_000, 1))

    def test_rm_r_of_a_model(self):
        self.quiet("rm", "-r", self.llama / "one")
        self.gone("one")
        self.assertEqual(self.names(self.llama), ["three", "two"])

    def test_rm_r_of_many_files_takes_a_moment(self):
        self.cache.add("meta/many", {"config.json": CONFIG, **{f"d/{i:04d}.txt": f"content {i}" for i in range(1000)}})
        self.assertTrue(wait_until(lambda: len(os.listdir(self.llama / "many/d")) == 1000, 5))
        start = time.monotonic()
        self.quiet("rm", "-r", self.llama / "many")
        # Usually half a second; with a walk of all snapshots for each file it was eight.
        self.assertLess(time.monotonic() - start, 30 if SLOW else 3)
        self.gone("many")

    def test_rm_r_of_a_family(self):
        self.quiet("rm", "-r", self.llama)
        self.gone("one", "two", "three")
        self.assertEqual(self.names(self.mounted / "models"), ["flux"])
        self.assertTrue(self.cache.repo("bfl/picture").exists())

    def test_rm_r_of_everything_in_models(self):
        self.quiet("rm", "-r", *[self.mounted / "models" / name for name in self.names(self.mounted / "models")])
        self.gone("one", "two", "three")
        self.assertEqual(self.names(self.mounted / "models"), [])
        self.assertFalse(self.cache.repo("bfl/picture").exists())

    def test_rm_rf_and_a_name_that_is_not_there(self):
        self.quiet("rm", "-rf", self.llama / "one", self.llama / "none")
        self.gone("one")

    def test_rmdir_p_stops_at_the_first_full_folder(self):
        done = run("rmdir", "-p", "models/llama/one", cwd=self.mounted.point)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not empty", done.stderr)
        self.gone("one")
        self.assertTrue(self.cache.repo("meta/two").exists())

    def test_rmtree_and_removedirs(self):
        shutil.rmtree(self.llama / "one")
        shutil.rmtree(self.llama / "two")
        self.gone("one", "two")
        os.removedirs(self.llama / "three")
        self.gone("three")
        self.assertTrue(self.cache.repo("bfl/picture").exists())

    def test_list_delete_list_again(self):
        folder = self.llama / "one"
        for _ in range(10):
            if not (names := os.listdir(folder)):
                break
            for name in names:
                if (folder / name).is_dir():
                    shutil.rmtree(folder / name)
                else:
                    os.unlink(folder / name)
        self.assertEqual(os.listdir(folder), [])
        os.rmdir(folder)
        self.gone("one")

    def test_find_delete(self):
        self.quiet("find", self.llama / "one", "-delete")
        self.gone("one")

    def test_mv_out(self):
        done = run("mv", self.llama / "one", self.folder / "taken")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.files(self.folder / "taken"), [*sorted(FILES), "who"])
        self.assertEqual((self.folder / "taken/model.safetensors").read_bytes(), FILES["model.safetensors"])
        self.gone("one")
        self.quiet("mv", self.llama / "two/model.safetensors", self.folder / "weights")
        self.assertEqual((self.folder / "weights").read_bytes(), FILES["model.safetensors"])
        self.assertValid()

    def test_open_files_stay_readable(self):
        with open(self.llama / "one/model.safetensors", "rb", buffering=0) as file:
            os.rmdir(self.llama / "one")
            self.assertEqual(file.read(), FILES["model.safetensors"])
        self.gone("one")

    def test_folders_that_are_not_models(self):
        for path in ("models/llama", "hub/meta", "models/llama/one/sub"):
            self.assertErrno(errno.ENOTEMPTY, os.rmdir, self.mounted / path)
        for path in ("models", "hub"):
            self.assertErrno(errno.EPERM, os.rmdir, self.mounted / path)
        self.assertErrno(errno.EISDIR, os.unlink, self.llama / "one")
        self.assertErrno(errno.ENOTDIR, os.rmdir, self.llama / "one/config.json")
        self.assertErrno(errno.ENOENT, os.rmdir, self.llama / "none")

    def test_a_mount_below(self):
        inner = self.folder / "inner"
        inner.mkdir()
        target = self.llama / "one/sub"
        if run("mount", "--bind", inner, target).returncode != 0:
            self.skipTest("no bind mounts here")
        self.addCleanup(run, "umount", "-l", target)
        self.assertErrno(errno.EBUSY, os.rmdir, target)
        self.assertErrno(errno.EBUSY, os.rmdir, self.llama / "one")
        self.assertTrue(self.cache.repo("meta/one").exists())
        run("umount", target)

    def test_removing_leaves_nothing_of_it_in_the_private_state(self):
        os.rmdir(self.llama / "one")
        state = self.mounted.status()["cache_roots"][0]["state"]
        self.assertTrue(wait_until(lambda: not any((p.is_file() and p.stat().st_size > 100_000)
                                                   for p in type(self.folder)(state).rglob("*")), 1))


class FileTest(RemoveCase):
    def test_one_file(self):
        self.cache.add("meta/one", FILES)
        model = self.mount() / "models/llama/one"
        os.unlink(model / "model.safetensors")
        self.assertEqual(self.files(model), ["config.json", "sub/deep/a.txt"])
        self.assertFalse(self.cache.blob("meta/one", "model.safetensors", FILES["model.safetensors"]).exists())
        self.assertErrno(errno.ENOENT, os.stat, model / "model.safetensors")
        self.assertValid()

    def test_a_blob_that_another_commit_has_at_another_path_stays(self):
        data = FILES["model.safetensors"]
        self.cache.add("meta/one", {"config.json": CONFIG, "a.safetensors": data})
        self.cache.add("meta/one", {"config.json": CONFIG, "b.safetensors": data}, refs=("old",))
        mount = self.mount()
        os.unlink(mount / "models/llama/one/a.safetensors")
        self.assertEqual((mount / "hub/meta/one@old/b.safetensors").read_bytes(), data)
        self.assertValid()

    def test_in_models_it_goes_from_every_commit_that_has_it(self):
        data = FILES["model.safetensors"]
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data})
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data, "x": "y"}, refs=("old",))
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": b"different"}, refs=("older",))
        mount = self.mount()
        os.unlink(mount / "models/llama/one/w.safetensors")
        self.assertFalse((mount / "hub/meta/one@old/w.safetensors").exists())
        self.assertEqual((mount / "hub/meta/one@older/w.safetensors").read_bytes(), b"different")
        self.assertFalse(self.cache.blob("meta/one", "w.safetensors", data).exists())
        self.assertValid()

    def test_in_hub_it_goes_from_that_commit_only(self):
        data = FILES["model.safetensors"]
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data})
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data, "x": "y"}, refs=("old",))
        mount = self.mount()
        os.unlink(mount / "hub/meta/one@old/w.safetensors")
        self.assertFalse((mount / "hub/meta/one@old/w.safetensors").exists())
        self.assertEqual((mount / "models/llama/one/w.safetensors").read_bytes(), data)
        self.assertValid()

    def test_a_removed_name_stays_hidden_until_it_is_fetched_again(self):
        commit = self.cache.add("meta/one", FILES, remote={"far.bin": b"far"})
        first = self.mount()
        os.unlink(first / "models/llama/one/model.safetensors")
        os.unlink(first / "models/llama/one/far.bin")
        self.assertEqual(first.unmount(), "")
        second = self.mount()
        self.assertEqual(self.files(second / "models/llama/one"), ["config.json", "sub/deep/a.txt"])
        self.cache.put("meta/one", commit, "model.safetensors", FILES["model.safetensors"])
        self.assertTrue(wait_until(lambda: (second / "models/llama/one/model.safetensors").exists(), 1))

    def test_one_commit(self):
        data = FILES["model.safetensors"]
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data})
        self.cache.add("meta/one", {"config.json": CONFIG, "w.safetensors": data, "x": "only here"}, refs=("old", "v/1"))
        mount = self.mount()
        os.rmdir(mount / "hub/meta/one@old")
        self.assertEqual(self.names(mount / "hub/meta"), ["one@main"])
        self.assertFalse((self.cache.repo("meta/one") / "refs/old").exists())
        self.assertFalse((self.cache.repo("meta/one") / "refs/v/1").exists())
        self.assertFalse(self.cache.blob("meta/one", "x", b"only here").exists())
        self.assertEqual((mount / "models/llama/one/w.safetensors").read_bytes(), data)
        self.assertValid()
        os.rmdir(mount / "models/llama/one@main")
        self.assertFalse(self.cache.repo("meta/one").exists())

    def test_the_shared_store(self):
        data = FILES["model.safetensors"]
        for org in ("meta", "copy"):
            self.cache.add(f"{org}/one", {"config.json": CONFIG, "model.safetensors": data})
        etag = self.cache.blob("meta/one", "model.safetensors", data).name
        payload = self.cache.share(data, ("meta/one", etag), ("copy/one", etag))
        manifest, lock = payload.with_name(payload.name + ".refs"), payload.with_name(payload.name + ".lock")
        mount = self.mount()
        os.rmdir(mount / "hub/meta/one")
        self.assertEqual(payload.read_bytes(), data)
        self.assertTrue(wait_until(lambda: manifest.read_text() == f"models--copy--one/blobs/{etag}\n", 2), manifest.read_text())
        self.assertEqual((mount / "hub/copy/one/model.safetensors").read_bytes(), data)
        os.unlink(mount / "models/copy--one/model.safetensors")
        self.assertTrue(wait_until(lambda: not payload.exists() and not manifest.exists(), 2))
        self.assertTrue(lock.exists())

    def test_files_outside_are_never_removed(self):
        outside = self.folder / "precious"
        outside.write_text("keep me")
        commit = self.cache.add("meta/one", {"config.json": CONFIG})
        (self.cache.snapshot("meta/one", commit) / "link.txt").symlink_to(outside)
        (self.cache.repo("meta/one") / "blobs/evil").symlink_to(outside)
        (self.cache.snapshot("meta/one", commit) / "blob.txt").symlink_to("../../blobs/evil")
        mount = self.mount()
        shutil.rmtree(mount / "models/llama/one")
        self.assertEqual(outside.read_text(), "keep me")


class HubTest(RemoveCase):
    def test_nothing_is_downloaded_by_removing(self):
        hub = self.hub()
        files = {**FILES, "far.safetensors": noise(500_000, 9)}
        for name in ("one", "two"):
            self.cache.hub_add(hub, f"meta/{name}", files, cached=["config.json"])
        mount = self.mount(hub=hub)
        self.assertIn("far.safetensors", self.names(mount / "models/llama/one"))
        self.quiet("rm", "-r", mount / "models/llama/one")
        os.rmdir(mount / "models/llama/two")
        self.assertEqual(hub.file_bytes(), 0)
        self.assertEqual([entry for entry in hub.log() if entry["kind"] in ("resolve", "cdn")], [])

    def test_a_partial_file_answers_estale(self):
        hub = self.hub()
        self.cache.hub_add(hub, "meta/one", {"config.json": CONFIG, "w.safetensors": {"size": 48 << 20, "seed": 1}},
                           cached=["config.json"])
        hub.fault(origin="cdn", hang_after=1 << 20)
        mount = self.mount(hub=hub)
        with open(mount / "models/llama/one/w.safetensors", "rb", buffering=0) as file:
            head = os.pread(file.fileno(), 4096, 0)
            os.rmdir(mount / "models/llama/one")
            self.assertFalse(self.cache.repo("meta/one").exists())
            self.assertEqual(os.pread(file.fileno(), 4096, 0), head)
            self.assertErrno(errno.ESTALE, os.pread, file.fileno(), 4096, 40 << 20)

    def test_what_another_downloads_is_busy(self):
        commit = self.cache.add("meta/one", FILES, remote={"far.bin": b"far" * 1000})
        etag = self.cache.blob("meta/one", "far.bin", b"far" * 1000).name
        lock = self.cache.root / ".locks/models--meta--one" / f"{etag}.lock"
        lock.parent.mkdir(parents=True)
        self.start("flock", "--no-fork", "-x", lock, "sleep", "30")
        self.assertTrue(wait_until(lambda: run("flock", "-n", lock, "true").returncode != 0))
        mount = self.mount()
        self.assertErrno(errno.EBUSY, os.rmdir, mount / "models/llama/one")
        self.assertTrue(self.cache.snapshot("meta/one", commit).exists())


if __name__ == "__main__":
    main()
