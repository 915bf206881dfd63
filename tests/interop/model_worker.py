# SPDX-License-Identifier: Apache-2.0
"""A Python client that lives as long as model_test.py: takes commands as JSON lines on stdin, answers one line for each.

Runs in a Python that has huggingface_hub, the current or the old one; the environment says which Hub and which cache. A
command that is to be killed in the middle runs in a child of its own (`doomed`), so that the import is paid for once.
"""

import contextlib
import io
import json
import os
import signal
import sys

os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1",
                  HF_HUB_DISABLE_UPDATE_CHECK="1", HF_HUB_DISABLE_SYMLINKS_WARNING="1")

import huggingface_hub as hf  # noqa: E402  (reads the environment when it is imported)

ROOT = os.environ["HF_HUB_CACHE"]


def download(repo, type, path, revision):  # noqa: A002 - the client's own word
    return hf.hf_hub_download(repo, path, repo_type=type, revision=revision, cache_dir=ROOT, token=False)


def snapshot(repo, type, revision):  # noqa: A002
    return hf.snapshot_download(repo, repo_type=type, revision=revision, cache_dir=ROOT, token=False, max_workers=2)


def scan():
    try:
        info = hf.scan_cache_dir(ROOT)
    except hf.CacheNotFound:
        return {"repos": {}, "warnings": []}
    repos = {f"{repo.repo_type}s--{repo.repo_id.replace('/', '--')}":
             {"size": repo.size_on_disk, "revisions": sorted(each.commit_hash for each in repo.revisions)} for repo in info.repos}
    return {"repos": repos, "warnings": [str(warning) for warning in info.warnings]}


def cli(args):
    """`hf ARGS`, without another start of Python. Answers status and what it said."""
    from huggingface_hub.cli import hf as command  # noqa: PLC0415 - the old client has none

    said = io.StringIO()
    sys.argv = ["hf", *args]
    status = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            command.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return {"status": status, "said": said.getvalue()}


def doomed(command):
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            serve(command)
        os._exit(0)
    return child


def reap(pid):
    """Kills a doomed child; answers whether it had ended by itself."""
    done, _ = os.waitpid(pid, os.WNOHANG)
    if done:
        return True
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def serve(command):
    what = command.pop("do")
    return {"download": download, "snapshot": snapshot, "scan": scan, "cli": cli, "doomed": doomed, "reap": reap}[what](**command)


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            answer = {"value": serve(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the caller judges
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
