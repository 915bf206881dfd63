#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hubfs rm` and `hubfs pin`: the plan that is shown is what happens, and what is refused is refused in words."""

import errno
import fcntl
import json
import os
import subprocess

from hubfs_mount import HUBFS, MountTest, etag_of, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
WEIGHTS = noise(300_000, 7)


class RmCase(MountTest):
    def setUp(self):
        super().setUp()
        self.old = self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": WEIGHTS}, refs=("v1",))
        self.new = self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": noise(50_000, 8)})
        self.cache.add("meta/other", {"config.json": CONFIG, "w.bin": b"other"})

    @property
    def remembered(self):
        return self.folder / ".hubfs" / self.cache.root.name / "names.json"

    def hubfs(self, command, *args, **kwargs):
        where = () if any(str(arg).startswith(str(self.folder)) for arg in args) else ("--cache", self.cache.root)
        return run(HUBFS, command, *where, *args, **kwargs)

    def disk(self):
        """Every name in the cache with its inode, apart from locks."""
        found = {}
        for base, folders, names in os.walk(self.cache.root):
            for name in folders + names:
                path = os.path.join(base, name)
                found[os.path.relpath(path, self.cache.root)] = os.lstat(path).st_ino
        return {name for name in found if ".locks" not in name}

    def going(self, text):
        return {os.path.relpath(line.split(None, 1)[1], self.cache.root) for line in text.splitlines() if line.startswith("  goes ")}


class DryRunTest(RmCase):
    TARGETS = ("model/meta/tiny", "model/META/Tiny", "hf://meta/tiny/model.safetensors", "models/llama/tiny/model.safetensors",
               "hub/meta/tiny@v1", "models/llama/tiny")

    def test_it_changes_nothing_and_is_what_happens(self):
        for target in self.TARGETS + (self.old,):
            with self.subTest(target):
                run("rm", "-rf", self.cache.root)
                self.cache.root.mkdir()
                self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": WEIGHTS}, refs=("v1",), commit=self.old)
                self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": noise(50_000, 8)}, commit=self.new)
                before = self.disk()
                shown = self.hubfs("rm", "--dry-run", target)
                self.assertEqual((shown.returncode, shown.stderr), (0, ""))
                self.assertEqual(self.disk(), before)
                self.assertEqual(self.hubfs("rm", "-y", target).returncode, 0)
                gone = before - self.disk()
                going = self.going(shown.stdout)
                self.assertTrue(going)
                self.assertLessEqual(going, gone)
                # What else went lies below a folder that goes, or is a folder or a note of a commit that goes.
                rest = {name for name in gone - going if not any(name.startswith(top + "/") for top in going)}
                self.assertEqual({name for name in rest if "trees/" not in name and not name.endswith("/refs")}, set())

    def test_it_says_what_stays_and_why(self):
        text = self.hubfs("rm", "-n", self.old).stdout
        config = etag_of("config.json", CONFIG.encode())
        self.assertRegex(text, rf"stays .*/blobs/{config}: needed by models--meta--tiny/snapshots/{self.new}/config.json")
        self.assertIn("gives back 303.1K", text)

    def test_of_a_path_below_a_mount(self):
        mounted = self.mount()
        before = self.disk()
        shown = self.hubfs("rm", "-n", mounted / "models/llama/tiny/model.safetensors")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertIn("model/meta/tiny: model.safetensors, from 1 commit", shown.stdout)
        self.assertEqual(self.disk(), before)
        part = self.mount(options="subtree=models/llama")
        shown = self.hubfs("rm", "-n", part / "tiny")
        self.assertIn("the repo with all its revisions", shown.stdout)

    def test_it_says_that_it_would_be_refused(self):
        self.assertEqual(self.hubfs("pin", "model/meta/tiny").returncode, 0)
        shown = self.hubfs("rm", "-n", "model/meta/tiny")
        self.assertEqual(shown.returncode, 1)
        self.assertIn("goes ", shown.stdout)
        self.assertIn("would be refused: model/meta/tiny is pinned", shown.stderr)

    def test_open_files_are_named(self):
        with open(self.cache.blob("meta/tiny", "model.safetensors", WEIGHTS), "rb"):
            text = self.hubfs("rm", "-n", "model/meta/tiny").stdout
        self.assertRegex(text, rf"303.1K of it only when it is closed by \S+ \(process {os.getpid()}\)")

    def test_a_file_url_means_every_revision(self):
        done = self.hubfs("rm", "-y", "hf://meta/tiny/model.safetensors")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([p.name for p in (self.cache.repo("meta/tiny") / "blobs").iterdir()], [etag_of("config.json", CONFIG.encode())])


