# SPDX-License-Identifier: Apache-2.0
"""A daemon that dies: killed with open files, or by a bug of its own; and what it may do while it lives."""

import errno
import json
import os
import resource
import signal
import socket
from pathlib import Path

from hubfs_mount import HUBFS, LIBC, MountTest, errno_of, is_mounted, main, noise, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})
CAPABILITIES = {0: "CHOWN", 1: "DAC_OVERRIDE", 2: "DAC_READ_SEARCH", 3: "FOWNER", 4: "FSETID", 19: "SYS_PTRACE",
                21: "SYS_ADMIN"}


class CrashTest(MountTest):
    def setUp(self):
        super().setUp()
        self.weights = noise(300_000, 1)
        self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": self.weights})

    def crash(self, number, thread=None, **kwargs):
        """A mount of which a signal has ended a thread (the main one if none is given), as a bug would."""
        mounted = self.mount(**kwargs)
        self.assertEqual(os.listdir(mounted / "models"), ["llama"])
        others = [int(task) for task in os.listdir(f"/proc/{mounted.pid}/task") if int(task) != mounted.pid]
        LIBC.tgkill(mounted.pid, mounted.pid if thread is None else sorted(others)[thread], number)
        self.assertEqual(mounted.process.wait(20), -number, mounted.log())
        return mounted

    def test_a_bug_ends_with_a_trace_and_without_a_mount(self):
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            with self.subTest(number):
                mounted = self.crash(number)
                log = mounted.log()
                self.assertIn(f"a bug in hubfs: it ends with {signal.Signals(number).name}", log)
                # The name of a function of the program itself.
                self.assertIn("mount_command", log)
                self.assertIn("the mount was detached", log)
                self.assertFalse(is_mounted(mounted.point))
                mounted.kill()

    def test_in_any_thread(self):
        # The network's, the FUSE threads and all others: one that blocks the signals of a bug dies without a word.
        idle = self.mount()
        threads = len(os.listdir(f"/proc/{idle.pid}/task")) - 1
        self.assertEqual(idle.unmount(), "")
        self.assertGreater(threads, 5)
        for thread in range(0, threads - 2):
            with self.subTest(thread):
                mounted = self.crash(signal.SIGSEGV, thread=thread)
                self.assertIn("it ends with SIGSEGV; the trace:\n/", mounted.log())
                self.assertFalse(is_mounted(mounted.point))
                mounted.kill()

    def test_and_with_a_file_as_log(self):
        log = self.folder / "log"
        mounted = self.crash(signal.SIGSEGV, extra=("--log", str(log)))
        self.assertIn("it ends with SIGSEGV", log.read_text())
        self.assertIn("mount_command", log.read_text())
        mounted.kill()

    def test_what_is_mounted_over_it_stays(self):
        mounted = self.mount()
        point = mounted.point
        self.assertEqual(run("mount", "-t", "tmpfs", "none", point).returncode, 0)
        self.addCleanup(run, "umount", "-l", point)
        (point / "precious").write_text("data")
        mounted.process.send_signal(signal.SIGSEGV)
        self.assertEqual(mounted.process.wait(20), -signal.SIGSEGV)
        self.assertEqual((point / "precious").read_text(), "data")
        mounted.ended = True
        self.assertEqual(LIBC.umount2(os.fsencode(point), 2), 0)
        self.assertTrue(is_mounted(point))  # the dead one below
        mounted.kill()

    def test_a_killed_daemon_with_open_files_is_recovered(self):
        point = self.folder / "point"
        point.mkdir()
        start = (HUBFS, "mount", "--cache", self.cache.root, "--endpoint", "http://127.0.0.1:9", "-o", "nopassthrough", point)
        self.addCleanup(run, HUBFS, "umount", "--lazy", point)
        self.assertEqual(run(*start).returncode, 0)
        pid = json.loads((point / ".hubfs/status.json").read_text())["pid"]
        path = point / "models/llama/tiny/model.safetensors"
        # O_DIRECT: what is in the page cache can be read without a daemon.
        held = os.open(path, os.O_RDONLY | os.O_DIRECT)
        self.addCleanup(errno_of, os.close, held)
        folder = os.open(path.parent, os.O_RDONLY)
        self.addCleanup(errno_of, os.close, folder)
        os.kill(pid, signal.SIGKILL)
        control = point / ".hubfs/status.json"
        self.assertTrue(wait_until(lambda: errno_of(open, control) == errno.ENOTCONN, 20))
        # hubfs says nothing to a mount that is dead, and takes its place.
        done = run(*start)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertErrno(errno.ENOTCONN, os.pread, held, 4096, 0)
        self.assertErrno(errno.ENOTCONN, os.open, "config.json", os.O_RDONLY, dir_fd=folder)
        self.assertEqual(path.read_bytes(), self.weights)

    def test_it_keeps_no_more_rights_than_it_needs(self):
        mounted = self.mount()
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{mounted.pid}/status").read_text().splitlines() if ":\t" in line)
        for name in ("CapPrm", "CapEff", "CapInh"):
            held = int(status[name], 16)
            self.assertEqual(held & ~sum(1 << number for number in CAPABILITIES), 0, f"{name} is {held:x}")
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        for task in Path(f"/proc/{mounted.pid}/task").iterdir():
            self.assertIn(f"CapEff:\t{status['CapEff']}\n", (task / "status").read_text())

    def test_no_core_file_and_as_many_open_files_as_allowed(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        mounted = self.mount()
        limits = {line[:26].strip(): line[26:].split() for line in Path(f"/proc/{mounted.pid}/limits").read_text().splitlines()}
        self.assertEqual(limits["Max open files"][:2], [str(hard)] * 2)
        # 1 is never, also where the kernel hands core files to a program.
        self.assertEqual(limits["Max core file size"][:2], ["1", "1"])

    def test_a_service_manager_is_told_when_the_mount_can_be_used(self):
        for name in (str(self.folder / "notify"), "@hubfs-test-" + self.folder.name):
            with self.subTest(name), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(name.replace("@", "\0"))
                manager.settimeout(20)
                mounted = self.mount(env={"NOTIFY_SOCKET": name})
                self.assertEqual(manager.recv(100), b"READY=1")
                self.assertEqual(mounted.unmount(), "")


if __name__ == "__main__":
    main()
