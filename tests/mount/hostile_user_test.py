# SPDX-License-Identifier: Apache-2.0
"""Users of a mount who try everything: the exact errno of each, no effect, and a daemon that goes on."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import threading
import time
import unittest.mock

import hubfs_mount
from hostile_support import is_well
from hubfs_mount import LIBC, NOBODY, SLOW, MountTest, as_user, errno_of, main, name_of, noise, run, wait_until

FILES = {"config.json": b'{"model_type": "llama"}', "w.bin": noise(3_000_000, 1), "sub/x.txt": b"x" * 5000}
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FICLONE, FIFREEZE = 0x80086601, 0x40086602, 0x40049409, 0xC0045877


def checked(result):
    """A call of the C library, as os functions report it."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class HostileUserTest(MountTest):
    def setUp(self):
        super().setUp()
        self.cache.add("meta/tiny", FILES)
        self.before = self.fingerprint()

    def fingerprint(self):
        found = {}
        for path in sorted(self.cache.root.rglob("*")):
            info = path.lstat()
            found[str(path)] = (info.st_ino, info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns, info.st_nlink)
        return found

    def check(self, mounted):
        self.assertTrue(is_well(mounted))
        self.assertEqual((mounted / "models/llama/tiny/w.bin").read_bytes(), FILES["w.bin"])
        after = self.fingerprint()
        self.assertEqual({p: (self.before.get(p), after.get(p)) for p in {**self.before, **after} if self.before.get(p) != after.get(p) and ".locks" not in p}, {})

    def try_all(self, attempts):
        for what, (codes, action) in attempts.items():
            with self.subTest(what):
                self.assertErrnoIn(codes, action)

    def assertErrnoIn(self, codes, action, *arguments):
        """One of the names (or "0"); some numbers have two."""
        code = errno_of(action, *arguments)
        self.assertIn(code, [0 if name == "0" else getattr(errno, name) for name in codes.split()], name_of(code))

    def changes(self, mounted):
        """Everything that would change something, on a file, a folder and a place that is not there; and its errno."""
        model = mounted / "models/llama/tiny"
        for place, is_file in ((model / "w.bin", True), (model / "sub", False), (model, False), (mounted / "models", False), (mounted.point, False)):
            name = str(place.relative_to(mounted.point))
            yield f"chmod {name}", ("EROFS", lambda p=place: os.chmod(p, 0o777))
            yield f"chown {name}", ("EROFS", lambda p=place: os.chown(p, 1, 1))
            yield f"utime {name}", ("EROFS", lambda p=place: os.utime(p, (1, 1)))
            yield f"setxattr {name}", ("EROFS", lambda p=place: os.setxattr(p, "user.x", b"x"))
            yield f"trusted {name}", ("EROFS EOPNOTSUPP", lambda p=place: os.setxattr(p, "trusted.x", b"x"))
            yield f"capability {name}", ("EOPNOTSUPP", lambda p=place: os.setxattr(p, "security.capability", b"\x01\0\0\x02" + bytes(16)))
            yield f"acl {name}", ("EOPNOTSUPP", lambda p=place: os.setxattr(p, "system.posix_acl_access", struct.pack("<I", 2)))
            yield f"removexattr {name}", ("EROFS ENODATA", lambda p=place: os.removexattr(p, "user.hubfs.pinned"))
            yield f"link {name}", ("EROFS" if is_file else "EPERM", lambda p=place: os.link(p, mounted / "models/llama/tiny/new"))
            yield f"rename {name}", ("EROFS EBUSY EINVAL EXDEV", lambda p=place: os.rename(p, mounted / "models/llama/new"))
            if is_file:
                for flags in ("O_WRONLY", "O_RDWR", "O_WRONLY|O_APPEND", "O_RDONLY|O_TRUNC", "O_RDWR|O_CREAT|O_TRUNC"):
                    bits = sum(getattr(os, flag) for flag in flags.split("|"))
                    yield f"open {flags} {name}", ("EROFS", lambda p=place, b=bits: os.close(os.open(p, b)))
                yield f"truncate {name}", ("EROFS", lambda p=place: os.truncate(p, 0))
                yield f"O_EXCL {name}", ("EEXIST", lambda p=place: os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                continue
            yield f"create in {name}", ("EROFS", lambda p=place: os.close(os.open(p / "new", os.O_CREAT | os.O_WRONLY)))
            yield f"mkdir in {name}", ("EROFS", lambda p=place: os.mkdir(p / "new"))
            yield f"symlink in {name}", ("EROFS", lambda p=place: os.symlink("x", p / "new"))
            yield f"mkfifo in {name}", ("EROFS", lambda p=place: os.mkfifo(p / "new"))
            yield f"mknod in {name}", ("EROFS", lambda p=place: os.mknod(p / "new", stat.S_IFCHR | 0o666, os.makedev(1, 3)))
            yield f"O_TMPFILE in {name}", ("EOPNOTSUPP EROFS", lambda p=place: os.close(os.open(p, os.O_TMPFILE | os.O_RDWR)))
            yield f"open as file {name}", ("EISDIR", lambda p=place: os.open(p, os.O_WRONLY))

    def test_everything_that_would_change_something(self):
        mounted = self.mount()
        self.try_all(dict(self.changes(mounted)))
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        os.chdir(mounted / "models/llama/tiny")
        self.addCleanup(os.chdir, "/")
        self.assertErrno(errno.EROFS, server.bind, "socket")
        os.chdir("/")
        self.check(mounted)

    def test_what_can_be_asked_of_an_open_file(self):
        outside = os.open(self.folder / "outside", os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, outside)
        for options in ("", "nopassthrough"):
            mounted = self.mount(options=options)
            fd = os.open(mounted / "models/llama/tiny/w.bin", os.O_RDONLY)
            word = bytearray(8)
            self.try_all({
                f"{what} {options}": (codes, action) for what, codes, action in (
                    ("getflags", "ENOTTY ENOSYS EOPNOTSUPP", lambda: fcntl.ioctl(fd, FS_IOC_GETFLAGS, word)),
                    ("setflags", "ENOTTY ENOSYS EOPNOTSUPP EROFS", lambda: fcntl.ioctl(fd, FS_IOC_SETFLAGS, b"\0" * 8)),
                    ("freeze", "ENOTTY ENOSYS EOPNOTSUPP EPERM", lambda: fcntl.ioctl(fd, FIFREEZE, 0)),
                    ("clone", "EBADF EXDEV EOPNOTSUPP EINVAL", lambda: fcntl.ioctl(fd, FICLONE, outside)),
                    ("unknown ioctl", "ENOTTY ENOSYS", lambda: fcntl.ioctl(fd, 0x40087A7A, b"\0" * 8)),
                    ("fallocate", "EBADF", lambda: checked(LIBC.fallocate(fd, FALLOC_FL_KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(10)))),
                    ("punch", "EBADF", lambda: checked(LIBC.fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(10)))),
                    ("write", "EBADF", lambda: os.write(fd, b"x")),
                    ("pwrite", "EBADF", lambda: os.pwrite(fd, b"x", 1)),
                    ("ftruncate", "EINVAL EBADF EROFS", lambda: os.ftruncate(fd, 0)),
                    ("fchmod", "EROFS", lambda: os.fchmod(fd, 0o777)),
                    ("copy into", "EBADF", lambda: os.copy_file_range(outside, fd, 10)),
                    ("shared writable map", "EACCES", lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)),
                    ("negative offset", "EINVAL", lambda: os.pread(fd, 1, -1)),
                    ("huge offset", "0", lambda: os.pread(fd, 1, 2**62)),
                    ("beyond the last offset", "0 EINVAL EOVERFLOW", lambda: os.pread(fd, 10, 2**63 - 2)),
                    ("seek before", "EINVAL", lambda: os.lseek(fd, -1, os.SEEK_SET)),
                    ("seek to data past the end", "ENXIO", lambda: os.lseek(fd, 1 << 40, os.SEEK_DATA)),
                    ("fsync", "0", lambda: os.fsync(fd)),
                    ("advice", "0", lambda: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)),
                    ("shared lock", "0", lambda: fcntl.flock(fd, fcntl.LOCK_SH)),
                    ("record lock", "0", lambda: fcntl.lockf(fd, fcntl.LOCK_SH)),
                )})
            data = FILES["w.bin"]
            with mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as private:
                private[:5] = b"mine!"
                self.assertEqual(private[5:], data[5:])
            reads, writes = os.pipe()
            self.assertEqual(os.splice(fd, writes, 1000, 77), 1000)
            self.assertEqual(os.read(reads, 1000), data[77:1077])
            self.assertGreater(os.sendfile(outside, fd, 5, 3000), 0)
            code = errno_of(os.copy_file_range, fd, outside, 4096, 12345, 0)
            self.assertIn(name_of(code), ("0", "EXDEV"))
            self.assertTrue(code or os.pread(outside, 4096, 0) == data[12345 : 12345 + 4096])
            for each in (reads, writes, fd):
                os.close(each)
            self.check(mounted)
            self.end(mounted)

    def test_direct_reads_at_odd_places(self):
        data = FILES["w.bin"]
        for options in ("", "nopassthrough"):
            mounted = self.mount(options=options)
            path = mounted / "models/llama/tiny/w.bin"
            # With passthrough the cache's own file system says what it takes of O_DIRECT.
            code = errno_of(lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_DIRECT)))
            self.assertIn(name_of(code), ("0", "EINVAL"))
            if code == 0:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
                for offset, length in ((0, 4096), (1, 511), (4095, 4098), (len(data) - 10, 4096), (len(data), 4096), (len(data) + 1, 7), (513, 1 << 20)):
                    with mmap.mmap(-1, 2 << 20) as memory:
                        got = None
                        with contextlib.suppress(OSError):
                            got = os.preadv(fd, [memoryview(memory)[1 : 1 + length]], offset)
                        if got is not None:
                            self.assertEqual(memory[1 : 1 + got], data[offset : offset + length][:got])
                os.close(fd)
            self.check(mounted)
            self.end(mounted)

    def test_names_of_every_kind_and_length(self):
        mounted = self.mount()
        names = [b"n" * 255, b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"new\nline", b"\x01", b" ", b"%00", b"%2F", b"@", b"@@@@", b"a@b@c", b"~", b"--", b"..git",
                 b"org--name@" + b"x" * 200, b"%" * 255, b"name@%2E%2E%2F%2E%2E", b"tiny@" + b"f" * 40, b"tiny@../../main"[:11]]
        folders = ["", ".hubfs", "models", "models/llama", "models/llama/tiny", "models/llama/tiny/sub", "hub", "hub/meta", "hub/meta/tiny@main", "hub/_"]
        for folder in folders:
            base = os.fsencode(mounted / folder)
            for name in names:
                with self.subTest(folder=folder, name=name):
                    # Nothing listens at the Hub's address: what could be a repo there is out of reach.
                    self.assertErrnoIn("ENOENT ENETUNREACH", os.stat, base + b"/" + name)
                    self.assertErrnoIn("ENOENT ENETUNREACH EPERM", os.unlink, base + b"/" + name)
                    self.assertErrnoIn("ENOENT ENETUNREACH EPERM", os.rmdir, base + b"/" + name)
            self.assertErrno(errno.ENAMETOOLONG, os.stat, base + b"/" + b"n" * 256)
            self.assertErrno(errno.ENAMETOOLONG, os.unlink, base + b"/" + b"n" * 256)
        self.assertErrno(errno.ENAMETOOLONG, os.stat, os.fsencode(mounted.point) + b"/hub" * 1100)
        self.check(mounted)

    def test_attributes_by_the_thousand(self):
        mounted = self.mount()
        path = mounted / "models/llama/tiny/w.bin"
        known = os.listxattr(path)
        for name in ("user.hubfs.", "user.hubfs.x", "user.hubfs.etag.", "user." + "x" * 250, "trusted.x", "security.selinux", "user.hubfs.pinned\n"):
            self.assertErrnoIn("ENODATA EOPNOTSUPP", os.getxattr, path, name)
        self.assertErrno(errno.ERANGE, os.getxattr, path, "user." + "x" * 251)
        for value in (b"", b"2", b"yes", b"1" * 65_536, b"\0", b"1\0", b"-1", b"\xff"):
            for name in ("user.hubfs.pinned", "user.hubfs.fetch"):
                self.assertErrno(errno.EINVAL, os.setxattr, path, name, value)
        for name in ("user.hubfs.etag", "user.hubfs.state", "user.hubfs.repo_id"):
            self.assertErrno(errno.EROFS, os.setxattr, path, name, b"x")
        self.assertErrno(errno.E2BIG, os.setxattr, path, "user.hubfs.pinned", b"1" * 65_537)
        self.assertErrno(errno.ERANGE, lambda: checked(LIBC.getxattr(os.fsencode(path), b"user.hubfs.etag", ctypes.create_string_buffer(3), 3)))
        self.assertErrno(errno.ERANGE, lambda: checked(LIBC.listxattr(os.fsencode(path), ctypes.create_string_buffer(3), 3)))

        def flood():
            for number in range(500):
                for name in known:
                    with contextlib.suppress(OSError):
                        os.getxattr(path, name)
                with contextlib.suppress(OSError):
                    os.setxattr(path, f"user.flood.{number}", b"x" * 60_000)

        threads = [threading.Thread(target=flood) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(os.listxattr(path), known)
        self.check(mounted)

    def test_very_many_open_files(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        many = min(2000 if SLOW else 20_000, before[1] - 200)
        self.assertGreaterEqual(many, 2000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (many + 200, before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        mounted = self.mount()
        path = mounted / "models/llama/tiny/w.bin"
        opened = []
        with contextlib.ExitStack() as stack:
            for _ in range(many):
                opened.append(os.open(path, os.O_RDONLY))
                stack.callback(os.close, opened[-1])
            self.assertEqual(os.pread(opened[-1], 10, 1000), FILES["w.bin"][1000:1010])
            # The bytes of a file are open once, however often it is.
            self.assertLess(len(os.listdir(f"/proc/{mounted.pid}/fd")), 500)
            self.assertTrue(is_well(mounted))
        self.assertTrue(wait_until(lambda: mounted.status()["open_files"] == 0, 20))
        self.check(mounted)

    def test_more_files_than_the_daemon_may_open(self):
        for number in range(300):
            self.cache.put("meta/many", "d" * 40, f"f-{number}", b"%d" % number)
        self.cache.ref("meta/many", "main", "d" * 40)
        self.before = self.fingerprint()
        limited = self.folder / "limited"
        limited.write_text(f'#!/bin/sh\nulimit -n 200 && exec "{hubfs_mount.HUBFS}" "$@"\n')
        limited.chmod(0o755)
        with unittest.mock.patch.object(hubfs_mount, "HUBFS", str(limited)):
            mounted = self.mount()
        opened, codes = [], set()
        for number in range(300):
            try:
                opened.append(os.open(mounted / f"hub/meta/many@main/f-{number}", os.O_RDONLY))
            except OSError as error:
                codes.add(name_of(error.errno))
        self.assertLessEqual(codes, {"EMFILE", "ENFILE"})
        self.assertTrue(is_well(mounted), "the report needs no file")
        for fd in opened:
            os.close(fd)
        self.assertTrue(wait_until(lambda: mounted.status()["open_files"] == 0, 20))
        for number in range(300):
            self.assertEqual((mounted / f"hub/meta/many@main/f-{number}").read_bytes(), b"%d" % number)
        self.check(mounted)

    def test_listing_while_names_go(self):
        for number in range(400):
            self.cache.put("meta/many", "d" * 40, f"f-{number:03}", b"%d" % number)
        self.cache.ref("meta/many", "main", "d" * 40)
        mounted = self.mount()
        folder = mounted / "hub/meta/many@main"
        stay = {f"f-{number:03}" for number in range(0, 400, 2)}
        wrong = []

        def look():
            for _ in range(10_000):
                names = os.listdir(folder)
                if len(names) != len(set(names)) or not stay <= set(names):
                    wrong.append(names)
                if len(names) == len(stay):
                    return

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 400, 2):
            os.unlink(folder / f"f-{number:03}")
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(wrong, [])
        self.assertEqual(set(os.listdir(folder)), stay)

    def test_another_user(self):
        """With allow_other never more than the cache allows, without it nothing at all."""
        self.cache.blob("meta/tiny", "sub/x.txt", FILES["sub/x.txt"]).chmod(0o600)
        self.before = self.fingerprint()
        mounted = self.mount(options="allow_other")
        model = mounted / "models/llama/tiny"
        self.assertEqual(as_user(NOBODY, (model / "w.bin").read_bytes), 0)
        attempts = {"read a private file": ("EACCES", (model / "sub/x.txt").read_bytes), "unlink": ("EACCES EPERM", lambda: os.unlink(model / "w.bin")),
                    "rmdir": ("EACCES EPERM", lambda: os.rmdir(model)), "rmdir by ref": ("EACCES EPERM", lambda: os.rmdir(mounted / "hub/meta/tiny@main")),
                    "pin": ("EACCES EPERM", lambda: os.setxattr(model, "user.hubfs.pinned", b"1")),
                    "chmod": ("EPERM EROFS", lambda: os.chmod(model, 0o777)), "write": ("EACCES EROFS", lambda: os.open(model / "w.bin", os.O_RDWR)),
                    "create": ("EACCES EROFS", lambda: os.open(model / "new", os.O_RDWR | os.O_CREAT)), "mkdir": ("EACCES EROFS", lambda: os.mkdir(model / "new")),
                    "rename": ("EACCES EROFS EPERM", lambda: os.rename(model / "w.bin", model / "new"))}
        for what, (codes, action) in attempts.items():
            with self.subTest(what):
                self.assertIn(name_of(as_user(NOBODY, action)), codes.split())
        self.check(mounted)
        self.end(mounted)
        alone = self.mount()
        self.assertEqual(name_of(as_user(NOBODY, lambda: os.listdir(alone.point))), "EACCES")
        self.assertEqual(name_of(as_user(NOBODY, lambda: os.stat(alone / "models"))), "EACCES")

    def test_signals_and_dying_readers_by_the_hundred(self):
        mounted = self.mount()
        path = mounted / "models/llama/tiny/w.bin"
        children = []
        for _ in range(100):
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    while True:
                        path.read_bytes()
                        os.listdir(path.parent)
                os._exit(0)
            children.append(child)
        time.sleep(0.5)
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        self.assertEqual(run("ls", "-lR", mounted.point).returncode, 0)
        self.assertTrue(wait_until(lambda: mounted.status()["open_files"] == 0, 20))
        self.check(mounted)


if __name__ == "__main__":
    main()
