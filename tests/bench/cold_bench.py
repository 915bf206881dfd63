# SPDX-License-Identifier: Apache-2.0
"""Cold reads of whole files: from a fresh cache to the published blob, against what people use today."""

import resource

from bench import *

REPO, FILE = "org/big", "w.safetensors"
KEY = f"models/{REPO}/{FILE}"


def serve(stage, size, **settings):
    """A Hub that serves one file; answers it and the file's etag."""
    hub = stage.hub(**settings)
    hub.add(REPO, {"config.json": CONFIG, FILE: {"size": size, "seed": 3}})
    listing = f"{hub.url}/api/models/{REPO}/tree/main"
    done = subprocess.run(["curl", "-sf", listing], capture_output=True, check=True)
    return hub, next(entry["lfs"]["oid"] for entry in json.loads(done.stdout) if entry["path"] == FILE)


def serves_at(hub):
    """GB/s that one connection of curl gets, written nowhere."""
    url = f"{hub.url}/{REPO}/resolve/main/{FILE}"
    done = subprocess.run(["curl", "-sfL", "-o", "/dev/null", "-w", "%{speed_download}", url], capture_output=True, text=True, check=True)
    return float(done.stdout) / 1e9


def blob_of(cache, etag):
    return Path(cache) / f"models--{REPO.replace('/', '--')}" / "blobs" / etag


def check_blob(path, etag):
    with open(path, "rb") as file:
        same_bytes(hashlib.file_digest(file, "sha256").hexdigest(), etag)


def published(mount, etag):
    blob = blob_of(mount.cache, etag)
    if not wait_until(lambda: os.stat(blob), 120, 0.002):
        raise RuntimeError(f"was not published: {mount.log()[-1000:]}")
    return blob


def read_cold(stage, parent, hub, etag, at_end=lambda folder: None, check=False):
    """cat of the file through a mount that knows nothing, until the blob is published. Seconds, the daemon's processor seconds."""
    with stage.fresh_mount(parent, hub) as mount:
        begin = processor_seconds(mount.pid)
        start = time.perf_counter()
        with open(os.devnull, "wb") as nothing:
            subprocess.run(["cat", str(mount / f"hub/{REPO}/{FILE}")], stdout=nothing, check=True, timeout=300)
        blob = published(mount, etag)
        at_end(mount.cache)
        seconds = time.perf_counter() - start
        used = processor_seconds(mount.pid) - begin
        if check:
            check_blob(blob, etag)
        return seconds, used


def client_environment(hub, cache):
    return clean_environment(**CLIENT_SETTINGS, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(cache), HF_HOME=str(cache.parent / "home"))


def download_with_client(stage, parent, hub, etag, at_end=lambda folder: None, check=False):
    """`hf download` of the file into an empty cache. Seconds."""
    if not HF.exists():
        raise Skipped("the Python client is not installed here (scripts/test-env)")
    with stage.run_folder(parent) as folder:
        env = client_environment(hub, folder / "cache")
        start = time.perf_counter()
        command(HF, "download", REPO, FILE, env=env)
        at_end(folder / "cache")
        seconds = time.perf_counter() - start
        if check:
            check_blob(blob_of(folder / "cache", etag), etag)
        return seconds


def against_client(stage, parent, hub, etag, count, at_end=lambda folder: None):
    """[(mount, client) in seconds]; the warm-up checks the bytes of both."""
    read_cold(stage, parent, hub, etag, at_end, check=True)
    download_with_client(stage, parent, hub, etag, at_end, check=True)
    times = pairs(count, lambda: read_cold(stage, parent, hub, etag, at_end)[0],
                  lambda: download_with_client(stage, parent, hub, etag, at_end), warm_up=False)
    stage.note(f"Medians: mount {statistics.median(t for t, _ in times):.1f} s, client {statistics.median(t for _, t in times):.1f} s.")
    return times


@benchmark("cold")
def cold(stage):
    """`cat` of a 2 GiB file from a fresh cache until it has ended and the blob is published, over `hf download` of it (one
    connection, no Xet, the start of Python included), both on tmpfs; and the bytes the Hub was asked for."""
    size = scaled(2 * GIB)
    hub, etag = serve(stage, size)
    serves_at(hub)
    stage.note(f"The Hub serves curl at {serves_at(hub):.1f} GB/s on one connection, to /dev/null.")
    stage.row("time over `hf download`, tmpfs", time_ratios(against_client(stage, stage.memory, hub, etag, 3)), ("≤", 0.5))
    shares = []
    for _ in range(rounds(3)):
        hub.control("reset", {})
        read_cold(stage, stage.memory, hub, etag)
        shares.append(hub.file_bytes(KEY) / size)
    stage.row("bytes from the Hub over size", shares, ("≤", 1.01))


