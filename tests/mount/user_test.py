# SPDX-License-Identifier: Apache-2.0
"""`hubfs mount` as an ordinary user, through fusermount3 and so without passthrough.

Runs in a mount namespace of its own, where /dev/fuse is open to everybody, as it is on most systems.
"""

import errno
import json
import os
import pwd
import shutil
import stat
import sys
from pathlib import Path

from hubfs_mount import HUBFS, NOBODY, MountTest, as_user, is_mounted, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
INSIDE = "HUBFS_TEST_INSIDE"


def enter_namespace():
    """Starts this script again where what it mounts, and the mode of the device, concern nobody else."""
    # In a changed root "/" may be no mountpoint; /dev is one there.
    private = "mount --make-rprivate / 2>/dev/null || mount --make-rprivate /dev"
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "unchanged", "sh", "-c", f'{private}; exec "$@"', "sh", sys.executable, "-B",
                          *sys.argv])


class UserTest(MountTest):
    def setUp(self):
        super().setUp()
        if not os.stat("/dev/fuse").st_mode & stat.S_IWOTH:
            device = self.folder / "device"
            os.mknod(device, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
            device.chmod(0o666)
            self.assertEqual(run("mount", "--bind", device, "/dev/fuse").returncode, 0)
            self.addCleanup(run, "umount", "-l", "/dev/fuse")
        self.program = self.folder / "hubfs"
        shutil.copy(os.path.realpath(HUBFS), self.program)
        self.program.chmod(0o755)
        self.weights = noise(200_000, 3)
        self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": self.weights})
        self.point = self.folder / "point"
        self.point.mkdir()
        (self.folder / "log").touch()
        self.give_away(self.cache.root, self.point, self.folder / "log")
        self.addCleanup(run, "umount", "-l", self.point)

    def give_away(self, *paths):
        for path in paths:
            for item in (path, *Path(path).rglob("*")):
                os.chown(item, NOBODY, NOBODY, follow_symlinks=False)

    def as_nobody(self, *args, **kwargs):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "USER": pwd.getpwuid(NOBODY).pw_name}
        return run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *args, env=env, **kwargs)

    def user(self, action):
        return errno.errorcode.get(as_user(NOBODY, action), "fine")

    def mount_as_user(self, *more):
        done = self.as_nobody(self.program, "mount", "--cache", self.cache.root, "--endpoint", "http://127.0.0.1:9",
                              "--log", self.folder / "log", *more, self.point)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(is_mounted(self.point))

    def status(self):
        return json.loads(self.as_nobody("cat", self.point / ".hubfs/status.json").stdout)

    def test_mounts_reads_removes_and_unmounts(self):
        self.mount_as_user()
        model = self.point / "models/llama/tiny"
        done = self.as_nobody("sha256sum", model / "model.safetensors", self.cache.blob("meta/tiny", "model.safetensors", self.weights))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len({line.split()[0] for line in done.stdout.splitlines()}), 1)
        self.assertEqual(self.status()["passthrough_opens"], 0)
        # Its own mount, also against root, as FUSE has it without allow_other.
        self.assertErrno(errno.EACCES, os.listdir, self.point)
        self.assertEqual(self.user(lambda: os.rmdir(model)), "fine")
        self.assertFalse(self.cache.repo("meta/tiny").exists())
        pid = self.status()["pid"]
        status = Path(f"/proc/{pid}/status").read_text()
        self.assertIn("CapEff:\t0000000000000000\n", status)
        done = self.as_nobody(self.program, "umount", self.point)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(is_mounted(self.point))

    def test_a_dead_mount_of_a_user_is_recovered(self):
        self.mount_as_user("-o", "nopassthrough")
        os.kill(self.status()["pid"], 9)
        self.assertTrue(wait_until(lambda: "ENOTCONN" == self.user(lambda: os.open(self.point / ".hubfs/status.json", os.O_RDONLY)), 20))
        self.mount_as_user()
        self.assertEqual(self.as_nobody("cat", self.point / "models/llama/tiny/config.json").stdout, CONFIG)
        self.assertEqual(self.as_nobody(self.program, "umount", self.point).returncode, 0)

    def test_a_cache_of_another_user_can_be_read_and_not_changed(self):
        self.cache.tree("meta/tiny", next(self.cache.repo("meta/tiny").glob("snapshots/*")).name,
                        {"config.json": CONFIG, "model.safetensors": self.weights, "far.bin": b"far"})
        for path in (self.cache.root, *self.cache.root.rglob("*")):
            os.chown(path, 0, 0, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)
        self.mount_as_user()
        model = self.point / "models/llama/tiny"
        self.assertEqual(self.as_nobody("cat", model / "config.json").stdout, CONFIG)
        self.assertEqual(self.user(lambda: os.rmdir(model)), "EACCES")
        self.assertEqual(self.user(lambda: os.unlink(model / "config.json")), "EACCES")
        self.assertEqual(self.user(lambda: os.open(model / "far.bin", os.O_RDONLY)), "EACCES")
        self.assertIn("cannot be written", self.status()["cache_roots"][0]["problem"])
        self.assertEqual(self.as_nobody(self.program, "umount", self.point).returncode, 0)


if __name__ == "__main__":
    if INSIDE not in os.environ:
        enter_namespace()
    main()
