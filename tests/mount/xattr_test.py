# SPDX-License-Identifier: Apache-2.0
"""What stands behind a name, as extended attributes."""

import errno
import json
import os

from hubfs_mount import MountTest, etag_of, main, wait_until

CONFIG = json.dumps({"model_type": "llama"}).encode()


class XattrTest(MountTest):
    def get(self, path, name):
        return os.getxattr(path, f"user.hubfs.{name}").decode()

    def test_of_a_cached_and_a_remote_file(self):
        commit = self.cache.add("meta/tiny", {"config.json": CONFIG}, remote={"far.bin": b"x" * 10})
        model = self.mount() / "models/llama/tiny"
        here, far = model / "config.json", model / "far.bin"
        self.assertEqual(self.get(here, "etag"), etag_of("config.json", CONFIG))
        self.assertEqual(self.get(here, "state"), "cached")
        self.assertEqual(self.get(here, "cached_bytes"), str(len(CONFIG)))
        self.assertEqual((self.get(far, "state"), self.get(far, "cached_bytes")), ("remote", "0"))
        self.assertEqual(self.get(far, "etag"), etag_of("far.bin", b"x" * 10))
        for name, value in {"repo_id": "meta/tiny", "repo_type": "model", "revision": "main", "commit": commit,
                            "path": "config.json"}.items():
            self.assertIn(value, self.get(here, name).splitlines(), name)
        self.assertLessEqual({"user.hubfs.etag", "user.hubfs.state", "user.hubfs.repo_id"}, set(os.listxattr(here)))

    def test_of_a_folder(self):
        commit = self.cache.add("meta/tiny", {"config.json": CONFIG})
        model = self.mount() / "models/llama/tiny"
        self.assertEqual(self.get(model, "repo_id"), "meta/tiny")
        self.assertEqual(self.get(model, "commit"), commit)
        self.assertEqual(self.get(model, "family"), "llama")
        self.assertTrue(self.get(model, "type"))

    def test_foreign_names(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG})
        path = self.mount() / "models/llama/tiny/config.json"
        for name in ("security.selinux", "security.capability", "system.posix_acl_access"):
            self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, name)
        self.assertErrno(errno.ENODATA, os.getxattr, path, "user.other")
        self.assertErrno(errno.ENODATA, os.getxattr, path, "user.hubfs.nonsense")

    def test_size_is_asked_first(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG})
        path = self.mount() / "models/llama/tiny/config.json"
        self.assertGreater(len(os.listxattr(path)), 3)

    def test_a_pinned_model_is_not_removed(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG})
        mount = self.mount()
        model = mount / "models/llama/tiny"
        os.setxattr(model, "user.hubfs.pinned", b"1")
        self.assertEqual(self.get(model, "pinned"), "1")
        self.assertErrno(errno.EPERM, os.rmdir, model)
        self.assertErrno(errno.EPERM, os.unlink, model / "config.json")
        self.assertErrno(errno.EPERM, os.rmdir, mount / "hub/meta/tiny@main")
        self.assertEqual(mount.unmount(), "")
        again = self.mount() / "models/llama/tiny"
        self.assertErrno(errno.EPERM, os.rmdir, again)
        os.setxattr(again, "user.hubfs.pinned", b"0")
        os.rmdir(again)
        self.assertFalse(self.cache.repo("meta/tiny").exists())

    def test_fetch_asks_for_the_content(self):
        hub = self.hub()
        self.cache.hub_add(hub, "meta/tiny", {"config.json": CONFIG, "w.safetensors": b"w" * 100_000}, cached=["config.json"])
        path = self.mount(hub=hub) / "models/llama/tiny/w.safetensors"
        os.setxattr(path, "user.hubfs.fetch", b"1")
        self.assertTrue(wait_until(lambda: self.get(path, "state") == "cached"))
        self.assertTrue(self.cache.blob("meta/tiny", "w.safetensors", b"w" * 100_000).exists())

    def test_only_two_are_writable(self):
        self.cache.add("meta/tiny", {"config.json": CONFIG})
        path = self.mount() / "models/llama/tiny/config.json"
        self.assertErrno(errno.EROFS, os.setxattr, path, "user.hubfs.etag", b"x")
        self.assertNotEqual(os.getxattr(path, "user.hubfs.etag"), b"x")

    def test_the_words_behind_an_errno(self):
        hub = self.hub()
        self.cache.hub_add(hub, "meta/tiny", {"config.json": CONFIG, "w.bin": b"w" * 1000}, cached=["config.json"])
        path = self.mount(hub=hub) / "models/llama/tiny/w.bin"
        os.stat(path)
        hub.fault(path="*/resolve/*", status=403, body="no")
        self.assertErrno(errno.EACCES, open, path, "rb")
        self.assertIn("403", self.get(path, "error"))


if __name__ == "__main__":
    main()
