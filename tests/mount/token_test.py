# SPDX-License-Identifier: Apache-2.0
"""The token, and signed addresses: to the Hub's own origin and nowhere else; in no log, attribute, report, file or command line."""

import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

from hostile_support import LyingHub
from hubfs_mount import HUBFS, MountTest, main, noise, run, wait_until

TOKEN = "hf_ThisIsTheMarkerOfTheToken"
SIGNATURE = "ThisIsTheMarkerOfTheSignature"
FILES = {"config.json": b'{"model_type": "llama"}', "w.bin": noise(300_000, 1), "x.bin": noise(1000, 2)}


class TokenTest(MountTest):
    def setUp(self):
        super().setUp()
        self.server = LyingHub()
        self.addCleanup(self.server.stop)
        self.commit = self.server.add("org/private", FILES)
        for number in range(8):
            self.server.add(f"org/odd-{number}", FILES)

    def start_mount(self, **kwargs):
        kwargs.setdefault("env", {"HF_TOKEN": TOKEN})
        return self.mount(endpoint=self.server.url, extra=("-v",), **kwargs)

    def redirect(self, pattern, target):
        """Answers what fits by a redirect to the same path elsewhere, with a signature as a CDN wants it."""
        def action(request):
            if request.server.name != "hub" or "Signature" in request.path:
                return self.server.honest(request)
            path = request.path.split("?")[0]
            request.answer(302, b"", [("Location", f"{target}{path}?X-Amz-Signature={SIGNATURE}&Expires=9999999999"), ("X-Repo-Commit", self.commit)])
        self.server.lie(pattern, action)

    def assertHubOnly(self):
        hub = [each for each in self.server.seen if each["origin"] == "hub"]
        other = [each for each in self.server.seen if each["origin"] == "other"]
        self.assertTrue(any(each["headers"].get("authorization") == f"Bearer {TOKEN}" for each in hub))
        for each in other:
            self.assertNotIn(TOKEN, json.dumps(each))
            self.assertNotIn("authorization", each["headers"])
            self.assertNotIn("cookie", each["headers"])
        for each in self.server.seen:
            self.assertNotIn(TOKEN, each["path"])
        return hub, other

    def assertNowhere(self, mounted, *words):
        """Not in anything that a program, a user or a bug report can see."""
        seen = {"log": mounted.log(), "status": json.dumps(mounted.status()), "cmdline": Path(f"/proc/{mounted.pid}/cmdline").read_text(),
                "mountinfo": Path("/proc/self/mountinfo").read_text(), "words": " ".join(words)}
        for command in ("status", "ls"):
            done = subprocess.run([HUBFS, command, *([mounted.point] if command == "status" else ["--cache", self.cache.root])],
                                  capture_output=True, text=True, timeout=20, check=False)
            seen[command] = done.stdout + done.stderr
        for base, folders, files in os.walk(mounted.point):
            for name in [*folders, *files]:
                path = os.path.join(base, name)
                with contextlib.suppress(OSError):
                    for attribute in os.listxattr(path):
                        with contextlib.suppress(OSError):
                            seen[f"{path} {attribute}"] = os.getxattr(path, attribute).decode(errors="replace")
        for folder in (self.cache.root, self.cache.root.parent / ".hubfs", self.folder / "home"):
            for path in folder.rglob("*"):
                seen[f"name {path}"] = str(path)
                if path.is_symlink():
                    seen[f"link {path}"] = os.readlink(path)
                elif path.is_file():
                    seen[str(path)] = path.read_bytes().decode(errors="replace")
        for where, text in seen.items():
            for secret in (TOKEN, SIGNATURE):
                self.assertNotIn(secret, text, where)
        self.assertGreater(len(seen), 10)

    def test_it_goes_to_the_hub_and_not_to_where_that_sends_us(self):
        self.redirect("^/org/private/resolve/", self.server.other)
        mounted = self.start_mount()
        for name, data in FILES.items():
            self.assertEqual((mounted / "hub/org/private" / name).read_bytes(), data)
        self.assertTrue(wait_until(lambda: not mounted.status()["downloads"], 20))
        hub, other = self.assertHubOnly()
        self.assertTrue(all("authorization" in each["headers"] for each in hub))
        self.assertGreaterEqual(len(other), 3)
        self.assertNowhere(mounted)

    def test_nor_to_another_name_port_or_scheme_of_the_same_machine(self):
        port = self.server.url.rpartition(":")[2]
        self.redirect("^/org/odd-0/resolve/", f"http://localhost:{port}")
        self.redirect("^/org/odd-1/(resolve|tree)/", f"https://127.0.0.1:{port}")
        self.redirect("^/org/odd-2/resolve/", f"http://127.0.0.2:{port}")
        mounted = self.start_mount()
        for number in range(3):
            with contextlib.suppress(OSError):
                (mounted / f"hub/org/odd-{number}/w.bin").read_bytes()
        strangers = [each for each in self.server.seen if not each["headers"].get("host", "").startswith("127.0.0.1:")]
        self.assertTrue(strangers)
        for each in strangers:
            self.assertNotIn("authorization", each["headers"])
        self.assertNowhere(mounted)

    def test_nor_back_to_the_hub_once_it_was_elsewhere(self):
        # Who can make the other origin redirect must not get an address of his choice asked for with our token.
        self.redirect("^/org/odd-0/resolve/", self.server.other)
        self.server.lie("^/org/odd-0/resolve/.*Signature", lambda request: request.answer(302, b"", [("Location", f"{self.server.url}/chosen")]))
        mounted = self.start_mount()
        with contextlib.suppress(OSError):
            (mounted / "hub/org/odd-0/x.bin").read_bytes()
        chosen = [each for each in self.server.seen if each["path"].startswith("/chosen")]
        self.assertTrue(chosen)
        for each in chosen:
            self.assertNotIn("authorization", each["headers"])
        self.assertHubOnly()

    def test_nor_with_the_api_and_its_next_pages(self):
        page = json.dumps(self.server.tree(FILES)).encode()
        self.redirect("^/api/models/org/odd-0/revision/", self.server.other)
        self.redirect("^/api/models/org/odd-1/tree/", self.server.other)
        self.server.lie("^/api/models/org/odd-2/tree/", lambda request: request.answer(
            200, page, [("Link", f'<{self.server.other}/api/next?token=x>; rel="next"')]))
        mounted = self.start_mount()
        for number in range(3):
            with contextlib.suppress(OSError):
                os.listdir(mounted / f"hub/org/odd-{number}")
        self.assertHubOnly()
        self.assertNowhere(mounted)

    def test_not_in_the_words_of_any_failure(self):
        headers = [("X-Error-Code", "GatedRepo"), ("X-Error-Message", "no")]
        self.server.lie_body("^/org/odd-0/resolve/", b"", headers, 403)
        self.server.lie_body("^/org/odd-1/resolve/", TOKEN.encode(), [], 401)
        self.server.lie_body("^/org/odd-2/resolve/", b"", [("Location", f"{self.server.other}/loop?X-Amz-Signature={SIGNATURE}")], 302)
        self.server.lie_body("^/loop", b"", [("Location", f"{self.server.other}/loop?X-Amz-Signature={SIGNATURE}")], 302)
        self.server.lie_body("^/org/odd-3/resolve/", b"", [("Location", f"http://127.0.0.1:9/gone?X-Amz-Signature={SIGNATURE}")], 302)
        self.server.lie_body("^/org/odd-4/resolve/", b"", [("Location", f"ftp://127.0.0.1/x?X-Amz-Signature={SIGNATURE}")], 302)
        # A server that sends back what it got.
        self.server.lie("^/org/odd-5/resolve/", lambda request: request.answer(
            500, request.headers.get("Authorization", "").encode(), [("X-Error-Message", request.headers.get("Authorization", "none")), ("Retry-After", "1")]))
        self.server.lie("^/org/odd-6/resolve/", lambda request: request.raw(b"HTTP/1.1 " + request.headers.get("Authorization", "").encode() + b"\r\n\r\n"))
        mounted = self.start_mount()
        words = []
        for number in (0, 1, 2, 4, 6, 3):
            path = mounted / f"hub/org/odd-{number}/x.bin"
            with contextlib.suppress(OSError):
                path.read_bytes()
                self.fail(f"{path} was read")
            words.append(os.getxattr(path, "user.hubfs.error").decode())
        self.assertTrue(all(words), words)
        self.assertNowhere(mounted, *words)

    def test_from_a_file_and_not_from_a_bad_value(self):
        token_file = self.folder / "secret"
        token_file.write_text(TOKEN + "\n")
        mounted = self.start_mount(env={"HF_TOKEN_PATH": str(token_file)})
        self.names(mounted / "hub/org/private")
        self.assertHubOnly()
        self.assertNowhere(mounted)
        self.assertNotIn(TOKEN, Path(f"/proc/{mounted.pid}/environ").read_text())
        self.end(mounted)
        bad = subprocess.run([HUBFS, "mount", "--cache", self.cache.root, self.folder / "nowhere/x"], capture_output=True, text=True, timeout=20, check=False,
                             env={**os.environ, "HF_TOKEN": TOKEN + "\x01", "HF_HOME": str(self.folder / "home")})
        self.assertNotIn(TOKEN, bad.stdout + bad.stderr)

    def test_in_the_background_it_is_where_the_mount_command_had_it(self):
        point = self.folder / "point"
        point.mkdir()
        env = {**os.environ, "HF_TOKEN": TOKEN, "HF_HOME": str(self.folder / "home")}
        log = self.folder / "daemon.log"
        done = subprocess.run([HUBFS, "mount", "-v", "--log", log, "--endpoint", self.server.url, "--cache", self.cache.root, point],
                              capture_output=True, text=True, timeout=20, check=False, env=env)
        self.addCleanup(run, HUBFS, "umount", point)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.names(point / "hub/org/private")
        pid = json.loads((point / ".hubfs/status.json").read_text())["pid"]
        # Only as inherited, and only for the user and root; nothing is added, nothing is on the command line.
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        self.assertEqual([each for each in environ if TOKEN.encode() in each], [f"HF_TOKEN={TOKEN}".encode()])
        self.assertNotIn(TOKEN, Path(f"/proc/{pid}/cmdline").read_text() + log.read_text() + done.stdout + done.stderr)
        self.assertTrue(re.search(r"Max core file size\s+[01]\s+[01] ", Path(f"/proc/{pid}/limits").read_text()), "a core would hold it")


if __name__ == "__main__":
    main()
