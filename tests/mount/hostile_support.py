# SPDX-License-Identifier: Apache-2.0
"""For the tests that attack: a Hub that says whatever a test wants, byte by byte, and files outside that must not change."""

import hashlib
import http.server
import json
import os
import re
import socketserver
import stat
import threading
from pathlib import Path

from hubfs_mount import LIBC, Mounted, commit_of, etag_of, is_lfs, run

CLIENT = Path(__file__).resolve().parents[2] / "build/venv/bin/python"


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # who hangs up on a liar is right


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_):
        pass

    def do_GET(self):
        owner = self.server.owner
        owner.seen.append({"origin": self.server.name, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})
        for pattern, action in list(owner.lies):
            if re.search(pattern, self.path):
                return action(self)
        owner.honest(self)

    def answer(self, status=200, body=b"", headers=()):
        """A well-formed answer; headers are (name, value) pairs."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, *pieces):
        """These bytes instead of an answer, and then the end of the connection; a piece may be an endless iterator."""
        self.close_connection = True
        for piece in pieces:
            for part in (piece,) if isinstance(piece, bytes) else piece:
                self.wfile.write(part)
        self.wfile.flush()


class LyingHub:
    """An honest little Hub on two ports (the second one stands for any other origin), whose answers `lie()` replaces."""

    def __init__(self):
        self.lies = []
        self.seen = []
        self.repos = {}
        self.servers = []
        for name in ("hub", "other"):
            server = _Server(("127.0.0.1", 0), _Handler)
            server.owner, server.name = self, name
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            self.servers.append(server)
        self.url, self.other = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def lie(self, pattern, action):
        """`action` answers the requests whose path and query match; the latest lie counts."""
        self.lies.insert(0, (pattern, action))

    def lie_body(self, pattern, body, headers=(), status=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.lie(pattern, lambda request: request.answer(status, data, headers))

    def add(self, repo_id, files):
        commit = commit_of(repo_id)
        self.repos[repo_id] = (commit, files)
        return commit

    def tree(self, files):
        entries = []
        for path, data in files.items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            if is_lfs(path):
                entry["lfs"] = {"oid": etag_of(path, data), "size": len(data), "pointerSize": 130}
            else:
                entry["oid"] = etag_of(path, data)
            entries.append(entry)
        return entries

    def honest(self, request):
        path = request.path.split("?")[0]
        for repo_id, (commit, files) in self.repos.items():
            if path.startswith(f"/api/models/{repo_id}/tree/"):
                return request.answer(200, json.dumps(self.tree(files)).encode())
            if path == f"/api/models/{repo_id}" or path.startswith(f"/api/models/{repo_id}/revision/"):
                return request.answer(200, json.dumps({"id": repo_id, "sha": commit}).encode())
            base = f"/{repo_id}/resolve/{commit}/"
            if path.startswith(base) and path[len(base) :] in files:
                return self.send_file(request, commit, path[len(base) :], files[path[len(base) :]])
        return request.answer(404, b"", [("X-Error-Code", "RepoNotFound")])

    def send_file(self, request, commit, path, data):
        first, last = 0, len(data) - 1
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        request.answer(206, data[first : last + 1], [("Content-Range", f"bytes {first}-{last}/{len(data)}"),
                                                     ("ETag", f'"{etag_of(path, data)}"'), ("X-Repo-Commit", commit)])


class Canary:
    """A folder outside that must stay as it is: what it holds, when it was changed, who may do what, how many names.
    `names` are further files in it, under the names that somebody who followed a link to it would look for."""

    def __init__(self, path, names=(), content=b"this lies outside of the cache"):
        self.path = Path(path)
        for name in ("file", "folder/inner", *names):
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o640)
        self.content = content
        self.before = self.look()

    def look(self):
        found = {}
        for base, folders, files in os.walk(self.path):
            for name in [".", *folders, *files]:
                path = os.path.join(base, name)
                info = os.lstat(path)
                data = Path(path).read_bytes() if stat.S_ISREG(info.st_mode) else b""
                found[os.path.normpath(path)] = (info.st_ino, info.st_mode, info.st_uid, info.st_gid, info.st_nlink,
                                                 info.st_size, info.st_mtime_ns, data)
        return found

    def differences(self):
        after = self.look()
        return [path for path in {**self.before, **after} if self.before.get(path) != after.get(path)]


RENAME_EXCHANGE = 2


class Swapper:
    """A thread that exchanges two names over and over, as an attacker does between a check and its use."""

    def __init__(self, *pairs):
        self.pairs = [(os.fsencode(a), os.fsencode(b)) for a, b in pairs]
        self.swaps = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.done.is_set():
            for a, b in self.pairs:
                if LIBC.renameat2(-100, a, -100, b, RENAME_EXCHANGE) == 0:
                    self.swaps += 1
            self.done.wait(0.0005)

    def stop(self):
        self.done.set()
        self.thread.join()


def client_complaints(root):
    """What the real client's scan of a cache has to say against it."""
    code = ("import sys; from huggingface_hub import scan_cache_dir\n"
            "for w in scan_cache_dir(sys.argv[1]).warnings: print(w)")
    done = run(CLIENT, "-c", code, root, timeout=60)
    return done.stdout.strip() or (done.stderr.strip() if done.returncode else "")


def resident_bytes(mount):
    """Of the daemon, at its highest."""
    status = Path(f"/proc/{mount.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def is_well(mount: Mounted):
    """The daemon lives and answers."""
    return mount.process.poll() is None and mount.status()["pid"] == mount.pid
