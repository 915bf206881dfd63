# SPDX-License-Identifier: Apache-2.0
"""A Hub that lies: an errno within bounds, words for it, the daemon alive and small, the cache valid, nothing outside."""

import errno
import json
import os
import time

from hostile_support import LyingHub, client_complaints, is_well, resident_bytes
from hubfs_mount import SLOW, MountTest, errno_of, etag_of, main, name_of, noise

GOOD = {"config.json": b'{"model_type": "llama"}', "w.bin": noise(200_000, 1)}
OID = "a" * 40
SHA = "b" * 64


def entry(path="far.txt", size=5, oid=OID, **more):
    return {"type": "file", "path": path, "size": size, "oid": oid, **more}


# Each is a listing that decides for ever which files a commit has: refused whole.
BAD_PATHS = ["../up", "a/../../up", "/etc/passwd", "", ".", "..", "a/./b", "a//b", "a/", "/", "x\0y", "n" * 256, "a\\..\\..\\up",
             "/".join(["d" * 200] * 21), "/".join(["d"] * 10_000), 7, None, ["a"], {"a": "b"}]
BAD_SIZES = [2**63, 2**64, 10**30, -1, -(2**63), 1.5, 1e300, "5", None, True, [], {}]
BAD_HASHES = ["", "x" * 40, "A" * 40, "a" * 39, "a" * 41, "../../../../../../../../../../../../../up", "a" * 20 + "/" + "a" * 19, 7, None]
BAD_TEXTS = [b"", b"nul", b"{}", b"7", b'"text"', b"[1]", b"[[]]", b"[{}]", b"[{", b"\xff\xfe[", b"[]x", b"[" * 1_000_000, b'{"a":' * 1_000_000,
             b"[" + b"9" * 10_000_000 + b"]", b'[{"type": "file", "size": ' + b"1" * 1_000_000 + b"}]",
             b'[{"type": "file", "path": "' + b"x" * 100_000_000 + b'"}]', b'[{"type": "file", "path": "\xc3\x28", "size": 1, "oid": "' + OID.encode() + b'"}]',
             b'[{"type": "file", "path": "\\ud800", "size": 1, "oid": "' + OID.encode() + b'"}]']


def bad_listings():
    for path in BAD_PATHS:
        yield json.dumps([entry("ok.txt"), entry(path)]).encode()
    for size in BAD_SIZES:
        yield json.dumps([entry(size=size)]).encode()
        yield json.dumps([entry("far.bin", lfs={"oid": SHA, "size": size, "pointerSize": 1})]).encode()
    for oid in BAD_HASHES:
        yield json.dumps([entry(oid=oid)]).encode()
        yield json.dumps([entry("far.bin", lfs={"oid": oid, "size": 5, "pointerSize": 1})]).encode()
    for paths in (("a.txt", "a.txt"), ("a", "a/b"), ("a/b", "a"), ("a", "a-b", "a/c"), ("a/b/c/d", "a/b")):
        yield json.dumps([entry(path) for path in paths]).encode()
    yield json.dumps([entry("a"), {"type": "directory", "path": "a", "oid": OID, "size": 0}]).encode()
    # Two thousand folders in each path: a listing of a megabyte that names a gigabyte of folders.
    yield json.dumps([entry(f"{n}/" + "/".join(["d"] * 2000)) for n in range(250)]).encode()
    yield from BAD_TEXTS


