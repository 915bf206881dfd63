# SPDX-License-Identifier: Apache-2.0
"""What becomes of the cache's own folder under a running mount: read-only, removed and made again, its volume gone and back."""

import errno
import json
import os
import shutil

from hubfs_mount import LIBC, Cache, MountTest, errno_of, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
WEIGHTS = noise(100_000, 5)
REMOTE = b"from the Hub, by and by" * 1000


class RootTest(MountTest):
    def setUp(self):
        super().setUp()
        self.served = self.hub()
        self.volume = self.folder / "volume"
        self.volume.mkdir()
        self.shelf = None

    def tmpfs(self, folder=None):
        """A volume. What is bound to it keeps it while it is not mounted on self.volume."""
        self.assertEqual(run("mount", "-t", "tmpfs", "none", folder or self.volume).returncode, 0)
        self.addCleanup(LIBC.umount2, os.fsencode(folder or self.volume), 2)

    def kept_volume(self):
        """A volume that lasts: mounted elsewhere, and bound where the cache is."""
        self.shelf = self.folder / "shelf"
        self.shelf.mkdir()
        self.tmpfs(self.shelf)
        self.bind()

    def bind(self, *options):
        self.assertEqual(run("mount", "--bind", self.shelf, self.volume).returncode, 0)
        if options:
            self.assertEqual(run("mount", "-o", ",".join(("remount", "bind", *options)), self.volume).returncode, 0)
        self.addCleanup(LIBC.umount2, os.fsencode(self.volume), 2)

    def detach(self):
        self.assertEqual(LIBC.umount2(os.fsencode(self.volume), 2), 0)

    def filled(self, root):
        cache = Cache(root)
        cache.add("meta/tiny", {"config.json": CONFIG, "w.bin": WEIGHTS})
        cache.hub_add(self.served, "meta/more", {"config.json": CONFIG, "far.bin": REMOTE}, cached=["config.json"])
        return cache

    def shows(self, mounted, names):
        return wait_until(lambda: sorted(os.listdir(mounted / "models/llama")) == sorted(names) if names
                          else not os.path.exists(mounted / "models/llama"), 20)

    def root_status(self, mounted):
        return mounted.status()["cache_roots"][0]

    def assertDownloads(self, mounted):
        path = mounted / "models/llama/more/far.bin"
        self.assertEqual(path.read_bytes(), REMOTE)
        self.assertTrue(wait_until(lambda: os.getxattr(path, "user.hubfs.state") == b"cached", 20))

    def test_removed_and_made_again(self):
        cache = self.filled(self.volume / "hub")
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        held = os.open(mounted / "models/llama/tiny/w.bin", os.O_RDONLY)
        self.addCleanup(os.close, held)
        folder = os.open(mounted / "models/llama/more", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        shutil.rmtree(cache.root)
        self.assertTrue(self.shows(mounted, []))
        # What was open stays readable; the rest is not there; nothing is made in its place.
        self.assertEqual(os.pread(held, len(WEIGHTS), 0), WEIGHTS)
        self.assertErrno(errno.ENOENT, os.open, mounted / "hub/meta/more@main/far.bin", os.O_RDONLY)
        self.assertIn("not there any more", self.root_status(mounted)["problem"])
        self.assertFalse(cache.root.exists())
        self.filled(cache.root)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        self.assertEqual((mounted / "models/llama/tiny/w.bin").read_bytes(), WEIGHTS)
        self.assertDownloads(mounted)
        self.assertTrue(wait_until(lambda: self.root_status(mounted)["problem"] == "", 20))
        # And it is followed like the first one.
        cache.add("meta/third", {"config.json": CONFIG})
        self.assertTrue(self.shows(mounted, ["tiny", "more", "third"]))
        os.rmdir(mounted / "models/llama/third")
        self.assertFalse(cache.repo("meta/third").exists())

    def test_renamed_away_and_back(self):
        cache = self.filled(self.volume / "hub")
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        os.rename(cache.root, self.volume / "away")
        self.assertTrue(self.shows(mounted, []))
        os.rename(self.volume / "away", cache.root)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        self.assertDownloads(mounted)

    def volume_goes_and_comes(self, inside):
        self.kept_volume()
        cache = self.filled(self.volume / inside if inside else self.volume)
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        os.setxattr(mounted / "models/llama/tiny", "user.hubfs.pinned", b"1")
        self.detach()
        self.assertTrue(self.shows(mounted, []))
        self.assertErrno(errno.ENOENT, os.open, mounted / "hub/meta/more@main/far.bin", os.O_RDONLY)
        self.assertIn("volume is not mounted", self.root_status(mounted)["problem"])
        # Another client that does not look makes a cache below the empty mountpoint: that is not ours.
        os.makedirs(cache.root / "models--meta--wrong", exist_ok=True)
        before = self.files(self.volume)
        self.assertFalse(wait_until(lambda: os.listdir(mounted / "models"), 2.5))
        self.assertEqual(self.files(self.volume), before)
        self.assertEqual(self.names(self.volume), [inside or "models--meta--wrong"])
        self.assertFalse(os.path.exists(self.volume / ".hubfs"))
        shutil.rmtree(self.volume / (inside or "models--meta--wrong"))
        self.bind()
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        self.assertEqual((mounted / "models/llama/tiny/w.bin").read_bytes(), WEIGHTS)
        self.assertDownloads(mounted)
        # What is remembered of the cache came back with it, and stays when more is remembered.
        os.setxattr(mounted / "models/llama/more", "user.hubfs.pinned", b"1")
        for name in ("tiny", "more"):
            self.assertErrno(errno.EPERM, os.rmdir, mounted / "models/llama" / name)
        self.assertEqual(mounted.unmount(), "")
        again = self.mount(cache, hub=self.served)
        self.assertEqual(os.getxattr(again / "models/llama/tiny", "user.hubfs.pinned"), b"1")

    def test_a_volume_goes_and_comes_back(self):
        self.volume_goes_and_comes("hub")

    def test_a_root_that_is_itself_a_volume_goes_and_comes_back(self):
        self.volume_goes_and_comes("")

    def test_a_volume_that_was_detached_is_let_go(self):
        self.tmpfs()
        cache = self.filled(self.volume / "hub")
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        device = os.stat(self.volume).st_dev
        self.detach()
        self.assertTrue(self.shows(mounted, []))

        def held():
            found = []
            for number in os.listdir(f"/proc/{mounted.pid}/fd"):
                with self.subTest(number):
                    try:
                        if os.stat(f"/proc/{mounted.pid}/fd/{number}").st_dev == device:
                            found.append(number)
                    except OSError:
                        pass
            return found

        self.assertTrue(wait_until(lambda: not held(), 20), held())

    def test_a_read_only_volume(self):
        self.kept_volume()
        cache = self.filled(self.volume / "hub")
        self.detach()
        self.bind("ro")
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        self.assertEqual((mounted / "models/llama/tiny/w.bin").read_bytes(), WEIGHTS)
        far = mounted / "models/llama/more/far.bin"
        self.assertErrno(errno.EROFS, lambda: os.pread(os.open(far, os.O_RDONLY), 10, 0))
        self.assertIn("read-only", self.root_status(mounted)["problem"])
        self.assertIn(errno_of(os.rmdir, mounted / "models/llama/tiny"), (errno.EROFS, errno.EACCES))
        self.assertIn(errno_of(os.unlink, mounted / "models/llama/tiny/w.bin"), (errno.EROFS, errno.EACCES))
        self.assertTrue(cache.blob("meta/tiny", "w.bin", WEIGHTS).exists())
        # It can be written again: so does hubfs.
        self.assertEqual(run("mount", "-o", "remount,bind,rw", self.volume).returncode, 0)
        self.assertTrue(wait_until(lambda: self.root_status(mounted)["writable"], 20))
        self.assertDownloads(mounted)
        os.rmdir(mounted / "models/llama/tiny")
        self.assertFalse(cache.repo("meta/tiny").exists())

    def test_a_volume_that_becomes_read_only(self):
        self.kept_volume()
        cache = self.filled(self.volume / "hub")
        mounted = self.mount(cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more"]))
        self.assertEqual(run("mount", "-o", "remount,bind,ro", self.volume).returncode, 0)
        self.assertEqual((mounted / "models/llama/tiny/w.bin").read_bytes(), WEIGHTS)
        self.assertErrno(errno.EROFS, lambda: os.pread(os.open(mounted / "models/llama/more/far.bin", os.O_RDONLY), 10, 0))
        self.assertErrno(errno.EROFS, os.rmdir, mounted / "models/llama/tiny")
        self.assertEqual(run("mount", "-o", "remount,bind,rw", self.volume).returncode, 0)
        self.assertDownloads(mounted)

    def test_one_of_two_roots_goes(self):
        second = Cache(self.folder / "second")
        second.add("meta/other", {"config.json": CONFIG})
        self.kept_volume()
        cache = self.filled(self.volume / "hub")
        mounted = self.mount(second, cache, hub=self.served)
        self.assertTrue(self.shows(mounted, ["tiny", "more", "other"]))
        self.detach()
        self.assertTrue(self.shows(mounted, ["other"]))
        self.bind()
        self.assertTrue(self.shows(mounted, ["tiny", "more", "other"]), (os.listdir(mounted / "models/llama"), mounted.log(), mounted.status()))


if __name__ == "__main__":
    main()
