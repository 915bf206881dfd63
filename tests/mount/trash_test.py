# SPDX-License-Identifier: Apache-2.0
"""Removed models that are kept for a while: -o trash=TIME and hubfs undo."""

import json
import os
import shutil
import subprocess
import time

from hubfs_mount import HUBFS, Cache, MountTest, errno_of, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
FILES = {"config.json": CONFIG, "model.safetensors": noise(200_000, 1), "sub/deep/a.txt": "a"}


class TrashTest(MountTest):
    def setUp(self):
        super().setUp()
        self.commit = self.cache.add("meta/one", FILES, remote={"far.bin": b"not here"})
        self.cache.add("meta/two", {**FILES, "who": "two"})
        self.kept = self.folder / ".hubfs/cache/kept"

    def undo(self, *args, code=0):
        done = run(HUBFS, "undo", "--cache", self.cache.root, *args)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def listed(self, *args):
        return json.loads(self.undo("--list", "--json", *args).stdout)

    def state_of_cache(self, cache=None):
        """Every name of the repos, what links say, what files hold."""
        found = {}
        for repo in (cache or self.cache).root.glob("*s--*"):
            for path in repo.rglob("*"):
                content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
                found[str(path.relative_to(repo.parent))] = content
        return found

    def assertShown(self, folder, files=None):
        def all_there():
            return all((folder / path).exists() for path in files or FILES)
        self.assertTrue(wait_until(all_there, 20), self.names(folder.parent))
        for path, data in (files or FILES).items():
            self.assertEqual((folder / path).read_bytes(), data.encode() if isinstance(data, str) else data)

    def remove_and_undo(self, remove):
        llama = self.mount(options="trash=1h") / "models/llama"
        before = self.state_of_cache()
        remove(llama / "one")
        self.assertFalse(self.cache.repo("meta/one").exists())
        self.assertTrue(wait_until(lambda: self.names(llama) == ["two"], 20))
        [one] = self.listed()
        self.assertEqual((one["repo"], one["whole"], one["until"] - one["removed"]), ("model/meta/one", True, 3600))
        self.assertGreaterEqual(one["bytes"], 200_000)
        self.assertEqual(self.undo().stdout, "model/meta/one is back\n")
        self.assertEqual(self.state_of_cache(), before)
        self.assertShown(llama / "one")
        self.assertIn("far.bin", self.names(llama / "one"))
        self.assertEqual(self.listed(), [])

    def test_rmdir_of_a_model(self):
        self.remove_and_undo(os.rmdir)

    def test_rm_r_file_by_file_is_one_removal(self):
        self.remove_and_undo(lambda path: self.assertEqual(run("rm", "-r", path).stderr, ""))

    def test_rmtree(self):
        self.remove_and_undo(shutil.rmtree)

    def test_rm_r_of_many_files_takes_a_moment(self):
        self.cache.add("meta/many", {"config.json": CONFIG, **{f"d/{i:04d}.txt": f"content {i}" for i in range(300)}})
        llama = self.mount(options="trash=1h") / "models/llama"
        start = time.monotonic()
        self.assertEqual(run("rm", "-r", llama / "many", timeout=60).stderr, "")
        self.assertLess(time.monotonic() - start, 30)
        self.assertEqual(self.listed()[0]["files"], 301)
        self.undo()
        self.assertEqual(len(os.listdir(llama / "many/d")) if wait_until(lambda: (llama / "many/d/0299.txt").exists(), 20) else 0, 300)

    def test_a_file_and_its_hiding(self):
        folder = self.mount(options="trash=1h") / "models/llama/one"
        shutil.rmtree(folder / "sub")
        os.unlink(folder / "model.safetensors")
        self.assertNotIn("model.safetensors", self.names(folder))
        self.assertFalse(self.cache.blob("meta/one", "model.safetensors", FILES["model.safetensors"]).exists())
        self.undo()
        self.assertShown(folder)
        self.assertIn("sub", self.names(folder))

    def test_a_commit(self):
        old = self.cache.add("meta/one", {"config.json": CONFIG, "old.bin": "old"}, refs=("v1",), commit="b" * 40)
        mounted = self.mount(options="trash=1h")
        before = self.state_of_cache()
        os.rmdir(mounted / "hub/meta/one@v1")
        self.assertFalse(self.cache.snapshot("meta/one", old).exists())
        self.undo()
        self.assertEqual(self.state_of_cache(), before)
        self.assertShown(mounted / "hub/meta/one@v1", {"old.bin": "old"})

    def test_by_name_and_what_was_removed_last_comes_first(self):
        llama = self.mount(options="trash=1h") / "models/llama"
        os.rmdir(llama / "one")
        os.rmdir(llama / "two")
        last, first = self.listed()
        self.assertEqual((last["repo"], first["repo"]), ("model/meta/two", "model/meta/one"))
        self.undo(first["id"])
        self.assertShown(llama / "one")
        self.assertEqual(self.undo().stdout, "model/meta/two is back\n")
        self.assertIn("nothing that was removed is kept", self.undo(code=1).stderr)
        self.assertIn("no removal 1-00000000", self.undo("1-00000000", code=1).stderr)

    def test_what_was_downloaded_again_meanwhile_stays(self):
        llama = self.mount(options="trash=1h") / "models/llama"
        os.rmdir(llama / "one")
        blob = self.cache.put("meta/one", self.commit, "model.safetensors", FILES["model.safetensors"])
        inode = blob.stat().st_ino
        self.undo()
        self.assertEqual(blob.stat().st_ino, inode)
        self.assertShown(llama / "one")

    def test_in_all_roots(self):
        other = Cache(self.folder / "other")
        other.add("meta/one", {"config.json": CONFIG, "more.bin": noise(50_000, 2)}, refs=("v2",))
        before = self.state_of_cache(), self.state_of_cache(other)
        llama = self.mount(self.cache, other, options="trash=1h") / "models/llama"
        os.rmdir(llama / "one")
        self.assertFalse(other.repo("meta/one").exists())
        self.assertEqual(len(self.listed("--cache", other.root)), 1)
        self.undo("--cache", other.root)
        self.assertEqual((self.state_of_cache(), self.state_of_cache(other)), before)

    def test_without_the_option_nothing_is_kept(self):
        os.rmdir(self.mount() / "models/llama/one")
        self.assertEqual(self.listed(), [])
        self.assertFalse(self.kept.exists())

    def let_time_pass(self):
        """What is kept is due now."""
        for note in self.kept.glob("*/record.json"):
            note.write_text(json.dumps({**json.loads(note.read_text()), "deadline": 1}))

    def test_kept_bytes_are_in_status_and_go_when_the_time_is_over(self):
        mounted = self.mount(options="trash=1h")
        os.rmdir(mounted / "models/llama/one")
        status = mounted.status()
        self.assertEqual(status["kept"]["records"], 1)
        self.assertGreaterEqual(status["kept"]["bytes"], 200_000)
        self.assertIn("1 removed things", run(HUBFS, "status", mounted.point).stdout)
        other = self.mount(options="trash=1s")  # looks every second what is due
        self.assertEqual(other.status()["kept"], status["kept"])
        self.let_time_pass()
        self.assertTrue(wait_until(lambda: list(self.kept.iterdir()) == [], 20))
        self.assertEqual(mounted.status()["kept"], {"bytes": 0, "records": 0})

    def test_what_is_due_goes_at_the_next_mount_and_by_gc(self):
        for end in (self.mount, lambda: run(HUBFS, "gc", "--cache", self.cache.root)):
            self.cache.add("meta/again", FILES)
            mounted = self.mount(options="trash=1h")
            os.rmdir(mounted / "models/llama/again")
            self.end(mounted)
            self.assertEqual(len(self.listed()), 1)
            self.let_time_pass()
            end()
            self.assertTrue(wait_until(lambda: self.listed() == [], 20))

    def test_a_daemon_that_is_killed_loses_nothing_that_is_kept(self):
        before = self.state_of_cache()
        mounted = self.mount(options="trash=1h")
        os.rmdir(mounted / "models/llama/one")
        mounted.kill()
        again = self.mount()
        self.undo()
        self.assertEqual(self.state_of_cache(), before)
        self.assertShown(again / "models/llama/one")

    def test_undo_that_is_killed_goes_on_when_it_is_run_again(self):
        self.cache.add("meta/many", {"config.json": CONFIG, **{f"d/{i:03d}.txt": f"content {i}" for i in range(100)}})
        before = self.state_of_cache()
        mounted = self.mount(options="trash=1h")
        self.assertEqual(run("rm", "-r", mounted / "models/llama/many", timeout=60).stderr, "")
        for tries in range(8):  # at another moment each time, whenever that is on this machine
            undo = self.start(HUBFS, "undo", "--cache", self.cache.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.002 * tries)
            undo.kill()
            undo.wait()
        run(HUBFS, "undo", "--cache", self.cache.root)
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.state_of_cache(), before)

    def test_a_daemon_that_is_killed_in_the_middle_of_rm_r(self):
        self.cache.add("meta/many", {"config.json": CONFIG, **{f"d/{i:03d}.txt": f"content {i}" for i in range(100)}})
        before = self.state_of_cache()
        mounted = self.mount(options="trash=1h")
        remover = self.start("rm", "-r", mounted / "models/llama/many", stderr=subprocess.DEVNULL)
        snapshots = self.cache.repo("meta/many") / "snapshots"
        self.assertTrue(wait_until(lambda: len(list(snapshots.glob("*/d/*"))) < 90, 20, step=0.001))
        mounted.kill()
        remover.wait()
        again = self.mount(options="trash=1h")
        if self.cache.repo("meta/many").exists():  # else rm was faster
            os.rmdir(again / "models/meta--many")
        self.assertFalse(self.cache.repo("meta/many").exists())
        while self.listed():
            self.undo()
        self.assertEqual(self.state_of_cache(), before)

    def test_where_nothing_can_be_kept_nothing_is_removed(self):
        victim = self.folder / "victim"
        victim.mkdir()
        mounted = self.mount(options="trash=1h")
        self.kept.symlink_to(victim)
        before = self.state_of_cache()
        one = mounted / "models/llama/one"
        self.assertNotEqual(errno_of(os.rmdir, one), 0)
        self.assertNotEqual(errno_of(os.unlink, one / "model.safetensors"), 0)
        self.assertEqual(self.state_of_cache(), before)
        self.assertEqual(list(victim.iterdir()), [])
        self.kept.unlink()
        os.rmdir(one)
        self.undo()
        self.assertEqual(self.state_of_cache(), before)

    def test_open_files_of_a_kept_model_stay_readable(self):
        llama = self.mount(options="trash=1h") / "models/llama"
        with open(llama / "one/model.safetensors", "rb", buffering=0) as file:
            os.rmdir(llama / "one")
            self.assertEqual(file.read(), FILES["model.safetensors"])
            self.undo()
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            self.assertEqual(file.read(), FILES["model.safetensors"])

    def test_hubfs_rm_keeps_without_a_mount(self):
        before = self.state_of_cache()
        rm = (HUBFS, "rm", "-y", "--cache", self.cache.root, "--trash", "1h")
        self.assertEqual(run(*rm, "model/meta/one", "hf://meta/two/sub/deep/a.txt").stderr, "")
        self.assertFalse(self.cache.repo("meta/one").exists())
        self.assertEqual(len(self.listed()), 2)
        self.undo()
        self.undo()
        self.assertEqual(self.state_of_cache(), before)

    def test_hubfs_rm_of_a_path_in_a_mount_leaves_it_to_the_mount(self):
        one = self.mount() / "models/llama/one"
        done = run(HUBFS, "rm", "-y", "--trash", "1h", one)
        self.assertEqual((done.returncode, one.exists()), (1, True))
        self.assertIn("its mount removes it", done.stderr)
        done = run(HUBFS, "rm", "-y", "--cache", self.cache.root, "--trash", "soon", "model/meta/one")
        self.assertEqual((done.returncode, one.exists()), (1, True))

    def test_malformed_times_are_refused(self):
        done = run(HUBFS, "mount", "-o", "trash=soon", "--cache", self.cache.root, self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("option trash=soon: not a time", done.stderr)


if __name__ == "__main__":
    main()
