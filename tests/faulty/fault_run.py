# SPDX-License-Identifier: Apache-2.0
"""One run of a scenario with a fault, and what must hold afterwards: the rules of a cache that belongs to everyone."""

import contextlib
import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path

import hubfs_mount
from hubfs_mount import LIBC, Cache, Mounted, git_sha1, sha256, wait_until

FAULTY = os.environ.get("HUBFS_FAULTY_BIN", "hubfs-faulty")
HANG_SECONDS = 60
# What a crash may leave beside a blob, as other clients do, who know these names; `hubfs gc` collects them.
ALLOWED_LEFTOVER = (".shared",)


@contextlib.contextmanager
def program(path):
    """Mounts are made with this hubfs."""
    before = hubfs_mount.HUBFS
    hubfs_mount.HUBFS = path
    try:
        yield
    finally:
        hubfs_mount.HUBFS = before


def content_hash(name, data):
    return sha256(data) if len(name) == 64 else git_sha1(data)


def cache_problems(root, client):
    """What is wrong with a cache, in words."""
    found = []
    for top in root.iterdir():
        if top.name not in ("CACHEDIR.TAG", ".locks", "blobs") and not top.name.startswith(("models--", "datasets--")):
            found.append(f"{top.name} in the root")
    for repo in root.glob("*--*"):
        for blob in (repo / "blobs").glob("*") if (repo / "blobs").exists() else ():
            if blob.name.endswith(ALLOWED_LEFTOVER):
                continue
            if blob.is_symlink():
                payload = root / "blobs" / Path(os.readlink(blob)).parent.name / blob.readlink().name
                manifest = payload.with_name(payload.name + ".refs")
                if not payload.exists() or f"{blob.relative_to(root)}\n" not in manifest.read_text():
                    found.append(f"{blob} is a link to a payload that is not there, or does not know of it")
            if not blob.exists() or content_hash(blob.name, blob.read_bytes()) != blob.name:
                found.append(f"{blob} is not what its name says")
        for path in repo.rglob("*"):
            if path.name.startswith((".staged", "tmp")) or ".incomplete" in path.name or path.name.endswith(".tmp"):
                found.append(f"left over: {path}")
        for entry in (repo / "snapshots").rglob("*"):
            if entry.is_symlink() and not entry.exists():
                found.append(f"{entry} leads to nothing")
        for ref in (repo / "refs").rglob("*"):
            if ref.is_file():
                commit = ref.read_text()
                if len(commit) != 40 or not (repo / "snapshots" / commit).is_dir():
                    found.append(f"{ref} is {commit!r}, which has no snapshot")
    info = client.scan_cache_dir(root)
    found += [f"the client says: {warning}" for warning in info.warnings]
    return found