class PinTest(RmCase):
    def test_pin_list_remove(self):
        self.assertEqual(self.hubfs("pin", "models/llama/tiny").returncode, 0)
        self.assertEqual(self.hubfs("pin", "--list").stdout, "model/meta/tiny\n")
        self.assertIn("pinned", self.hubfs("rm", "-y", "model/meta/tiny").stderr)
        mounted = self.mount()
        model = mounted / "models/llama/tiny"
        self.assertEqual(os.getxattr(model, "user.hubfs.pinned"), b"1")
        self.assertErrno(errno.EPERM, os.rmdir, model)
        self.assertErrno(errno.EPERM, os.unlink, model / "config.json")
        self.assertIn(b"hubfs pin --remove", os.getxattr(model, "user.hubfs.error"))
        self.assertEqual(self.hubfs("pin", "--remove", model).returncode, 0)
        self.assertEqual(self.hubfs("pin", "--list").stdout, "")
        os.rmdir(model)
        self.assertFalse(self.cache.repo("meta/tiny").exists())

    def test_a_pin_of_a_command_holds_in_a_running_mount(self):
        mounted = self.mount()
        self.assertEqual(self.hubfs("pin", "model/meta/tiny").returncode, 0)
        self.assertErrno(errno.EPERM, os.rmdir, mounted / "models/llama/tiny")

    def test_what_is_not_cached_is_not_pinned(self):
        done = self.hubfs("pin", "model/meta/none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("not in the cache", done.stderr)
        self.assertNotEqual(self.hubfs("pin").returncode, 0)

    def test_who_shares_the_cache_shares_the_pins(self):
        os.chmod(self.cache.root, 0o777)
        self.assertEqual(self.hubfs("pin", "model/meta/tiny", umask=0o077).returncode, 0)
        self.assertEqual(self.remembered.stat().st_mode & 0o777, 0o666)


class BusyTest(RmCase):
    def test_the_words_name_who_downloads(self):
        mounted = self.mount()
        model = mounted / "models/llama/tiny"
        lock = self.cache.root / ".locks/models--meta--tiny" / f"{etag_of('model.safetensors', WEIGHTS)}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        # --no-fork: a child of it would outlive it, and hold the lock.
        holder = subprocess.Popen(["flock", "--no-fork", lock, "sleep", "60"])
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)

        def held():
            with open(lock, "a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return False
                except BlockingIOError:
                    return True

        self.assertTrue(wait_until(lambda: lock.exists() and held(), 20))
        self.assertErrno(errno.EBUSY, os.rmdir, model)
        words = os.getxattr(model, "user.hubfs.error").decode()
        self.assertRegex(words, rf"sleep \(process {holder.pid}\) is downloading")
        done = self.hubfs("rm", "-y", model)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {holder.pid}", done.stderr)
        self.assertIn(f"process {holder.pid}", self.hubfs("rm", "-y", "model/meta/tiny").stderr)
        self.assertTrue(any("is downloading" in note["why"] for note in mounted.status()["removals"]["refused"]))
        self.assertTrue(self.cache.repo("meta/tiny").exists())


    def test_an_open_download_without_a_lock_is_busy(self):
        """As a JavaScript client leaves it while it downloads."""
        mounted = self.mount()
        part = self.cache.repo("meta/tiny") / "blobs" / f"{'0' * 64}.incomplete"
        with open(part, "wb"):
            self.assertErrno(errno.EBUSY, os.rmdir, mounted / "models/llama/tiny")
            words = os.getxattr(mounted / "models/llama/tiny", "user.hubfs.error").decode()
            self.assertIn(f"(process {os.getpid()}) is downloading", words)
        os.rmdir(mounted / "models/llama/tiny")
        self.assertFalse(self.cache.repo("meta/tiny").exists())


class HidingTest(RmCase):
    def test_it_ends_when_a_client_fetches_the_file_again(self):
        files = {"config.json": CONFIG.encode(), "model.safetensors": noise(50_000, 8)}
        self.cache.tree("meta/tiny", self.new, files)
        mounted = self.mount()
        folder = mounted / "models/llama/tiny"
        os.unlink(folder / "model.safetensors")
        self.assertEqual(self.names(folder), ["config.json"])
        self.cache.put("meta/tiny", self.new, "model.safetensors", files["model.safetensors"])
        self.assertTrue(wait_until(lambda: "model.safetensors" in self.names(folder), 20))
        self.assertTrue(wait_until(lambda: '"hidden"' not in self.remembered.read_text(), 20))
        # Somebody else removes it: it is on the Hub, and nothing hides it.
        os.unlink(self.cache.snapshot("meta/tiny", self.new) / "model.safetensors")
        os.unlink(self.cache.blob("meta/tiny", "model.safetensors", files["model.safetensors"]))
        self.assertTrue(wait_until(lambda: os.getxattr(folder / "model.safetensors", "user.hubfs.state") == b"remote", 20))


class StatusTest(RmCase):
    def test_bytes_of_open_files_are_pending(self):
        mounted = self.mount()
        with open(self.cache.blob("meta/tiny", "model.safetensors", WEIGHTS), "rb"):
            os.rmdir(mounted / "models/llama/tiny")
            removals = lambda: mounted.status()["removals"]
            self.assertTrue(wait_until(lambda: removals()["pending"] >= len(WEIGHTS), 20))
            self.assertTrue(any(f"process {os.getpid()}" in who for who in removals()["held_open_by"]))
        self.assertTrue(wait_until(lambda: removals()["pending"] == 0, 20))
        self.assertGreaterEqual(removals()["given_back"], len(WEIGHTS))

    def test_a_deletion_that_fails_is_reported_and_done_by_the_next_mount(self):
        blob = self.cache.blob("meta/tiny", "model.safetensors", WEIGHTS)
        if run("chattr", "+i", blob).returncode != 0:
            self.skipTest("this file system has no immutable files")
        inode = blob.stat().st_ino
        mounted = self.mount()
        os.rmdir(mounted / "models/llama/tiny")
        self.assertFalse(self.cache.repo("meta/tiny").exists())
        self.assertTrue(wait_until(lambda: mounted.status()["removals"]["failed"], 20))
        self.assertIn("meta/tiny", mounted.status()["removals"]["failed"][0]["what"])
        self.assertIn("failed", run(HUBFS, "status", mounted.point).stdout)
        left = next(p for p in (self.folder / ".hubfs").rglob(blob.name) if p.lstat().st_ino == inode)
        mounted.unmount()
        self.assertEqual(run("chattr", "-i", left).returncode, 0)
        self.mount()
        self.assertTrue(wait_until(lambda: not left.exists(), 20))


if __name__ == "__main__":
    main()
