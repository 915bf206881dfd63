# SPDX-License-Identifier: Apache-2.0
"""Start: how soon a mount of a large cache can be used, and what it keeps in memory."""

from bench import *

FAMILIES = ("llama", "qwen2", "mistral", "gemma", "phi3")


def many_repos(cache, count):
    for number in range(count):
        kind = FAMILIES[number % len(FAMILIES)]
        put_many(cache, f"org-{number % 300}/{kind}-{number}", {"config.json": json.dumps({"model_type": kind, "n": number}).encode()})


def state_of(cache):
    """Where a mount keeps its private state: asked of one."""
    return cache.root.parent / ".hubfs"


def start_and_list(stage, cache, point):
    """Seconds from the begin of `hubfs mount` to the end of the first `ls` of a family, and the daemon's memory then."""
    env = clean_environment(HF_HOME=str(stage.disk / "home"))
    try:
        start = time.perf_counter()
        command(HUBFS, "mount", "--cache", cache.root, "--endpoint", "http://127.0.0.1:9", "--log", stage.disk / "log", point, env=env)
        command("ls", point / "models/llama", env=env)
        seconds = time.perf_counter() - start
        listed = len(os.listdir(point / "models/llama"))
        pid = json.loads((point / ".hubfs/status.json").read_text())["pid"]
        memory = memory_of(pid)
    finally:
        subprocess.run([HUBFS, "umount", str(point)], capture_output=True, timeout=30)
        subprocess.run(["umount", "-l", str(point)], capture_output=True, timeout=30)
    return seconds, memory, listed


@benchmark("start")
def start(stage):
    """Seconds from the begin of `hubfs mount` over 10,000 repos (ref, snapshot, config.json) to the end of the first `ls
    models/llama`; with and without what an earlier mount remembered. Absolute. The kernel knows the files (they were just
    made); `from a cold disk` after drop_caches 3 is for information."""
    cache, point = Cache(stage.disk / "cache"), stage.disk / "view"
    count = scaled(10_000)
    point.mkdir()
    many_repos(cache, count)
    stage.say(f"made {count} repos")

    def run():
        seconds, memory, listed = start_and_list(stage, cache, point)
        if listed != count // len(FAMILIES):
            raise RuntimeError(f"models/llama lists {listed} of {count // len(FAMILIES)} models")
        return seconds, memory

    def without_state():
        shutil.rmtree(state_of(cache))
        return run()

    def from_disk():
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return run()

    run()
    if not state_of(cache).is_dir():
        raise RuntimeError("the state of the mount is not where this benchmark looks for it")
    both = pairs(5, run, without_state, warm_up=False)
    stage.row("with the state of an earlier mount", [with_it[0] for with_it, _ in both], ("≤", 0.3), "s")
    stage.row("without", [without[0] for _, without in both], ("≤", 5), "s")
    stage.row("daemon's VmRSS after it", [memory / MIB for pair in both for _, memory in pair], ("≤", 64), "MiB")
    stage.row("with state, from a cold disk", [from_disk()[0] for _ in range(rounds(3))], None, "s")


def write_listing(path, folders, files):
    """trees/<commit>.json of folders × files entries, as the client writes it, without holding it in memory."""
    path.parent.mkdir(parents=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write('{"format_version": 1, "files": {')
        for folder in range(folders):
            entries = []
            for number in range(files):
                name = f"folder-{folder:04}/file-{number:05}.txt"
                entries.append(f'"{name}": {{"size": {1000 + number}, "blob_id": "{commit_of(name)}"}}')
            out.write((", " if folder else "") + ", ".join(entries))
        out.write("}}")
    path.chmod(0o600)


@benchmark("million")
def million(stage):
    """A listing of 1,000,000 files (1,000 folders) of which nothing is here, walked once by `find -size`: growth of the daemon's
    VmRSS for each file, against the same mount before it; and what is left of the growth after drop_caches 2. Absolute."""
    folders = scaled(1000)
    cache = Cache(stage.disk / "cache")
    commit = put_many(cache, "org/large", {"config.json": CONFIG.encode()})
    write_listing(cache.repo("org/large") / f"trees/{commit}.json", folders, 1000)
    count = folders * 1000
    with stage.mounted(stage.disk, cache.root, options="offline") as mount:
        os.listdir(mount / "models/llama")
        before = memory_of(mount.pid)
        start = time.perf_counter()
        found = subprocess.run(["find", str(mount / "models/llama/large"), "-type", "f", "-size", "+0"], capture_output=True, check=True)
        seconds = time.perf_counter() - start
        if (lines := found.stdout.count(b"\n")) not in (count, count + 1):
            raise RuntimeError(f"found {lines} files of {count}")
        walked, peak, nodes = memory_of(mount.pid), memory_of(mount.pid, "VmHWM"), mount.status()["nodes"]
        drop_names_and_inodes()
        wait_until(lambda: mount.status()["nodes"] < 100, 30, 0.2)
        wait_until(lambda: memory_of(mount.pid) < before + (walked - before) / 10, 5, 0.2)
        left, nodes_left = memory_of(mount.pid), mount.status()["nodes"]
        again = subprocess.run(["find", str(mount / "models/llama/large"), "-type", "f", "-size", "+0"], capture_output=True, check=True)
        stage.row("daemon's memory for each file", [(walked - before) / count], ("≤", 300), "bytes")
        stage.row("of it left after drop_caches", [(left - before) / count], None, "bytes")
        stage.row("of it left after drop_caches, share", [(left - before) / (walked - before)], ("≤", 0.1))
        if again.stdout != found.stdout:
            raise RuntimeError("the second walk found something else")
        stage.note(f"The walk took {seconds:.1f} s; peak {peak / MIB:.0f} MiB; nodes {nodes}, {nodes_left} after drop_caches. The bound of "
                   "the share left is ours: 'given back' is taken as at least nine tenths.")
