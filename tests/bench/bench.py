# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: the stage they run on, alternating pairs, and the table.

A figure is a ratio against a named reference that was measured in the same run, in alternating pairs after a warm-up; what
is shown is the median of the ratios of the pairs. A few figures are absolute, where the bound is one.

Every folder, process and mount belongs to a Stage and is gone when that ends, also after Ctrl-C and SIGTERM. What a
benchmark needs as programs comes from HUBFS_BIN, HUBFS_HUB_BIN and HUBFS_BENCH_READER; HUBFS_BENCH_DIR is a folder on a
disk (default /var/tmp).
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import HUBFS, Cache, LocalHub, Mounted, commit_of, wait_until  # noqa: E402

READER = os.environ.get("HUBFS_BENCH_READER", "bench_reader")
HF = Path(sys.executable).parent / "hf"
QUICK = bool(os.environ.get("HUBFS_BENCH_QUICK"))
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
TICKS = os.sysconf("SC_CLK_TCK")
CONFIG = json.dumps({"model_type": "llama"})
# What the Python client needs in order to talk to the local Hub only, and in the way it is compared with.
CLIENT_SETTINGS = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
}

BENCHMARKS = {}


class Skipped(Exception):
    """This benchmark cannot run here; the words say why."""


def benchmark(name):
    """Registers a function of one Stage. Its docstring says how is measured; the first line of it goes under the table."""

    def register(function):
        BENCHMARKS[name] = function
        return function

    return register


def scaled(size):
    """Sizes shrink in a quick run, whose figures mean nothing: it only shows that the script works."""
    return size // 16 if QUICK else size


def rounds(count):
    return 2 if QUICK else count


# --- the table --------------------------------------------------------------------------------------------------------


class Row:
    """One line of the table. `bound` is ("≥" or "≤", number), or None where there is none."""

    def __init__(self, name, what, values, bound, unit):
        self.name, self.what, self.values, self.bound, self.unit = name, what, values, bound, unit
        self.median = statistics.median(values)

    def is_met(self):
        if self.bound is None:
            return None
        sign, limit = self.bound
        return self.median >= limit if sign == "≥" else self.median <= limit

    def line(self):
        unit = f" {self.unit}" if self.unit else ""
        shown = f"{in_words(self.median)}{unit} ({in_words(min(self.values))} … {in_words(max(self.values))}, n={len(self.values)})"
        bound = f"{self.bound[0]} {in_words(self.bound[1])}{unit}" if self.bound else "–"
        met = {True: "yes", False: "**no**", None: "–"}[self.is_met()]
        return f"| `{self.name}` {self.what} | {shown} | {bound} | {met} |"


def in_words(value):
    if value == 0 or value == int(value):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows, notes, names):
    lines = ["| what | measured: median (min … max) | bound | met? |", "|---|---|---|---|", *(row.line() for row in rows), ""]
    for name in names:
        about = " ".join(BENCHMARKS[name].__doc__.split())
        lines.append(f"- `{name}`: {about} {' '.join(notes.get(name, []))}".rstrip())
    return "\n".join(lines)


# --- the stage --------------------------------------------------------------------------------------------------------