class HostileHubTest(MountTest):
    def setUp(self):
        super().setUp()
        self.hub_server = LyingHub()
        self.addCleanup(self.hub_server.stop)
        self.hub_server.add("good/repo", GOOD)
        self.before = None

    def start_mount(self, **kwargs):
        mounted = self.mount(endpoint=self.hub_server.url, **kwargs)
        self.before = set(os.listdir(self.folder))
        return mounted

    def check(self, mounted):
        """What must be so after any lie."""
        self.assertTrue(is_well(mounted))
        self.assertEqual((mounted / "hub/good/repo/w.bin").read_bytes(), GOOD["w.bin"])
        self.assertEqual(set(os.listdir(self.folder)), self.before, "nothing beside the cache")
        self.assertLess(resident_bytes(mounted), (2048 if SLOW else 300) << 20)

    def refused(self, action, *codes):
        """Fails with one of these, soon. Answers the name of the code."""
        started = time.monotonic()
        code = errno_of(action)
        self.assertIn(name_of(code), [name_of(each) for each in codes])
        self.assertLess(time.monotonic() - started, 20)
        return name_of(code)

    def test_listings_that_cannot_be(self):
        mounted = self.start_mount()
        for number, body in enumerate(bad_listings()):
            with self.subTest(number=number, body=body[:120]):
                self.hub_server.add(f"bad/repo-{number}", {})
                self.hub_server.lie_body(f"/bad/repo-{number}/tree/", body)
                self.refused(lambda n=number: os.listdir(mounted / f"hub/bad/repo-{n}"), errno.EIO)
                self.assertIn(f"bad/repo-{number}@", mounted.status()["last_refusal"])
        self.assertIn("refused", mounted.log())
        self.check(mounted)
        self.assertEqual(client_complaints(self.cache.root), "")

    def test_a_commit_that_is_none(self):
        mounted = self.start_mount()
        for number, sha in enumerate(["", "main", "A" * 40, "../" * 13 + "x", 7, None, ["a" * 40], "a" * 10_000_000]):
            with self.subTest(number):
                self.hub_server.lie_body(f"/bad/none-{number}/revision/", {"id": "x", "sha": sha})
                self.refused(lambda n=number: os.listdir(mounted / f"hub/bad/none-{n}"), errno.EIO)
        self.check(mounted)

    def test_very_many_files_take_little_memory(self):
        pages = [json.dumps([entry(f"data/part-{page:02d}/file-{n:05d}.txt") for n in range(10_000)]).encode() for page in range(25)]

        def serve(request):
            page = int(request.path.partition("page=")[2] or 0)
            following = [("Link", f'<{self.hub_server.url}/api/models/big/repo/tree/x?page={page + 1}>; rel="next"')]
            request.answer(200, pages[page], following if page + 1 < len(pages) else ())

        mounted = self.start_mount()
        self.hub_server.add("big/repo", {})
        self.hub_server.lie("/big/repo/tree/", serve)
        # A machine that needs more than the 3 s of a look-up gets an errno; memory is bounded in both cases.
        code = errno_of(os.listdir, mounted / "hub/big/repo")
        self.assertIn(name_of(code), ["0", "ETIMEDOUT"])
        if code == 0:
            self.assertEqual(len(os.listdir(mounted / "hub/big/repo/data/part-24")), 10_000)
            self.check(mounted)
        self.assertLess(resident_bytes(mounted), (2048 if SLOW else 300) << 20)

    def test_heads_that_cannot_be(self):
        mounted = self.start_mount()
        body = json.dumps(self.hub_server.tree(GOOD)).encode()
        flood = b"".join(b"X-%d: y\r\n" % n for n in range(100_000))
        heads = [b"HTTP/1.1 200 OK\r\n" + flood + b"Content-Length: %d\r\n\r\n" % len(body), b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * (1 << 20) + b"\r\n\r\n",
                 b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 1000, b"HTTP/1.1 999999999999 OK\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
                 b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nxyz"]
        for number, head in enumerate(heads):
            with self.subTest(head[:60]):
                self.hub_server.add(f"bad/head-{number}", GOOD)
                self.hub_server.lie(f"/bad/head-{number}/tree/", lambda request, head=head: request.raw(head))
                self.refused(lambda n=number: os.listdir(mounted / f"hub/bad/head-{n}"), errno.EIO)
        self.check(mounted)

    def test_redirects_that_lead_nowhere(self):
        mounted = self.start_mount()
        url, other = self.hub_server.url, self.hub_server.other
        places = ["", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "javascript:x", "dict://127.0.0.1:22/x", "http://", "//",
                  f"http://user:pw@{url[7:]}/x", "http://[::1", "http://127.0.0.1:99999/x", "http://127.0.0.1:0/x", f"{url}/" + "x" * 40_000, "self", "pingpong"]
        self.hub_server.lie("/ping", lambda request: request.answer(302, b"", [("Location", f"{other if 'hub' in request.server.name else url}/ping")]))
        for number, place in enumerate(places):
            with self.subTest(place[:40]):
                self.hub_server.add(f"bad/to-{number}", GOOD)
                self.hub_server.lie(f"/bad/to-{number}/(tree|resolve)/", lambda request, place=place: request.answer(
                    302, b"x", [("Location", request.path if place == "self" else "/ping" if place == "pingpong" else place)]))
                self.refused(lambda n=number: os.listdir(mounted / f"hub/bad/to-{n}"), errno.EIO)
        self.assertLess(len(self.hub_server.seen), 200, "loops are left early")
        self.check(mounted)

    def test_next_pages_elsewhere_and_without_end(self):
        mounted = self.start_mount()
        other, page = self.hub_server.other, json.dumps(self.hub_server.tree(GOOD)).encode()
        for number, link in enumerate([f"<{other}/api/next>", "<file:///etc/passwd>", "<self>", "<\\\\x\\y>", "<" + "x" * 40_000 + ">"]):
            with self.subTest(link[:40]):
                self.hub_server.add(f"bad/next-{number}", GOOD)
                self.hub_server.lie(f"/bad/next-{number}/tree/", lambda request, link=link: request.answer(
                    200, page, [("Link", link.replace("self", request.path) + '; rel="next"')]))
                self.refused(lambda n=number: os.listdir(mounted / f"hub/bad/next-{n}"), errno.EIO)
        self.assertEqual([each["path"] for each in self.hub_server.seen if each["origin"] == "other"], [])
        self.hub_server.add("bad/endless", GOOD)
        self.hub_server.lie("/bad/endless/tree/", lambda request: request.answer(
            200, b"[]", [("Link", f'<{request.path.split("&n=")[0]}&n={len(self.hub_server.seen)}>; rel="next"')]))
        self.check(mounted)
        # Whichever comes first: too many pages, or the 3 s that a listing may take.
        self.refused(lambda: os.listdir(mounted / "hub/bad/endless"), errno.EIO, errno.ETIMEDOUT)
        self.assertTrue(is_well(mounted))

    def test_bodies_without_end(self):
        endless = (b" " * 65_536 for _ in iter(int, 1))
        self.hub_server.add("bad/endless", GOOD)
        self.hub_server.lie("/bad/endless/tree/", lambda request: request.raw(b"HTTP/1.1 200 OK\r\n\r\n[", endless))
        self.hub_server.lie("/bad/answer/revision/", lambda request: request.raw(b"HTTP/1.1 200 OK\r\n\r\n{", (b" " * 65_536 for _ in iter(int, 1))))
        mounted = self.start_mount()
        self.refused(lambda: os.listdir(mounted / "hub/bad/answer"), errno.EIO, errno.ETIMEDOUT)
        self.check(mounted)
        self.refused(lambda: os.listdir(mounted / "hub/bad/endless"), errno.EIO, errno.ETIMEDOUT)
        self.assertTrue(is_well(mounted))
        self.assertLess(resident_bytes(mounted), (2048 if SLOW else 300) << 20)

    def test_ranges_that_lie(self):
        mounted = self.start_mount(options="fill=never")
        data, commit = GOOD["w.bin"], self.hub_server.repos["good/repo"][0]
        path, size = mounted / "hub/good/repo/w.bin", len(GOOD["w.bin"])
        self.assertEqual(self.names(mounted / "hub/good/repo"), sorted(GOOD))
        self.assertTrue(is_well(mounted))
        lies = [[("Content-Range", text)] for text in ("", "bytes", "bytes 0-0/1", "bytes 5-9/10", f"bytes 0-{size - 1}/{size + 1}", f"bytes 0-{size - 1}/{2**64}",
                                                       f"bytes -1-5/{size}", f"bytes 9-3/{size}", f"bytes 0-{2**64}/*", f"items 0-{size - 1}/{size}")]
        whole = ("Content-Range", f"bytes 0-{size - 1}/{size}")
        lies += [[whole, ("Content-Encoding", "gzip")], [whole, ("Content-Encoding", "br")], [whole, ("X-Repo-Commit", "c" * 40)],
                 [whole, ("Content-Length", str(size + 5))], []]
        for headers in lies:
            with self.subTest(headers):
                self.hub_server.lies.clear()
                self.hub_server.lie("/resolve/", lambda request, headers=headers: request.answer(
                    206, data + b"xxxxx", [*headers, *([] if dict(headers).get("X-Repo-Commit") else [("X-Repo-Commit", commit)])]))
                self.refused(path.read_bytes, errno.EIO)
                self.assertNotEqual(os.getxattr(path, "user.hubfs.error"), b"")
        self.hub_server.lies.clear()
        self.check(mounted)

    def test_etags_are_not_taken_for_names_and_what_comes_too_much_is_left(self):
        data, commit = GOOD["w.bin"], self.hub_server.repos["good/repo"][0]
        mounted = self.start_mount()
        for number, etag in enumerate(['"../../../up"', '"a/b"', "W/\"x\"", '""', '"' + "e" * 5000 + '"', "..", '"/etc/passwd"', '".lock"', '"x.incomplete"']):
            with self.subTest(etag[:40]):
                name = f"bad/etag-{number}"
                files = {"w.bin": noise(50_000, number)}
                commit = self.hub_server.add(name, files)
                data = files["w.bin"]
                head = (f"HTTP/1.1 206 Partial Content\r\nETag: {etag}\r\nX-Linked-Etag: {etag}\r\nX-Repo-Commit: {commit}\r\n"
                        f"Content-Range: bytes 0-{len(data) - 1}/{len(data)}\r\n\r\n").encode()
                # The right bytes, and then others without end.
                self.hub_server.lie(f"/{name}/resolve/", lambda request, head=head, data=data: request.raw(
                    head, data, (b"y" * 65_536 for _ in iter(int, 1))))
                path = mounted / f"hub/{name}/w.bin"
                self.assertEqual(path.read_bytes(), data)
                self.assertEqual(os.getxattr(path, "user.hubfs.etag").decode(), etag_of("w.bin", data))
        self.check(mounted)
        self.assertEqual(client_complaints(self.cache.root), "")


if __name__ == "__main__":
    main()
