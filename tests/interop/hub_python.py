#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the local Hub with the real Python client: whatever huggingface_hub can do to read the Hub, it does here.

HUBFS_HUB_BIN names the hubfs-hub program; the interpreter must have huggingface_hub (written for 2.4.0). Exit status 0:
all passed.
"""

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

os.environ.update(
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
)
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
    os.environ.pop(name, None)

FAILURES = []


def check(name, passed, detail=""):
    print(f"{'ok  ' if passed else 'FAIL'} {name}{'' if passed else f': {detail}'}", flush=True)
    if not passed:
        FAILURES.append(name)


def equal(name, got, expected):
    check(name, got == expected, f"got {got!r}, expected {expected!r}")


def raises(name, error, call):
    try:
        result = call()
    except Exception as got:  # noqa: BLE001
        check(name, type(got) is error, f"{type(got).__name__}: {got}")
    else:
        check(name, False, f"no error, but {result!r}")


def noise(size, seed):
    blocks = (hashlib.sha256(f"{seed} {number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


WEIGHT = noise(3_000_000, 1)
CONFIG = b'{"model_type": "llama"}\n'


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def make_data(data):
    model = data / "models" / "org" / "model"
    for revision, config in (("main", CONFIG), ("v1%2Fx", b"{}"), ("refs%2Fpr%2F1", b"[]")):
        write(model / "revisions" / revision / "config.json", config)
    write(model / "revisions" / "main" / "README.md", b"# model\n")
    write(model / "revisions" / "main" / "empty.txt", b"")
    write(model / "revisions" / "main" / "sub" / "deep" / "a b%+.txt", b"odd name")
    write(model / "revisions" / "main" / "model.safetensors", WEIGHT)
    write(model / "hub.json", json.dumps({"refs": {"tags": {"v1.0": "v1/x"}}, "info": {"tags": ["llama"]}}).encode())
    write(data / "models" / "_" / "gpt2" / "config.json", b'{"gpt2": 1}')
    for kind in ("datasets", "spaces", "kernels"):
        write(data / kind / "org" / "thing" / "file.txt", kind.encode())
        write(data / kind / "org" / "thing" / "big.bin", noise(50_000, 2))
    for flag in ("private", "gated", "disabled"):
        write(data / "models" / "org" / flag / "config.json", flag.encode())
        write(data / "models" / "org" / flag / "model.safetensors", noise(40_000, 3))
        write(data / "models" / "org" / flag / "hub.json", json.dumps({flag: True}).encode())


class Hub:
    def __init__(self, data):
        args = [os.environ["HUBFS_HUB_BIN"], "--data", str(data), "--token", "good", "--limited-token", "weak"]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        self.url, self.cdn = words[1], words[3]

    def control(self, what, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/__hub/{what}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        return self.process.wait(10)


def judge_repo(api, hub):
    import huggingface_hub.errors as errors

    info = api.model_info("org/model", files_metadata=True)
    equal("model_info id", info.id, "org/model")
    equal("model_info sha is 40 hex", len(info.sha), 40)
    equal("model_info tags", info.tags, ["llama"])
    sibling = {s.rfilename: s for s in info.siblings}["model.safetensors"]
    equal("model_info lfs sha256", sibling.lfs.sha256, hashlib.sha256(WEIGHT).hexdigest())
    equal("model_info size", sibling.size, len(WEIGHT))
    equal("model_info expand", api.model_info("org/model", expand=["sha", "lastModified"]).sha, info.sha)
    equal("org-less id", api.model_info("gpt2").id, "gpt2")
    for kind in ("dataset", "space", "kernel"):
        equal(f"repo_info {kind}", api.repo_info("org/thing", repo_type=kind).id, "org/thing")
    equal("repo_exists", (api.repo_exists("org/model"), api.repo_exists("org/none")), (True, False))
    equal("revision_exists", (api.revision_exists("org/model", "v1/x"), api.revision_exists("org/model", "no")), (True, False))
    equal("file_exists", (api.file_exists("org/model", "config.json"), api.file_exists("org/model", "no")), (True, False))
    equal("whoami", api.whoami(token="good")["name"], "tester")
    raises("whoami without a good token", errors.HfHubHTTPError, lambda: api.whoami(token="bad"))
    check("list_models", "org/model" in [m.id for m in api.list_models(author="org")])
    equal("list_repo_commits", api.list_repo_commits("org/model")[0].commit_id, info.sha)

    refs = api.list_repo_refs("org/model", include_pull_requests=True)
    equal("refs branches", sorted(b.name for b in refs.branches), ["main", "v1/x"])
    equal("refs tags", [(t.name, t.ref) for t in refs.tags], [("v1.0", "refs/tags/v1.0")])
    equal("refs pulls", [p.ref for p in refs.pull_requests], ["refs/pr/1"])
    equal("pull request by name", api.repo_info("org/model", revision="refs/pr/1").sha, refs.pull_requests[0].target_commit)
    return info.sha


def judge_listing(api, hub):
    import huggingface_hub.errors as errors

    for size in (1000, 2):
        hub.control("settings", {"page_size": size})
        tree = {item.path: item for item in api.list_repo_tree("org/model", recursive=True)}
        equal(
            f"list_repo_tree, pages of {size}",
            sorted(tree),
            sorted(["README.md", "config.json", "empty.txt", "model.safetensors", "sub", "sub/deep", "sub/deep/a b%+.txt"]),
        )
    hub.control("settings", {"page_size": 1000})
    blob = f"blob {len(CONFIG)}\0".encode() + CONFIG
    equal("blob_id is git's", tree["config.json"].blob_id, hashlib.sha1(blob).hexdigest())
    digest = hashlib.sha256(WEIGHT).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(WEIGHT)}\n".encode()
    entry = tree["model.safetensors"]
    equal("blob_id of LFS is the pointer's", entry.blob_id, hashlib.sha1(f"blob {len(pointer)}\0".encode() + pointer).hexdigest())
    equal("pointer size", entry.lfs.pointer_size, len(pointer))
    equal("no xet hash without xet", entry.xet_hash, None)
    equal("subfolder", [i.path for i in api.list_repo_tree("org/model", "sub/deep")], ["sub/deep/a b%+.txt"])
    expanded = next(i for i in api.list_repo_tree("org/model", expand=True) if i.path == "config.json")
    check("expand", expanded.last_commit is not None and expanded.security.safe)
    paths = ["config.json", "sub", "model.safetensors", "missing", "sub/deep/a b%+.txt"]
    infos = api.get_paths_info("org/model", paths, expand=True)
    equal("get_paths_info", sorted(i.path for i in infos), sorted(set(paths) - {"missing"}))
    many = [f"missing-{i}" for i in range(3000)] + ["config.json"]
    equal("get_paths_info with a long form", [i.path for i in api.get_paths_info("org/model", many)], ["config.json"])
    raises("tree of a missing folder", errors.RemoteEntryNotFoundError, lambda: list(api.list_repo_tree("org/model", "no")))
    raises("tree of a missing revision", errors.RevisionNotFoundError, lambda: list(api.list_repo_tree("org/model", revision="no")))


def judge_download(api, hub, sha, cache):
    import huggingface_hub as hf
    import huggingface_hub.errors as errors

    get = lambda *args, **kwargs: Path(api.hf_hub_download(*args, cache_dir=cache, **kwargs))  # noqa: E731
    for with_cache in (False, True):
        hub.control("settings", {"resolve_cache": with_cache})
        shutil.rmtree(cache, ignore_errors=True)
        kind = " by resolve-cache" if with_cache else ""
        equal("regular file" + kind, get("org/model", "config.json").read_bytes(), CONFIG)
        equal("LFS file" + kind, get("org/model", "model.safetensors").read_bytes(), WEIGHT)
        equal("empty file" + kind, get("org/model", "empty.txt").read_bytes(), b"")
        equal("odd name" + kind, get("org/model", "sub/deep/a b%+.txt").read_bytes(), b"odd name")
        equal("revision with a slash" + kind, get("org/model", "config.json", revision="v1/x").read_bytes(), b"{}")
        equal("org-less" + kind, get("gpt2", "config.json").read_bytes(), b'{"gpt2": 1}')
    hub.control("settings", {"resolve_cache": False})
    equal("ref", (cache / "models--org--model/refs/main").read_text(), sha)
    check("blob is named by sha256", (cache / f"models--org--model/blobs/{hashlib.sha256(WEIGHT).hexdigest()}").exists())
    for kind in ("dataset", "space", "kernel"):
        equal(f"{kind} regular", get("org/thing", "file.txt", repo_type=kind).read_bytes(), f"{kind}s".encode())
        equal(f"{kind} LFS", get("org/thing", "big.bin", repo_type=kind).read_bytes(), noise(50_000, 2))
    folder = Path(api.snapshot_download("org/model", cache_dir=cache))
    equal("snapshot_download", sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()),
          sorted(["README.md", "config.json", "empty.txt", "model.safetensors", "sub/deep/a b%+.txt"]))
    meta = hf.get_hf_file_metadata(hf.hf_hub_url("org/model", "model.safetensors"))
    equal("metadata", (meta.commit_hash, meta.etag, meta.size, meta.location.startswith(hub.cdn)),
          (sha, hashlib.sha256(WEIGHT).hexdigest(), len(WEIGHT), True))
    raises("missing file", errors.RemoteEntryNotFoundError, lambda: get("org/model", "none"))
    check(".no_exist marker", (cache / f"models--org--model/.no_exist/{sha}/none").exists())
    raises("missing revision", errors.RevisionNotFoundError, lambda: get("org/model", "config.json", revision="none"))


def judge_access(api, hub, cache):
    import huggingface_hub.errors as errors

    get = lambda repo, **kwargs: api.hf_hub_download(repo, "model.safetensors", cache_dir=cache, **kwargs)  # noqa: E731
    missing = errors.RepositoryNotFoundError
    raises("missing repo, info", missing, lambda: api.model_info("org/none"))
    raises("missing repo, token, info", missing, lambda: api.model_info("org/none", token="good"))
    raises("private repo, info", missing, lambda: api.model_info("org/private"))
    raises("private repo, weak token, info", missing, lambda: api.model_info("org/private", token="weak"))
    equal("private repo, good token, info", api.model_info("org/private", token="good").private, True)
    check("gated repo, info", api.model_info("org/gated").gated == "manual")
    raises("disabled repo, info", errors.DisabledRepoError, lambda: api.model_info("org/disabled"))
    raises("gated, auth_check", errors.GatedRepoError, lambda: api.auth_check("org/gated"))
    for repo, error in (("org/none", missing), ("org/private", missing), ("org/gated", errors.GatedRepoError)):
        for token in (None, "weak"):
            raises(f"download of {repo}, token {token}", error, lambda: get(repo, token=token))
    for repo in ("org/private", "org/gated"):
        equal(f"download of {repo}, good token", Path(get(repo, token="good")).read_bytes(), noise(40_000, 3))
    equal("the token never reached the CDN", hub.control("stats")["token_leaks"], 0)


def judge_cli(hub, cache):
    program = Path(sys.executable).parent / "hf"
    env = dict(os.environ, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(cache), HF_HOME=str(cache.parent / "home"))

    def run(*args):
        return subprocess.run([str(program), *args], env=env, capture_output=True, text=True, timeout=120)

    got = run("download", "org/model", "--quiet")
    check("hf download", got.returncode == 0 and (cache / "models--org--model").is_dir(), got.stderr)
    got = run("cache", "verify", "org/model")
    check("hf cache verify", got.returncode == 0, got.stdout + got.stderr)
    blob = cache / f"models--org--model/blobs/{hashlib.sha256(WEIGHT).hexdigest()}"
    blob.write_bytes(b"x" * len(WEIGHT))
    got = run("cache", "verify", "org/model")
    check("hf cache verify finds damage", got.returncode == 1, got.stdout + got.stderr)
    got = run("download", "org/none", "config.json")
    check("hf download of nothing", got.returncode != 0 and "not found" in got.stderr, got.stderr)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def judge_rest(api, hub, sha, cache):
    hub.control("alias", {"type": "model", "from": "before/name", "to": "org/model"})
    equal("renamed repo, info", api.model_info("before/name").id, "org/model")
    path = Path(api.hf_hub_download("before/name", "config.json", revision="v1/x", cache_dir=cache))
    equal("renamed repo, download", path.read_bytes(), b"{}")
    try:
        urllib.request.build_opener(NoRedirect).open(f"{hub.url}/before/name/resolve/v1%2Fx/config.json?a=b")
    except urllib.error.HTTPError as answer:
        equal("rename keeps escapes", (answer.code, answer.headers["Location"]),
              (307, "/org/model/resolve/v1%2Fx/config.json?a=b"))

    files = {"config.json": {"base64": base64.b64encode(CONFIG).decode()}, "new.txt": "new"}
    moved = hub.control("branch", {"id": "org/model", "branch": "main", "files": files})["commit"]
    check("a branch moves", moved != sha and api.model_info("org/model").sha == moved)
    equal("new file", Path(api.hf_hub_download("org/model", "new.txt", cache_dir=cache)).read_text(), "new")
    equal("old commit", len(list(api.list_repo_tree("org/model", revision=sha))), 5)

    hub.control("repos", {"id": "org/xet", "xet": True, "files": {"w.bin": {"size": 30_000_000, "seed": 9}}})
    item = next(iter(api.list_repo_tree("org/xet")))
    equal("xet hash in the tree", len(item.xet_hash), 64)
    path = Path(api.hf_hub_download("org/xet", "w.bin", cache_dir=cache, token="good"))
    equal("xet file over HTTP", hashlib.sha256(path.read_bytes()).hexdigest(), item.lfs.sha256)
    equal("no token at the CDN after a redirect", hub.control("stats")["token_leaks"], 0)


def judge_faults(api, hub, cache):
    import huggingface_hub.errors as errors

    def fresh():
        shutil.rmtree(cache, ignore_errors=True)
        return Path(api.hf_hub_download("org/xet", "w.bin", cache_dir=cache)).stat().st_size

    hub.control("faults", {"origin": "cdn", "count": 2, "cut_after": 12_000_000})
    equal("client resumes after cuts", fresh(), 30_000_000)
    ranges = [entry["range"] for entry in hub.control("log") if entry["origin"] == "cdn"][-2:]
    # The client counts what it has got in whole chunks of 10 MiB.
    equal("ranges of the resumes", ranges, ["bytes=10485760-", "bytes=20971520-"])
    hub.control("faults", {"path": "*/resolve/*", "method": "HEAD", "count": 1, "status": 503})
    equal("client tries again after 503", fresh(), 30_000_000)
    hub.control("faults", {"path": "*/resolve/*", "drop_headers": ["X-Repo-Commit"]})
    raises("an answer without a commit", errors.LocalEntryNotFoundError, fresh)
    hub.control("clear-faults", {})
    equal("faults cleared", fresh(), 30_000_000)


def main():
    if importlib.util.find_spec("huggingface_hub") is None:
        print("this interpreter has no huggingface_hub: run scripts/test-env, and this test with build/venv/bin/python")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_data(folder / "data")
        hub = Hub(folder / "data")
        os.environ.update(HF_ENDPOINT=hub.url, HF_HOME=str(folder / "home"))
        import huggingface_hub  # reads the environment once, when it is imported

        print(f"huggingface_hub {huggingface_hub.__version__}")
        api = huggingface_hub.HfApi(token=False)
        try:
            sha = judge_repo(api, hub)
            judge_listing(api, hub)
            judge_download(api, hub, sha, folder / "cache")
            judge_access(api, hub, folder / "cache-access")
            judge_cli(hub, folder / "cache-cli")
            judge_rest(api, hub, sha, folder / "cache-rest")
            judge_faults(api, hub, folder / "cache-faults")
        finally:
            equal("stops cleanly on SIGTERM", hub.stop(), 0)
    print(f"{len(FAILURES)} failed" if FAILURES else "all passed")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
