# SPDX-License-Identifier: Apache-2.0
"""The errno cases of pjdfstest that apply to a file system which takes only removals, as tests of our own.

| group of pjdfstest | here |
|---|---|
| unlink, rmdir, open | below; EFAULT and EIO cannot be provoked, ETXTBSY and ELOOP need files and links that the view never has |
| chmod, chown, utimensat, truncate, ftruncate, posix_fallocate | only that they are refused: nothing of a file can be changed |
| link, symlink, mkdir, mkfifo, mknod, rename | only that they are refused: nothing can be made |
| granular, chflags, NFSv4 ACLs | of other kernels |
| sticky, permission and owner cases of unlink and rmdir | permissions_test.py and remove_test.py: they are checked against the cache |
| ctime and mtime after a change | not kept: times are those of the commit |
"""

import errno
import os
import stat

from hubfs_mount import MountTest, main

LONG = "n" * 256


class PosixTest(MountTest):
    def setUp(self):
        super().setUp()
        self.cache.add("meta/m", {"config.json": '{"model_type": "llama"}', "sub/w.bin": b"w" * 9000})
        self.model = self.mount() / "models/llama/m"
        self.file, self.folder = self.model / "config.json", self.model / "sub"

    def test_unlink(self):
        for expected, path in ((errno.ENOENT, self.model / "none"), (errno.ENOENT, self.model / "none/none"),
                               (errno.ENOTDIR, self.file / "none"), (errno.ENAMETOOLONG, self.model / LONG),
                               (errno.ENAMETOOLONG, f"{self.model}/{'x/' * 2100}x"), (errno.EISDIR, self.folder)):
            self.assertErrno(expected, os.unlink, path)
        os.unlink(self.file)
        self.assertErrno(errno.ENOENT, os.unlink, self.file)
        self.assertErrno(errno.ENOENT, os.lstat, self.file)

    def test_an_open_file_outlives_its_name(self):
        with open(self.folder / "w.bin", "rb") as file:
            os.unlink(self.folder / "w.bin")
            self.assertEqual(file.read(), b"w" * 9000)
            self.assertEqual(os.fstat(file.fileno()).st_size, 9000)

    def test_rmdir(self):
        for expected, path in ((errno.ENOENT, self.model / "none"), (errno.ENOTDIR, self.file), (errno.ENOTDIR, self.file / "none"),
                               (errno.ENAMETOOLONG, self.model / LONG), (errno.EINVAL, f"{self.folder}/."),
                               (errno.ENOTEMPTY, self.folder), (errno.ENOTEMPTY, f"{self.folder}/.."), (errno.ENOTEMPTY, self.model.parent)):
            self.assertErrno(expected, os.rmdir, path)
        os.unlink(self.folder / "w.bin")
        os.rmdir(self.folder)
        self.assertErrno(errno.ENOENT, os.rmdir, self.folder)

    def test_open(self):
        for expected, path, flags in ((errno.ENOENT, self.model / "none", os.O_RDONLY), (errno.ENOTDIR, self.file / "none", os.O_RDONLY),
                                      (errno.ENOTDIR, self.file, os.O_RDONLY | os.O_DIRECTORY), (errno.EISDIR, self.folder, os.O_WRONLY),
                                      (errno.EEXIST, self.file, os.O_CREAT | os.O_EXCL), (errno.ENAMETOOLONG, self.model / LONG, os.O_RDONLY),
                                      (errno.EROFS, self.file, os.O_WRONLY), (errno.EROFS, self.file, os.O_RDWR),
                                      (errno.EROFS, self.file, os.O_WRONLY | os.O_TRUNC), (errno.EROFS, self.model / "new", os.O_CREAT | os.O_WRONLY)):
            self.assertErrno(expected, os.open, path, flags)
        for flags in (os.O_RDONLY | os.O_CREAT, os.O_RDONLY | os.O_NOFOLLOW, os.O_RDONLY | os.O_NONBLOCK, os.O_PATH):
            os.close(os.open(self.file, flags))

    def test_nothing_can_be_made_or_changed(self):
        new = self.model / "new"
        for action in (lambda: os.mkdir(new), lambda: os.mkfifo(new), lambda: os.mknod(new, stat.S_IFREG | 0o600), lambda: os.symlink("x", new),
                       lambda: os.link(self.file, new), lambda: os.rename(self.file, new), lambda: os.rename(self.folder, new),
                       lambda: os.chmod(self.file, 0o777), lambda: os.chown(self.file, 1, 1), lambda: os.utime(self.file, (1, 1)),
                       lambda: os.truncate(self.file, 0)):
            self.assertErrno(errno.EROFS, action)
        for action in (lambda: os.mkdir(self.folder), lambda: os.mkfifo(self.file), lambda: os.symlink("x", self.file)):
            self.assertErrno(errno.EEXIST, action)
        self.assertEqual(self.files(self.model), ["config.json", "sub/w.bin"])


if __name__ == "__main__":
    main()