@benchmark("cold-disk")
def cold_on_disk(stage):
    """The time of `cold` with both caches on disk, each ended by `sync -f`."""
    hub, etag = serve(stage, scaled(2 * GIB))
    times = against_client(stage, stage.disk, hub, etag, 3, lambda folder: command("sync", "-f", folder))
    stage.row("time over `hf download`, disk, to the end of `sync -f`", time_ratios(times))


@benchmark("cold-slow")
def cold_and_slow(stage):
    """The time of `cold` with a file of 1 GiB, 50 ms before each answer of the Hub and 50 MB/s for each connection."""
    hub, etag = serve(stage, scaled(GIB))
    hub.control("settings", {"latency_ms": 50, "rate": 50_000_000})
    stage.note(f"The Hub serves curl at {serves_at(hub) * 1000:.0f} MB/s on one connection.")
    stage.row("time over `hf download`, 50 ms, 50 MB/s", time_ratios(against_client(stage, stage.memory, hub, etag, 3)), ("≤", 0.25))


def fetch_without_reader(stage, hub, etag):
    """The daemon's processor seconds for a download that nobody reads."""
    with stage.fresh_mount(stage.memory, hub) as mount:
        path = mount / f"hub/{REPO}/{FILE}"
        os.stat(path)
        begin = processor_seconds(mount.pid)
        os.setxattr(path, "user.hubfs.fetch", b"1")
        published(mount, etag)
        return processor_seconds(mount.pid) - begin


def pipeline(stage, hub, etag):
    """User and system seconds of curl, tee and openssl together."""
    url = f"{hub.url}/{REPO}/resolve/main/{FILE}"
    with stage.run_folder(stage.memory) as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(["sh", "-c", 'curl -sfL "$1" | tee "$2" | openssl dgst -sha256', "sh", url, str(folder / "file")],
                              capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        same_bytes(done.stdout.split()[-1], etag)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@benchmark("processor")
def processor(stage):
    """Processor time of the daemon while a file of 1 GiB is downloaded to tmpfs, over user and system time of `curl | tee FILE |
    openssl dgst -sha256` to tmpfs. The one with the bound is read by `cat` meanwhile, which the pipeline has no part for; the
    other is asked for by `user.hubfs.fetch` and read by nobody."""
    size = scaled(GIB)
    hub, etag = serve(stage, size)
    figures = []
    for number in range(rounds(5) + 1):
        one = (read_cold(stage, stage.memory, hub, etag, check=number == 0)[1], pipeline(stage, hub, etag),
               fetch_without_reader(stage, hub, etag), pipeline(stage, hub, etag))
        if number:  # the first is the warm-up
            figures.append(one)
    stage.row("downloaded and read by `cat`", [a / b for a, b, _, _ in figures], ("≤", 1.2))
    stage.row("downloaded only", [c / d for _, _, c, d in figures])
    a, b, c, d = (statistics.median(column) / (size / GIB) for column in zip(*figures))
    stage.note(f"Seconds of processor for each GiB: with `cat` {a:.2f}, only downloaded {c:.2f}, the pipeline {(b + d) / 2:.2f}.")


@benchmark("second-read")
def second_read(stage):
    """Throughput of the second sequential read, by a new open, of a file of 1 GiB on disk that was completed just before, over that
    of its blob: begun at once, and once more a second later. The page cache holds the blob from its download. The first reading of
    pages that were only written is slower, so at once each side reads a file of its own, completed in the same way; later the
    faster one of two readings of the blob counts."""
    hub, etag = serve(stage, scaled(GIB))
    later, passthrough = [], [0, 0]

    def opens(mount, index, action):
        before = mount.status()["passthrough_opens"]
        done = action()
        passthrough[index] += mount.status()["passthrough_opens"] - before
        return done

    def at_once(of_the_mount):
        with stage.fresh_mount(stage.disk, hub) as mount:
            path = mount / f"hub/{REPO}/{FILE}"
            first = read("seq", path, "sum")["sum"]
            blob = published(mount, etag)
            if not of_the_mount:
                return read("seq", blob)["seconds"]
            seconds = opens(mount, 0, lambda: read("seq", path))["seconds"]
            time.sleep(1)
            one = opens(mount, 1, lambda: read("seq", path))["seconds"]
            later.append((one, min(read("seq", blob)["seconds"] for _ in range(2))))
            same_bytes(first, read("seq", blob, "sum")["sum"])
            return seconds

    times = pairs(7, lambda: at_once(True), lambda: at_once(False))
    stage.row("second read, at once", throughput_ratios(times), ("≥", 0.97))
    stage.row("second read, a second later", throughput_ratios(later[1:]), ("≥", 0.97))
    stage.note(f"Of {len(later)} opens of each, {passthrough[0]} at once and {passthrough[1]} a second later were in passthrough.")
