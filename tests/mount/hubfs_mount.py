# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests on real mounts: a local Hub, caches as the clients write them, and a mounted hubfs.

HUBFS_BIN and HUBFS_HUB_BIN name the two programs; without /dev/fuse, or without root, a test file fails in a sentence.
Everything lies in one temporary folder for each test (MountTest.folder), and every process that a test starts is ended in
its teardown, whatever happened.
"""

import pathlib
import base64
import contextlib
import ctypes
import errno
import hashlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

HUBFS = os.environ.get("HUBFS_BIN", "hubfs")
HUB = os.environ.get("HUBFS_HUB_BIN", "hubfs-hub")
NOBODY = 65534
# What a sanitizer, or the C++ runtime, leaves in the log of a daemon that did something wrong.
BAD_WORDS = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error", "terminate called")
SLOW = bool(os.environ.get("HUBFS_SANITIZE"))
LIBC = ctypes.CDLL(None, use_errno=True)


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def commit_of(text):
    return hashlib.sha1(text.encode()).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


LFS_SUFFIXES = (".safetensors", ".bin", ".gguf", ".onnx", ".pt")


def is_lfs(path):
    return path.endswith(LFS_SUFFIXES)


def etag_of(path, data):
    """As the Hub names a file's blob."""
    return sha256(data) if is_lfs(path) else git_sha1(data)


def wait_until(condition, timeout=5.0, step=0.01):
    """The first true value of `condition`, or its last one when the time is up. An OSError counts as false."""
    end = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        if time.monotonic() > end:
            return None
        time.sleep(step)


def is_mounted(path):
    """From mountinfo, so that a dead mount is not touched."""
    with open("/proc/self/mountinfo", "rb") as table:
        return any(os.fsdecode(line.split()[4]) == str(path) for line in table)


def errno_of(action, *args, **kwargs):
    """The errno an action fails with; 0 when it does not."""
    try:
        action(*args, **kwargs)
    except OSError as error:
        return error.errno
    return 0


def name_of(number):
    return errno.errorcode.get(number, str(number))


def as_user(uid, action):
    """Runs `action` as another user in a child; answers the errno it failed with (0 for none, -1 for any other end)."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            action()
            code = 0
        except OSError as error:
            code = error.errno
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return -1 if code == 255 or code < 0 else code


def run(*args, timeout=20, **kwargs):
    return subprocess.run([str(arg) for arg in args], capture_output=True, text=True, errors="replace", timeout=timeout, **kwargs)


def prepare_client():
    """Before huggingface_hub is imported: it is there, speaks plain HTTP, and has nothing of the environment's but its paths."""
    if importlib.util.find_spec("huggingface_hub") is None:
        sys.exit("this interpreter has no huggingface_hub: run scripts/test-env, and this test with build/venv/bin/python")
    os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        os.environ.pop(name, None)