def tree_of(folder):
    """Every file below with its content, every link with its target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = os.readlink(path)
        elif path.is_file():
            found[str(path.relative_to(folder))] = sha256(path.read_bytes())
    return found


class Run:
    """A copy of a scenario's template, one mount of hubfs-faulty with a fault, one of hubfs after it."""

    def __init__(self, scenario, fault, client):
        self.scenario, self.fault, self.client = scenario, fault, client
        self.folder = Path(tempfile.mkdtemp(prefix="hubfs-fault-"))
        self.store = self.folder / "store"
        shutil.copytree(scenario.template, self.store, symlinks=True)
        self.cache = Cache(self.store / "cache")
        (self.folder / "outside").mkdir()
        (self.folder / "outside/precious").write_text("data")
        self.outside = tree_of(self.folder / "outside")
        self.problems = []
        self.steps_path = self.folder / "steps"

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_faulty(self):
        plan = self.folder / "plan"
        env = {"HUBFS_FAULT": str(plan), "HUBFS_FAULT_ROOT": str(self.store)}
        if self.scenario.from_start:
            self.arm(plan)
        try:
            with program(FAULTY):
                mounted = Mounted(self.folder, self.cache, endpoint=self.scenario.endpoint, env=env)
        except AssertionError as refused:
            # A mount may be refused, in a sentence; it may not crash.
            if not self.fault.startswith("kill") and "hubfs: " not in str(refused):
                self.problems.append(f"no mount, and no word why: {refused}")
            return None
        if not self.scenario.from_start:
            self.scenario.look(mounted.point)
            self.arm(plan)
        return mounted

    def arm(self, plan):
        temporary = plan.with_suffix(".new")
        temporary.write_text(f"count:{self.steps_path}\n" if self.fault == "count" else self.fault + "\n")
        temporary.rename(plan)

    def act(self, mounted):
        """The action; the errno it failed with, 0 for none."""
        hung = threading.Event()

        def give_up():
            hung.set()
            mounted.process.kill()
            # By force: the kernel keeps what waits for a daemon that died while it told the kernel about the same folder.
            LIBC.umount2(os.fsencode(mounted.point), 1)

        watch = threading.Timer(HANG_SECONDS, give_up)
        watch.start()
        try:
            self.scenario.act(mounted.point)
            code = 0
        except OSError as error:
            code = error.errno or errno.EIO
        except AssertionError as error:
            code = errno.EIO
            self.problems.append(str(error))
        finally:
            watch.cancel()
        if hung.is_set():
            if not self.fault.startswith("kill"):
                self.problems.append("hangs")
            print(f"{self.scenario.name} {self.fault}: ended by force after {HANG_SECONDS} s", flush=True)
        return code

    def faulty_part(self):
        mounted = self.start_faulty()
        if mounted is None:
            return
        code = self.act(mounted)
        if code == 0 and mounted.process.poll() is None:
            self.problems += [f"success was told, but {words}" for words in self.scenario.not_done(self.cache)]
        if self.fault.startswith("kill"):
            # It dies at its step, or later, when it saves what it knows.
            if mounted.process.poll() is None:
                mounted.process.terminate()
            wait_until(lambda: mounted.process.poll() is not None, 20)
            if mounted.process.poll() not in (-9, 0):
                self.problems.append(f"ended with {mounted.process.poll()}: {mounted.log()[-2000:]}")
            mounted.kill()
        elif words := mounted.unmount():
            self.problems.append(words)

    def check(self, when):
        self.problems += [f"{when}: {words}" for words in cache_problems(self.cache.root, self.client)]
        now = tree_of(self.store)
        for path, value in self.scenario.kept.items():
            if now.get(path) != value:
                self.problems.append(f"{when}: {path} was {value}, and is {now.get(path)}")
        if tree_of(self.folder / "outside") != self.outside:
            self.problems.append(f"{when}: what is outside has changed")
        for repo, commit in self.scenario.complete:
            try:
                self.client.snapshot_download(repo, revision=commit, cache_dir=self.cache.root, local_files_only=True)
            except Exception as error:  # noqa: BLE001 - whatever the client says
                self.problems.append(f"{when}: {repo}: {type(error).__name__}: {error}")

    def next_mount(self):
        mounted = Mounted(self.folder, self.cache, endpoint=self.scenario.endpoint)
        try:
            self.scenario.act(mounted.point)
            self.problems += [f"repeated: {words}" for words in self.scenario.not_done(self.cache)]
            self.problems += [f"repeated: {words}" for words in self.scenario.wrong_in(mounted.point)]
        except (OSError, AssertionError) as error:
            self.problems.append(f"repeated: {error}")
        finally:
            if words := mounted.unmount():
                self.problems.append(words)
        for state in (self.store / ".hubfs").glob("*/trash/*"):
            self.problems.append(f"still in the trash: {state.name}")

    def go(self):
        self.faulty_part()
        self.check("after the fault")
        self.next_mount()
        self.check("at the end")
        return self.problems


def steps_of(scenario, client):
    """[(number, kind, call, path)] of the scenario without a fault."""
    run = Run(scenario, "count", client)
    try:
        if problems := run.go():
            raise AssertionError(f"{scenario.name} without a fault: {problems}")
        steps = []
        for line in run.steps_path.read_text().splitlines():
            number, kind, call, path = line.split(" ", 3)
            steps.append((int(number), kind, call, path))
        return sorted(steps)
    finally:
        run.close()


def faults_for(steps):
    """All faults of a scenario: each change with both kills, each step with the failures its call can have."""
    faults = []
    changes = 0
    for number, kind, call, _ in steps:
        if kind == "change":
            changes += 1
            faults += [f"kill:{changes}", f"killafter:{changes}", f"ENOSPC:{number}", f"ENOSPC:{number}+", f"EDQUOT:{number}"]
        if call.startswith(("open", "fdopendir")):
            faults.append(f"EMFILE:{number}")
        # What may not be looked at is not there for hubfs: only a change can be refused so half-way.
        if kind == "change" and call not in ("fsync", "write", "pwrite", "ftruncate"):
            faults.append(f"EACCES:{number}")
        faults.append(f"EIO:{number}")
    return faults


def describe(steps, fault):
    """The step of a fault, for people."""
    action, _, argument = fault.partition(":")
    wanted = int(argument.rstrip("+"))
    if action.startswith("kill"):
        steps = [step for step in steps if step[1] == "change"]
        return " ".join(map(str, steps[wanted - 1][2:])) if wanted <= len(steps) else "?"
    return " ".join(next((step[2:] for step in steps if step[0] == wanted), ("?",)))
