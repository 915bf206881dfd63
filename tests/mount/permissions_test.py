# SPDX-License-Identifier: Apache-2.0
"""Who may: never more than the cache itself allows."""

import errno
import json
import os
import stat

from hubfs_mount import NOBODY, Cache, MountTest, as_user, main, name_of, wait_until

CONFIG = {"config.json": json.dumps({"model_type": "llama"})}


class PermissionsTest(MountTest):
    def setUp(self):
        super().setUp()
        self.cache.add("meta/tiny", {**CONFIG, "secret.bin": b"secret", "open.bin": b"open"}, remote={"far.bin": b"x"})
        self.cache.blob("meta/tiny", "secret.bin", b"secret").chmod(0o600)

    def denied(self, expected, action):
        self.assertEqual(name_of(as_user(NOBODY, action)), name_of(expected))

    def test_a_private_blob_stays_private(self):
        model = self.mount(options="allow_other") / "models/llama/tiny"
        self.assertEqual(stat.S_IMODE(os.stat(model / "secret.bin").st_mode) & 0o077, 0)
        self.denied(0, lambda: (model / "open.bin").read_bytes())
        self.denied(errno.EACCES, lambda: (model / "secret.bin").read_bytes())
        self.denied(errno.EACCES, lambda: (model.parents[2] / "hub/meta/tiny@main/secret.bin").read_bytes())

    def test_a_private_folder_on_the_way_closes_the_model(self):
        self.cache.repo("meta/tiny").chmod(0o700)
        model = self.mount(options="allow_other") / "models/llama/tiny"
        self.denied(errno.EACCES, lambda: (model / "open.bin").read_bytes())

    def test_another_users_blob_gives_the_folders_owner_and_group_nothing(self):
        blob = self.cache.blob("meta/tiny", "secret.bin", b"secret")
        model = self.mount(options="allow_other") / "models/llama/tiny"
        for folder, mode in (((NOBODY, NOBODY), 0o600), ((0, NOBODY), 0o640), ((NOBODY, NOBODY), 0o040)):
            with self.subTest(f"{folder} {mode:o}"):
                os.chown(self.cache.repo("meta/tiny"), *folder)
                os.chown(blob, 1234, 1234)
                blob.chmod(mode)
                self.assertTrue(wait_until(lambda: os.stat(model).st_uid == folder[0] and os.stat(model).st_gid == folder[1]))
                self.denied(errno.EACCES, blob.read_bytes)
                self.assertTrue(wait_until(lambda: not os.stat(model / "secret.bin").st_mode & 0o444))
                self.denied(errno.EACCES, (model / "secret.bin").read_bytes)
                self.denied(0, (model / "open.bin").read_bytes)
        os.chown(blob, NOBODY, 1234)
        self.assertTrue(wait_until(lambda: os.stat(model / "secret.bin").st_mode & 0o444 == 0))
        blob.chmod(0o600)
        self.assertTrue(wait_until(lambda: os.stat(model / "secret.bin").st_mode & 0o400))

    def test_a_real_file_is_as_private_as_its_folders(self):
        commit = self.cache.add("meta/real", CONFIG)
        snapshot = self.cache.snapshot("meta/real", commit)
        (snapshot / "sub/deep").mkdir(parents=True)
        (snapshot / "sub/deep/real.txt").write_text("private")
        real = self.mount(options="allow_other") / "models/llama/real/sub/deep/real.txt"
        for folder in (snapshot / "sub/deep", snapshot / "sub", snapshot, snapshot.parent):
            with self.subTest(folder.name):
                self.denied(0, real.read_bytes)
                folder.chmod(0o700)
                self.denied(errno.EACCES, (snapshot / "sub/deep/real.txt").read_bytes)
                self.assertTrue(wait_until(lambda: as_user(NOBODY, real.read_bytes) == errno.EACCES))
                folder.chmod(0o755)
                self.assertTrue(wait_until(lambda: as_user(NOBODY, real.read_bytes) == 0))

    def test_a_root_that_is_closed_later_closes_the_mount(self):
        above = self.folder / "above"
        above.mkdir()
        cache = Cache(above / "cache")
        cache.add("meta/tiny", {**CONFIG, "open.bin": b"open"})
        mount = self.mount(cache, options="allow_other")
        file = mount / "models/llama/tiny/open.bin"
        for folder in (cache.root, above):
            with self.subTest(folder.name):
                self.denied(0, file.read_bytes)
                folder.chmod(0o700)
                self.assertTrue(wait_until(lambda: as_user(NOBODY, file.read_bytes) == errno.EACCES, 4))
                self.assertEqual(stat.S_IMODE(os.stat(file).st_mode) & 0o077, 0)
                folder.chmod(0o755)
                self.assertTrue(wait_until(lambda: as_user(NOBODY, file.read_bytes) == 0, 4))

    def test_a_root_that_moves_to_a_closed_folder_closes_the_mount(self):
        private = self.folder / "private"
        private.mkdir(mode=0o700)
        mount = self.mount(options="allow_other")
        file = mount / "models/llama/tiny/open.bin"
        self.denied(0, file.read_bytes)
        self.cache.root.rename(private / "cache")
        self.assertTrue(wait_until(lambda: as_user(NOBODY, file.read_bytes) == errno.EACCES, 4))

    def test_others_cannot_remove(self):
        mount = self.mount(options="allow_other")
        model = mount / "models/llama/tiny"
        os.listdir(model)
        self.denied(errno.EACCES, lambda: os.unlink(model / "open.bin"))
        self.denied(errno.EACCES, lambda: os.rmdir(model))
        self.denied(errno.EACCES, lambda: os.rmdir(mount / "hub/meta/tiny@main"))
        self.assertTrue((model / "open.bin").exists())
        self.assertTrue(self.cache.repo("meta/tiny").exists())

    def test_an_open_root_does_not_open_another_users_repo(self):
        # The parent in the view may be written by all; the repo's folder may not.
        self.cache.root.chmod(0o1777)
        mount = self.mount(options="allow_other")
        # EPERM is the kernel's, which sees the sticky bit first.
        removal = as_user(NOBODY, lambda: os.rmdir(mount / "models/llama/tiny"))
        self.assertIn(removal, (errno.EACCES, errno.EPERM))
        self.denied(errno.EACCES, lambda: os.unlink(mount / "models/llama/tiny/open.bin"))
        self.assertTrue(self.cache.repo("meta/tiny").exists())

    def test_without_allow_other_nobody_gets_in(self):
        mount = self.mount()
        self.denied(errno.EACCES, lambda: os.listdir(mount.point))

    def test_owner_and_group_are_the_repos(self):
        os.chown(self.cache.repo("meta/tiny"), 1234, 2345)
        mount = self.mount()
        for path in ("models/llama/tiny", "models/llama/tiny/open.bin"):
            info = os.stat(mount / path)
            self.assertEqual((info.st_uid, info.st_gid), (1234, 2345), path)

    def test_uid_gid_and_umask_narrow(self):
        mount = self.mount(options="uid=4321,gid=5432,umask=077")
        info = os.stat(mount / "models/llama/tiny/open.bin")
        self.assertEqual((info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode) & 0o077), (4321, 5432, 0))

    def test_a_shown_owner_gets_no_rights_by_it(self):
        mount = self.mount(options=f"allow_other,uid={NOBODY}")
        model = mount / "models/llama/tiny"
        for name in ("open.bin", "far.bin"):
            self.denied(errno.EACCES, lambda name=name: os.unlink(model / name))
            self.assertTrue((model / name).exists(), name)
        self.denied(errno.EACCES, lambda: os.rmdir(model))
        self.assertTrue(self.cache.repo("meta/tiny").exists())

    def test_read_only_mount(self):
        mount = self.mount(options="ro")
        self.assertErrno(errno.EROFS, os.unlink, mount / "models/llama/tiny/open.bin")
        self.assertErrno(errno.EROFS, os.rmdir, mount / "models/llama/tiny")

    def test_owner_removes_what_is_theirs(self):
        theirs = self.cache.root
        for base, folders, names in os.walk(theirs):
            for name in [".", *folders, *names]:
                os.chown(os.path.join(base, name), NOBODY, NOBODY, follow_symlinks=False)
        mount = self.mount(options="allow_other")
        self.denied(0, lambda: os.unlink(mount / "models/llama/tiny/open.bin"))
        self.denied(0, lambda: os.rmdir(mount / "models/llama/tiny"))
        self.assertFalse(self.cache.repo("meta/tiny").exists())


if __name__ == "__main__":
    main()
