# SPDX-License-Identifier: Apache-2.0
"""One cache, several mounts: what one reads, downloads, removes and pins holds for the other. And a root that is a bind mount."""

import errno
import os

from hubfs_mount import MountTest, in_thread, main, noise, run, wait_until

FILES = {"config.json": b'{"model_type": "llama"}', "a.bin": noise(3_000_000, 1), "b.bin": noise(40_000, 2)}


class SharedTest(MountTest):
    def soon(self, condition):
        self.assertTrue(wait_until(condition, 20))

    def test_two_mounts_agree(self):
        hub = self.hub()
        hub.add("meta/both", FILES)
        first, second = self.mount(hub=hub), self.mount(hub=hub)
        place = "hub/meta/both@main"
        reads = [in_thread(lambda mount=mount: (mount / place / "a.bin").read_bytes()) for mount in (first, second)]
        for joined in reads:
            self.assertEqual(joined(60), FILES["a.bin"])
        # The small ones that came along too: a lock that one of the mounts holds is a reason to refuse a removal.
        self.soon(lambda: not any(mount.status()["downloads"] for mount in (first, second)))
        self.soon(lambda: len(self.files(self.cache.repo("meta/both") / "snapshots")) == len(FILES))
        for mount in (first, second):
            self.soon(lambda: os.getxattr(mount / "models/llama/both/a.bin", "user.hubfs.state") == b"cached")
        os.setxattr(first / "models/llama/both", "user.hubfs.pinned", b"1")
        self.assertErrno(errno.EPERM, os.rmdir, second / "models/llama/both")
        os.setxattr(second / "models/llama/both", "user.hubfs.pinned", b"0")
        os.unlink(second / "models/llama/both/b.bin")
        self.soon(lambda: "b.bin" not in os.listdir(first / place) and not (first / place / "b.bin").exists())
        os.rmdir(first / "models/llama/both")
        self.assertFalse(self.cache.repo("meta/both").exists())
        self.soon(lambda: "both" not in str(os.listdir(second / "models")) and not (second / "models/llama/both").exists())

    def test_a_root_that_is_a_bind_mount(self):
        bound = self.folder / "bound"
        bound.mkdir()
        self.assertEqual(run("mount", "--bind", self.cache.root, bound).returncode, 0)
        self.addCleanup(run, "umount", "-l", bound)
        hub = self.hub()
        hub.add("meta/bound", FILES)
        mount = self.mount(bound, hub=hub)
        for path, data in FILES.items():
            self.assertEqual((mount / "hub/meta/bound@main" / path).read_bytes(), data)
        self.soon(lambda: len(self.files(self.cache.repo("meta/bound") / "snapshots")) == len(FILES))
        self.assertEqual(set(os.listdir(bound)) - {"CACHEDIR.TAG", ".locks"}, {"models--meta--bound"})
        self.cache.add("meta/other", {"config.json": FILES["config.json"]})
        self.soon(lambda: (mount / "models/llama/other/config.json").exists())
        os.rmdir(mount / "models/llama/bound")
        self.assertFalse(self.cache.repo("meta/bound").exists())
        self.assertEqual(set(os.listdir(bound)) - {"CACHEDIR.TAG", ".locks"}, {"models--meta--other"})


if __name__ == "__main__":
    main()