class Stage:
    """Folders, Hubs and mounts of one benchmark, and what it found."""

    def __init__(self, name):
        self.name, self.rows, self.notes = name, [], []
        self._exit = contextlib.ExitStack()
        try:
            self.disk = self._folder(os.environ.get("HUBFS_BENCH_DIR", "/var/tmp"))
            self.memory = self._folder("/dev/shm")
        except BaseException:
            self._exit.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._exit.close()

    def _folder(self, parent):
        folder = Path(tempfile.mkdtemp(prefix="hubfs-bench-", dir=parent))
        self._exit.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {self.name}: {text}", file=sys.stderr, flush=True)

    def note(self, text):
        self.notes.append(text)
        self.say(text)

    def row(self, what, values, bound=None, unit=""):
        row = Row(self.name, what, values, bound, unit)
        self.rows.append(row)
        self.say(row.line())

    def hub(self, **settings):
        hub = LocalHub(self.memory / "data")
        self._exit.callback(hub.stop)
        if settings:
            hub.control("settings", settings)
        return hub

    @contextlib.contextmanager
    def run_folder(self, parent):
        """An empty folder, for a cache that nothing is in yet; gone at the end."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def mounted(self, folder, cache, hub=None, options=""):
        """Mounts a cache. A daemon that does not end well spoils no figure that was measured before, but is told."""
        endpoint = {"endpoint": hub.url} if hub is not None else {}
        mount = Mounted(folder, Path(cache), options=options, **endpoint)
        try:
            yield mount
        except BaseException:
            mount.kill()
            raise
        if words := mount.unmount():
            self.note(f"ATTENTION: {words.splitlines()[0]}")

    @contextlib.contextmanager
    def fresh_mount(self, parent, hub, options=""):
        """A mount over a cache that is empty and on which nothing was remembered."""
        with self.run_folder(parent) as folder, self.mounted(folder, folder / "cache", hub, options) as mount:
            mount.cache = folder / "cache"
            yield mount


# --- measuring --------------------------------------------------------------------------------------------------------


def pairs(count, first, second, warm_up=True):
    """[(first, second), …] of what the two functions answer, alternating: A B A B. One unmeasured pair before."""
    if warm_up:
        first(), second()
    return [(first(), second()) for _ in range(rounds(count))]


def throughput_ratios(times):
    """Of (mount, reference) in seconds for the same bytes."""
    return [reference / mount for mount, reference in times]


def time_ratios(times):
    return [mount / reference for mount, reference in times]


def timed(action, *args, **kwargs):
    start = time.perf_counter()
    action(*args, **kwargs)
    return time.perf_counter() - start


def command(*args, env=None, timeout=300):
    """Runs a program, output thrown away; its failure is one of the benchmark."""
    done = subprocess.run([str(arg) for arg in args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{args[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")


def read(way, path, *more):
    """What bench_reader says of one reading."""
    done = subprocess.run([READER, way, str(path), *map(str, more)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def same_bytes(*sums):
    if len(set(sums)) != 1:
        raise RuntimeError(f"the two sides did not read the same bytes: {sums}")


def drop_page_cache():
    """Clean pages of every file, those of mounts too; dirty ones are written first."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("1\n")


def drop_names_and_inodes():
    Path("/proc/sys/vm/drop_caches").write_text("2\n")


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(pid, what="VmRSS"):
    """In bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError(f"process {pid} has no {what}")


def clean_environment(**more):
    """Nothing of the user's own Hub settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def file_system_of(path):
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", str(path)], capture_output=True, text=True).stdout.strip()


def surroundings(load_before):
    """Who else used the processors says how far single figures can be trusted."""
    kind = file_system_of(os.environ.get("HUBFS_BENCH_DIR", "/var/tmp"))
    return (f"{time.strftime('%Y-%m-%d')}, Linux {platform.release().split('-')[0]}, {os.cpu_count()} processors, disk: {kind}, "
            f"load before {load_before:.1f} and at the end {os.getloadavg()[0]:.1f}" + (", QUICK: the figures mean nothing" if QUICK else ""))


# --- data -------------------------------------------------------------------------------------------------------------


def put_large(cache, repo_id, path, size):
    """A cached file of noise, made piece by piece. Answers the blob; its repo is in the family llama."""
    commit = cache.add(repo_id, {"config.json": CONFIG})
    blobs = cache.repo(repo_id) / "blobs"
    digest, temp = hashlib.sha256(), blobs / "new.incomplete"
    with open(temp, "wb") as file:
        for _ in range(size // MIB):
            piece = os.urandom(MIB)
            digest.update(piece)
            file.write(piece)
    blob = temp.rename(blobs / digest.hexdigest())
    (cache.snapshot(repo_id, commit) / path).symlink_to(f"../../blobs/{blob.name}")
    return blob


def put_many(cache, repo_id, files, commit=None):
    """As Cache.add, but for thousands of repos: `files` is {path: bytes}, all regular. Answers the commit."""
    commit = commit or commit_of(repo_id)
    repo = str(cache.repo(repo_id))
    for folder in ("refs", "blobs", f"snapshots/{commit}"):
        os.makedirs(f"{repo}/{folder}")
    Path(f"{repo}/refs/main").write_text(commit)
    for path, data in files.items():
        etag = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        Path(f"{repo}/blobs/{etag}").write_bytes(data)
        link = f"{repo}/snapshots/{commit}/{path}"
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(f"{'../' * (2 + path.count('/'))}blobs/{etag}", link)
    return commit


__all__ = [name for name in dir() if not name.startswith("_")]