class LocalHub:
    """The local Hub on an own data folder. Repos come with add(), or lie in `data` before they are first asked for."""

    def __init__(self, folder, *options):
        self.data = Path(folder)
        self.data.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen([HUB, "--data", str(self.data), *options], stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if len(words) != 4:
            raise RuntimeError("the local Hub did not start")
        self.url, self.cdn = words[1], words[3]

    def control(self, what, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/__hub/{what}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def add(self, repo_id, files, repo_type="model", **more):
        """`files` of main, or {revision: files} with revisions=True. Answers {revision: commit}."""
        by_revision = files if more.pop("revisions", False) else {"main": files}
        packed = {name: {path: pack(content) for path, content in tree.items()} for name, tree in by_revision.items()}
        answer = self.control("repos", {"id": repo_id, "type": repo_type, "revisions": packed, **more})
        return answer["revisions"]

    def fault(self, **fault):
        return self.control("faults", fault)["ids"][0]

    def log(self):
        return self.control("log")

    def file_bytes(self, key=None):
        stats = self.control("stats")
        return stats["file_bytes"] if key is None else stats["bytes_by_file"].get(key, 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


def pack(content):
    if isinstance(content, dict):
        return content  # {"size": N, "seed": S}
    data = content.encode() if isinstance(content, str) else content
    return {"base64": base64.b64encode(data).decode()}


class Cache:
    """A cache root, written exactly as huggingface_hub writes it."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# This file is a cache directory tag.\n")

    def repo(self, repo_id, repo_type="model"):
        return self.root / f"{repo_type}s--{repo_id.replace('/', '--')}"

    def ref(self, repo_id, revision, commit, repo_type="model"):
        path = self.repo(repo_id, repo_type) / "refs" / revision
        path.parent.mkdir(parents=True, exist_ok=True)
        temp = path.with_name(f"{path.name}.0a1b2c3d.tmp")
        temp.write_text(commit)
        temp.rename(path)

    def snapshot(self, repo_id, commit, repo_type="model"):
        return self.repo(repo_id, repo_type) / "snapshots" / commit

    def blob(self, repo_id, path, data, repo_type="model"):
        return self.repo(repo_id, repo_type) / "blobs" / etag_of(path, data)

    def put(self, repo_id, commit, path, data, repo_type="model"):
        """Blob and snapshot entry, in the client's order."""
        data = data.encode() if isinstance(data, str) else data
        blob = self.blob(repo_id, path, data, repo_type)
        blob.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(blob):
            temp = blob.with_name(f"{blob.name}.89abcdef.incomplete")
            temp.write_bytes(data)
            temp.rename(blob)
        link = self.snapshot(repo_id, commit, repo_type) / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
        return blob

    def add(self, repo_id, files, *, refs=("main",), commit=None, repo_type="model", remote=None):
        """One cached commit; `remote` are further files ({path: bytes}) that only trees/<commit>.json knows. Answers the commit."""
        commit = commit or commit_of(f"{repo_type} {repo_id} {sorted(files)} {refs}")
        self.snapshot(repo_id, commit, repo_type).mkdir(parents=True, exist_ok=True)
        for revision in refs:
            self.ref(repo_id, revision, commit, repo_type)
        for path, data in files.items():
            self.put(repo_id, commit, path, data, repo_type)
        if remote is not None:
            self.tree(repo_id, commit, {**files, **remote}, repo_type)
        return commit

    def tree(self, repo_id, commit, files, repo_type="model"):
        """trees/<commit>.json, mode 0600 as the client leaves it."""
        entries = {}
        for path, data in files.items():
            data = data.encode() if isinstance(data, str) else data
            if is_lfs(path):
                pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data)}\nsize {len(data)}\n"
                entries[path] = {"size": len(data), "blob_id": git_sha1(pointer.encode()),
                                 "lfs_sha256": sha256(data), "lfs_size": len(data)}
            else:
                entries[path] = {"size": len(data), "blob_id": git_sha1(data)}
        path = self.repo(repo_id, repo_type) / "trees" / f"{commit}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"format_version": 1, "files": entries}, indent=1, sort_keys=True))
        path.chmod(0o600)

    def share(self, data, *places):
        """Moves a payload to the shared store; places are (repo_id, etag). Answers its path."""
        store = self.root / "blobs"
        store.mkdir(exist_ok=True)
        marker = store / ".huggingface-shared-blobs"
        if not marker.exists():
            marker.write_text("1\n")
            marker.chmod(0o444)
        xet = hashlib.sha256(b"xet" + data).hexdigest()
        payload = store / xet[:2] / xet
        payload.parent.mkdir(exist_ok=True)
        lock = payload.with_name(f"{xet}.lock")
        lock.touch()
        lock.chmod(0o666)
        lines = ""
        for repo_id, etag in places:
            blob = self.repo(repo_id) / "blobs" / etag
            lines += f"{blob.relative_to(self.root)}\n"
            if payload.exists():
                blob.unlink(missing_ok=True)
            else:
                blob.chmod(0o444)
                blob.rename(payload)
            blob.symlink_to(f"../../blobs/{xet[:2]}/{xet}")
        manifest = payload.with_name(f"{xet}.refs")
        manifest.write_text(lines)
        manifest.chmod(0o666)
        return payload

    def hub_add(self, hub, repo_id, files, cached=(), **more):
        """The same repo in a Hub and here: the ref, the listing, and the files in `cached`. Answers the commit."""
        commit = hub.add(repo_id, files, **more)["main"]
        self.snapshot(repo_id, commit).mkdir(parents=True, exist_ok=True)
        self.ref(repo_id, "main", commit)
        for path in cached:
            self.put(repo_id, commit, path, files[path])
        return commit


class Mounted:
    """A hubfs in the foreground. `point` is usable when this has been made."""

    def __init__(self, folder, *roots, options="", endpoint="http://127.0.0.1:9", point=None, extra=(), env=None):
        folder = Path(folder)
        self.point = Path(point or tempfile.mkdtemp(prefix="mnt-", dir=folder))
        self.log_path = folder / f"{self.point.name}.{time.monotonic_ns()}.log"
        args = [HUBFS, "mount", "-f", "--endpoint", endpoint, *extra]
        for root in roots:
            args += ["--cache", str(root if isinstance(root, (str, pathlib.PurePath)) else root.root)]
        if options:
            args += ["-o", options]
        self.ended = False
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))}
        clean["HF_HOME"] = str(folder / "home")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*args, str(self.point)], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**clean, **(env or {})})
        if not wait_until(lambda: is_mounted(self.point) or self.process.poll() is not None, 15) or self.process.poll() is not None:
            self.kill()
            raise AssertionError(f"no mount: {self.log()}")

    def __truediv__(self, path):
        return self.point / path

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def status(self):
        return json.loads((self.point / ".hubfs/status.json").read_text())

    def end(self, timeout=10.0):
        """SIGTERM. Answers the exit code; None when it did not end in time (then it is killed)."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        return code

    def unmount(self):
        """Unmounts, and says what was wrong with the daemon, in words; "" for nothing."""
        if self.ended:
            return ""
        self.ended = True
        if LIBC.umount2(os.fsencode(self.point), 0) != 0:
            LIBC.umount2(os.fsencode(self.point), 2)  # MNT_DETACH: a test still holds a file
        try:
            code = self.process.wait(10 if SLOW else 4)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        words = [word for word in BAD_WORDS if word in self.log()]
        if code == 0 and not words:
            return ""
        return f"the daemon ended with {code}, log has {words}:\n{self.log()[-6000:]}"

    def kill(self):
        """Whatever state it is in: no process and no mount afterwards."""
        self.ended = True
        if self.process.poll() is None:
            self.process.kill()
        # A mount whose daemon hangs in the kernel is let go by its own abort, and by the detaching.
        for _ in range(3):
            if not is_mounted(self.point):
                break
            LIBC.umount2(os.fsencode(self.point), 3)  # MNT_FORCE and MNT_DETACH
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)


class MountTest(unittest.TestCase):
    """Makes `self.folder`; whatever mount(), hub() and start() began is ended, and what mounts complained about fails the test."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hubfs-test-"))
        # Others must be able to reach the mounts and caches inside.
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cache = Cache(self.folder / "cache")

    def hub(self, *options, **settings):
        hub = LocalHub(self.folder / "data", *options)
        self.addCleanup(hub.stop)
        if settings:
            hub.control("settings", settings)
        return hub

    def mount(self, *roots, hub=None, **kwargs):
        if hub is not None:
            kwargs["endpoint"] = hub.url
        mounted = Mounted(self.folder, *(roots or (self.cache,)), **kwargs)
        self.addCleanup(self.end, mounted)
        return mounted

    def end(self, mounted):
        words = mounted.unmount()
        if words:
            self.fail(words)

    def start(self, *args, **kwargs):
        """A child that is killed at the end of the test."""
        process = subprocess.Popen([str(arg) for arg in args], stdin=subprocess.DEVNULL, **kwargs)
        self.addCleanup(reap, process)
        return process

    def assertErrno(self, expected, action, *args, **kwargs):
        self.assertEqual(name_of(errno_of(action, *args, **kwargs)), name_of(expected))

    def names(self, path):
        return sorted(os.listdir(path))

    def files(self, path):
        """Relative paths of all files below."""
        return sorted(str(p.relative_to(path)) for p in Path(path).rglob("*") if not p.is_dir())


def reap(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def in_thread(action):
    """Runs it beside; answers a function that joins (timeout) and hands on result or exception."""
    box = {}

    def body():
        try:
            box["value"] = action()
        except BaseException as error:  # noqa: BLE001 - handed to the joiner
            box["error"] = error

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def join(timeout=10.0):
        thread.join(timeout)
        if thread.is_alive():
            raise AssertionError("still waiting")
        if "error" in box:
            raise box["error"]
        return box.get("value")

    join.is_done = lambda: not thread.is_alive()
    return join


def main():
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        sys.exit("nothing can be mounted here: these tests need /dev/fuse and root")
    unittest.main(verbosity=2)
