# SPDX-License-Identifier: Apache-2.0
"""Signals to a program whose read waits for the Hub: what ends it ends it at once, what does not leaves the read alone."""

import json
import signal
import subprocess
import sys
import time

from hubfs_mount import MountTest, main

READ = "import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); print(flush=True); os.pread(fd, 100, 500_000)"
MAPPED = ("import mmap, os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); m = mmap.mmap(fd, 0, prot=mmap.PROT_READ); "
          "print(flush=True); m[500_000]")
CORE_DUMPING = ("SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS", "SIGXCPU", "SIGXFSZ")


class SignalTest(MountTest):
    def setUp(self):
        super().setUp()
        self.served = self.hub()
        files = {f"{i}.bin": {"size": 1 << 20, "seed": i} for i in range(20)}
        self.cache.hub_add(self.served, "meta/tiny", {"config.json": json.dumps({"model_type": "llama"}), **files},
                           cached=["config.json"])
        self.served.fault(path="*.bin*", hang_after=100_000)
        self.model = self.mount(hub=self.served) / "models/llama/tiny"
        self.used = 0

    def waiting(self, code, before=""):
        """A program that waits for bytes that do not come."""
        code = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); import signal; " + before + "\n" + code
        process = self.start(sys.executable, "-c", code, self.model / f"{self.used}.bin", stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.used += 1
        self.assertEqual(process.stdout.readline(), b"\n")
        time.sleep(0.1)  # into the read
        self.assertIsNone(process.poll())
        return process

    def test_signals_that_dump_core_end_a_read(self):
        for name in CORE_DUMPING:
            with self.subTest(name):
                process = self.waiting(READ, "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)")
                process.send_signal(getattr(signal, name))
                self.assertEqual(process.wait(2), -getattr(signal, name))

    def test_and_a_page_fault(self):
        process = self.waiting(MAPPED)
        process.send_signal(signal.SIGQUIT)
        # The fault fails first, so that the program may die of that.
        self.assertIn(process.wait(2), (-signal.SIGQUIT, -signal.SIGBUS))

    def test_what_is_blocked_ignored_or_caught_does_not(self):
        for before in ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGQUIT})",
                       "signal.signal(signal.SIGQUIT, signal.SIG_IGN)",
                       "signal.signal(signal.SIGQUIT, lambda *_: None)"):
            with self.subTest(before):
                process = self.waiting(READ, before)
                process.send_signal(signal.SIGQUIT)
                time.sleep(0.4)
                self.assertIsNone(process.poll())
                process.kill()
                self.assertEqual(process.wait(2), -signal.SIGKILL)


if __name__ == "__main__":
    main()
