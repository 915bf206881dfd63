# SPDX-License-Identifier: Apache-2.0
"""The command: errors in a sentence, mounting and unmounting in every form, status, ls and rm."""

import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path

from hubfs_mount import HUBFS, NOBODY, Cache, MountTest, errno_of, is_mounted, main, run, wait_until

CONFIG = json.dumps({"model_type": "llama"})


class CommandTest(MountTest):
    def setUp(self):
        super().setUp()
        self.commit = self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": b"w" * 1000})
        self.point = self.folder / "point"
        self.point.mkdir()
        self.addCleanup(self.let_go)

    def let_go(self):
        if is_mounted(self.point):
            run(HUBFS, "umount", "-l", self.point)
        if is_mounted(self.point):
            run("umount", "-l", self.point)

    def hubfs(self, *args, **kwargs):
        return run(HUBFS, *args, **kwargs)

    def background(self, *more):
        done = self.hubfs("mount", "--cache", self.cache.root, "--endpoint", "http://127.0.0.1:9",
                          "--log", self.folder / "log", *more, self.point)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads((self.point / ".hubfs/status.json").read_text())["pid"]

    def refused(self, words, *args):
        done = self.hubfs("mount", *args)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def gone(self, pid):
        return wait_until(lambda: not os.path.exists(f"/proc/{pid}") or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())

    def test_mount_refuses_in_a_sentence(self):
        cache = ("--cache", self.cache.root)
        self.refused("none", *cache, self.folder / "none")
        (self.folder / "full").mkdir()
        (self.folder / "full/file").touch()
        self.refused("not empty", *cache, self.folder / "full")
        self.refused("nonsense", *cache, "-o", "nonsense", self.point)
        self.refused("show=some", *cache, "-o", "show=some", self.point)
        self.refused("relative", "--cache", "relative/path", self.point)
        self.assertNotEqual(self.hubfs("mount", "--cache", "", self.point).returncode, 0)
        self.assertFalse(is_mounted(self.point))

    def test_already_mounted(self):
        self.background()
        self.refused("already mounted", "--cache", self.cache.root, self.point)
        self.assertTrue((self.point / "models/llama/tiny/config.json").exists())

    def test_usable_when_mount_returns_and_gone_when_umount_does(self):
        pid = self.background()
        self.assertEqual((self.point / "models/llama/tiny/config.json").read_text(), CONFIG)
        done = self.hubfs("umount", self.point)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(is_mounted(self.point))
        self.assertTrue(self.gone(pid))
        self.assertNotEqual(self.hubfs("umount", self.point).returncode, 0)

    def test_a_dead_mount_is_recovered(self):
        pid = self.background()
        os.kill(pid, signal.SIGKILL)
        # Attributes of the root may still be remembered by the kernel: what is dead shows in a file that is not.
        self.assertTrue(wait_until(lambda: errno_of(open, self.point / ".hubfs/status.json") == errno.ENOTCONN))
        self.assertTrue(is_mounted(self.point))
        self.assertIn("dead", self.hubfs("status").stdout)
        self.background()
        self.assertEqual((self.point / "models/llama/tiny/config.json").read_text(), CONFIG)

    def test_signals_unmount(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            pid = self.background()
            os.kill(pid, number)
            self.assertTrue(self.gone(pid), f"signal {number}")
            self.assertFalse(is_mounted(self.point))

    def test_mounted_again_at_once(self):
        # The daemon of the first mount must not take the second one away when it ends.
        for _ in range(5):
            self.background()
            run("umount", self.point)
            pid = self.background()
            time.sleep(0.2)
            self.assertTrue(is_mounted(self.point))
            self.assertEqual((self.point / "models/llama/tiny/config.json").read_text(), CONFIG)
            self.assertEqual(self.hubfs("umount", self.point).returncode, 0)
            self.assertTrue(self.gone(pid))

    def test_what_others_mount_on_the_path_stays(self):
        pid = self.background()
        self.assertEqual(run("mount", "-t", "tmpfs", "none", self.point).returncode, 0)
        self.addCleanup(run, "umount", "-l", self.point)
        (self.point / "precious").write_text("data")
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(self.gone(pid))
        self.assertEqual((self.point / "precious").read_text(), "data")
        run("umount", self.point)
        run("umount", "-l", self.point)

    def test_signals_end_the_foreground_with_success(self):
        mounted = self.mount()
        self.assertEqual(mounted.end(5), 0, mounted.log())
        self.assertFalse(is_mounted(mounted.point))

    def test_sigterm_with_an_open_file(self):
        mounted = self.mount()
        fd = os.open(mounted / "models/llama/tiny/config.json", os.O_RDONLY)
        self.addCleanup(errno_of, os.close, fd)  # fails: the file system is gone
        self.assertEqual(mounted.end(5), 0, mounted.log())

    def test_status(self):
        pid = self.background()
        found = [s for s in json.loads(self.hubfs("status", "--json").stdout) if s.get("mountpoint") == str(self.point)]
        self.assertEqual(len(found), 1)
        self.assertEqual((found[0]["pid"], found[0]["repos"]), (pid, 1))
        text = self.hubfs("status", self.point).stdout
        self.assertIn(str(self.point), text)
        self.assertIn(str(self.cache.root), text)
        self.assertNotEqual(self.hubfs("status", self.folder).returncode, 0)

    def test_a_stopped_daemon_stops_no_command(self):
        mounted = self.mount()
        os.kill(mounted.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, mounted.pid, signal.SIGCONT)
        for args in (("status",), ("status", mounted.point), ("status", "--json")):
            done = self.hubfs(*args, timeout=8)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("silent", done.stdout)
            self.assertIn("does not answer", done.stdout)
        done = self.hubfs("mount", "--cache", self.cache.root, mounted.point, timeout=8)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("does not answer", done.stderr)
        start = time.monotonic()
        done = self.hubfs("umount", "-l", mounted.point, timeout=8)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLess(time.monotonic() - start, 1)
        self.assertFalse(is_mounted(mounted.point))

    def test_umount_of_a_stopped_daemon(self):
        mounted = self.mount()
        os.kill(mounted.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, mounted.pid, signal.SIGCONT)
        done = self.hubfs("umount", mounted.point, timeout=8)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(is_mounted(mounted.point))

    def test_another_users_mount_is_not_dead(self):
        program = self.folder / "hubfs"
        shutil.copy(os.path.realpath(HUBFS), program)
        program.chmod(0o755)
        mounted = self.mount()
        user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program)
        done = run(*user, "status", mounted.point)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("dead", done.stdout)
        self.assertIn("another user's", done.stdout)
        done = run(*user, "mount", "--cache", self.folder / "theirs", mounted.point)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(is_mounted(mounted.point))
        self.assertTrue((mounted / "models/llama/tiny").exists())

    def test_a_device_that_may_not_be_opened_is_no_missing_module(self):
        program, device, theirs = self.folder / "hubfs", self.folder / "device", self.folder / "theirs"
        shutil.copy(os.path.realpath(HUBFS), program)
        program.chmod(0o755)
        device.touch(mode=0o600)
        os.chown(self.point, NOBODY, NOBODY)
        theirs.mkdir()
        os.chown(theirs, NOBODY, NOBODY)
        # In a changed root "/" is no mountpoint; /dev is one there.
        private = "(mount --make-rprivate / || mount --make-rprivate /dev) 2>/dev/null || { echo 'no private mounts here'; exit 99; }"
        done = run("unshare", "-m", "--propagation", "unchanged", "sh", "-c",
                   f'{private}; mount --bind "$1" /dev/fuse && shift && exec "$@"', "sh", device,
                   "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                   program, "mount", "--cache", theirs / "cache", self.point)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("cannot open /dev/fuse (Permission denied)", done.stderr)
        self.assertNotIn("modprobe", done.stderr.splitlines()[-1])

    def test_a_cache_whose_path_looks_like_options(self):
        for name in ("a,b", "a\\b", "a\\,ro", "allow_other,x", "a b", "a%s"):
            with self.subTest(name):
                cache = Cache(self.folder / name)
                cache.add("meta/tiny", {"config.json": CONFIG})
                mounted = self.mount(cache)
                self.assertEqual(self.names(mounted / "models/llama"), ["tiny"])
                with open("/proc/self/mountinfo") as table:
                    line = next(line for line in table if line.split()[4] == str(mounted.point))
                source = line.split(" - ")[1].split()[1]
                self.assertEqual(source.encode().decode("unicode_escape"), str(cache.root))
                self.assertNotIn("allow_other", line.split(" - ")[1].split()[2])
                self.assertEqual(mounted.unmount(), "")

    def test_ls(self):
        self.cache.add("org/data", {"a.txt": "x"}, repo_type="dataset")
        done = self.hubfs("ls", "--json", "--cache", self.cache.root)
        items = {item["repo_id"]: item for item in json.loads(done.stdout)}
        self.assertEqual(set(items), {"meta/tiny", "org/data"})
        model = items["meta/tiny"]
        self.assertLessEqual({"repo_id", "repo_type", "family", "type", "name", "path", "commit", "refs", "size_on_disk",
                              "size", "state"}, set(model))
        self.assertEqual((model["repo_type"], model["family"], model["name"], model["path"], model["commit"], model["refs"]),
                         ("model", "llama", "tiny", "models/llama/tiny", self.commit, ["main"]))
        self.assertEqual((model["size"], model["state"]), (1000 + len(CONFIG), "cached"))
        self.assertIn("models/llama/tiny", self.hubfs("ls", "--cache", self.cache.root).stdout)

    def test_ls_counts_a_shared_payload_once_in_the_total(self):
        data = os.urandom(1_000_000)
        for org in ("meta", "copy"):
            self.cache.add(f"{org}/big", {"config.json": CONFIG, "w.safetensors": data})
        etag = self.cache.blob("meta/big", "w.safetensors", data).name
        self.cache.share(data, ("meta/big", etag), ("copy/big", etag))
        lines = self.hubfs("ls", "--cache", self.cache.root).stdout.splitlines()
        self.assertEqual(sum(" 1.0M " in line for line in lines if "/big" in line), 2)
        self.assertRegex(lines[-1], r"^3 repos, 1\.0M on disk$")

    def test_rm_of_every_kind_of_target(self):
        for target in ("model/meta/tiny", "hf://meta/tiny", "models/llama/tiny", self.commit, "hub/meta/tiny@main"):
            with self.subTest(target):
                shutil.rmtree(self.cache.repo("meta/tiny"), ignore_errors=True)
                self.cache.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": b"w" * 1000}, commit=self.commit)
                done = self.hubfs("rm", "-y", "--cache", self.cache.root, target)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertFalse(self.cache.repo("meta/tiny").exists())

    def test_rm_of_a_file_shows_in_a_mount(self):
        self.background()
        self.assertTrue((self.point / "models/llama/tiny/model.safetensors").exists())
        done = self.hubfs("rm", "-y", "--cache", self.cache.root, "hf://meta/tiny/model.safetensors")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(self.cache.blob("meta/tiny", "model.safetensors", b"w" * 1000).exists())
        self.assertTrue(wait_until(lambda: not (self.point / "models/llama/tiny/model.safetensors").exists(), 1.5))

    def test_rm_of_a_path_below_a_mount_is_done_by_that_mount(self):
        other = Cache(self.folder / "other")
        other.add("meta/tiny", {"config.json": CONFIG, "model.safetensors": b"w" * 1000})
        mounted = self.mount(other)
        default = {**os.environ, "HF_HUB_CACHE": str(self.cache.root)}
        blob = other.blob("meta/tiny", "model.safetensors", b"w" * 1000)
        for target, gone in (("model.safetensors", blob), ("", other.repo("meta/tiny"))):
            done = self.hubfs("rm", "-y", mounted / "models/llama/tiny" / target, env=default)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertFalse(gone.exists())
        self.assertTrue(self.cache.blob("meta/tiny", "model.safetensors", b"w" * 1000).exists())

    def test_rm_below_a_mount_of_a_part_of_the_view(self):
        self.cache.add("x/o", {"a": "1"}, repo_type="dataset")
        self.cache.add("o/d", {"a": "1"}, repo_type="dataset")
        mounted = self.mount(options="subtree=hub")
        # datasets/o is an org there, and in the whole view a dataset.
        done = self.hubfs("rm", "-y", "--cache", self.cache.root, "datasets/o", cwd=mounted.point)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not empty", done.stderr)
        self.assertTrue(self.cache.repo("x/o", "dataset").exists())
        done = self.hubfs("rm", "-y", "datasets/o/d", cwd=mounted.point)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse(self.cache.repo("o/d", "dataset").exists())

    def test_rm_below_a_mount_follows_its_rules(self):
        mounted = self.mount()
        model = mounted / "models/llama/tiny"
        os.setxattr(model, "user.hubfs.pinned", b"1")
        for target, words in ((model, "pinned"), (mounted / "models", "top folder"), (mounted.point, "umount"),
                              (model / "none", "No such file")):
            done = self.hubfs("rm", "-y", target)
            self.assertNotEqual(done.returncode, 0, target)
            self.assertIn(words, done.stderr)
        self.assertEqual(mounted.unmount(), "")
        done = self.hubfs("rm", "-y", self.mount(options="ro") / "models/llama/tiny")
        self.assertIn("read-only", done.stderr)
        self.assertTrue(self.cache.repo("meta/tiny").exists())

    def test_rm_never_touches_what_is_mounted_below_a_mount(self):
        mounted = self.mount()
        inner, target = self.folder / "inner", mounted / "models/llama/tiny"
        (inner / "folder").mkdir(parents=True)
        if run("mount", "--bind", inner, target).returncode != 0:
            self.skipTest("no bind mounts here")
        self.addCleanup(run, "umount", "-l", target)
        self.assertNotEqual(self.hubfs("rm", "-y", "--cache", self.cache.root, target / "folder").returncode, 0)
        self.assertTrue((inner / "folder").exists())

    def test_rm_asks_and_complains(self):
        done = self.hubfs("rm", "--cache", self.cache.root, "model/meta/tiny", stdin=-3)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(self.cache.repo("meta/tiny").exists())
        self.assertNotEqual(self.hubfs("rm", "-y", "--cache", self.cache.root, "model/meta/none").returncode, 0)

    def test_the_form_of_mount_8(self):
        helper = self.folder / "mount.hubfs"
        helper.symlink_to(os.path.realpath(HUBFS))
        done = run(helper, self.cache.root, self.point, "-o", "rw,nosuid,nodev,offline,show=cached,_netdev,x-systemd.automount")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.point / "models/llama/tiny/config.json").read_text(), CONFIG)
        self.assertEqual(self.hubfs("umount", self.point).returncode, 0)

    def test_none_stands_for_the_default_cache(self):
        helper = self.folder / "mount.hubfs"
        helper.symlink_to(os.path.realpath(HUBFS))
        done = run(helper, "none", self.point, "-o", "offline", env={**os.environ, "HF_HUB_CACHE": str(self.cache.root)})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.point / "models/llama/tiny/config.json").read_text(), CONFIG)
        self.assertEqual(self.hubfs("umount", self.point).returncode, 0)

    def test_options_of_fstab(self):
        words = ("atime,noatime,diratime,nodiratime,relatime,norelatime,strictatime,nostrictatime,lazytime,nolazytime,silent,loud,"
                 "symfollow,nosymfollow,iversion,noiversion,mand,nomand,dev,nodev,suid,nosuid,exec,noexec,sync,async,dirsync,rw,ro,"
                 "defaults,auto,noauto,user,nouser,users,nofail,_netdev,owner,group,x-systemd.automount,comment=x")
        for word in words.split(","):
            with self.subTest(word):
                mounted = self.mount(options=word)
                self.assertTrue((mounted / "models/llama/tiny/config.json").exists())
                self.assertEqual(mounted.unmount(), "")

    def test_mount_t_hubfs(self):
        helpers = ["/sbin/mount.hubfs", "/sbin/mount.fuse.hubfs"]
        if any(os.path.lexists(helper) for helper in helpers):
            self.skipTest("hubfs is installed on this machine")
        for helper in helpers:
            os.symlink(os.path.realpath(HUBFS), helper)
            self.addCleanup(os.unlink, helper)
        for kind in ("hubfs", "fuse.hubfs"):
            done = run("mount", "-t", kind, self.cache.root, self.point, "-o", "offline,ro")
            self.assertEqual((done.returncode, done.stderr), (0, ""), kind)
            self.assertTrue((self.point / "models/llama/tiny/config.json").exists())
            run("umount", self.point)
            self.assertTrue(wait_until(lambda: not is_mounted(self.point)))

    def test_a_token_is_never_logged(self):
        token = "hf_verysecretvalue"
        mounted = self.mount(extra=("-v",), env={"HF_TOKEN": token})
        errno_of(os.stat, mounted / "hub/org/none")
        time.sleep(0.1)
        for text in (mounted.log(), (mounted / ".hubfs/status.json").read_text(), Path(f"/proc/{mounted.pid}/cmdline").read_text()):
            self.assertNotIn(token, text)


if __name__ == "__main__":
    main()
