# SPDX-License-Identifier: Apache-2.0
"""The network as it is: what a program sees of each fault, and that none hangs it or leaves a wrong byte.

The bounds that are minutes long in a mount are tested in tests/core/fetch and tests/core/hub with shorter ones.
"""

import contextlib
import errno
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

from hubfs_mount import Cache, MountTest, errno_of, in_thread, main, name_of, noise, run, sha256, wait_until

CONFIG = '{"model_type": "llama"}'
SIZE = 24 << 20


class NetworkTest(MountTest):
    def setUp(self):
        super().setUp()
        self.server = self.hub()
        self.data = noise(SIZE, 5)
        self.commit = self.cache.hub_add(self.server, "meta/tiny", {"config.json": CONFIG, "w.bin": self.data}, cached=["config.json"])
        self.blob = self.cache.blob("meta/tiny", "w.bin", self.data)

    def start_mount(self, **kwargs):
        mounted = self.mount(hub=self.server, **kwargs)
        self.path = mounted / "models/llama/tiny/w.bin"
        self.names(mounted / "models/llama/tiny")
        return mounted

    def assertWhole(self):
        """Read to the end it is right, and so is the blob."""
        self.assertEqual(sha256(self.path.read_bytes()), sha256(self.data))
        self.assertTrue(wait_until(self.blob.exists, 10))
        self.assertEqual(sha256(self.blob.read_bytes()), sha256(self.data))

    def assertRefused(self, code, *, words="", published=False):
        started = time.monotonic()
        self.assertEqual(name_of(errno_of(self.path.read_bytes)), name_of(code))
        self.assertLess(time.monotonic() - started, 12)
        if words:
            self.assertIn(words, os.getxattr(self.path, "user.hubfs.error").decode())
        self.assertEqual(self.blob.exists(), published)

    def test_connection_refused(self):
        mounted = self.start_mount()
        self.server.stop()
        started = time.monotonic()
        self.assertErrno(errno.ENETUNREACH, open, self.path, "rb")
        self.assertLess(time.monotonic() - started, 1, "at once")
        self.assertEqual((mounted / "models/llama/tiny/config.json").read_text(), CONFIG)

    def test_a_name_that_does_not_resolve(self):
        mounted = self.mount(endpoint="http://no-such-host.invalid")
        self.cache.tree("meta/tiny", self.commit, {"config.json": CONFIG, "w.bin": self.data})
        path = mounted / "models/llama/tiny/w.bin"
        self.assertTrue(wait_until(lambda: "w.bin" in self.names(mounted / "models/llama/tiny"), 5))
        self.assertErrno(errno.ENETUNREACH, open, path, "rb")

    def test_silence_before_the_first_byte(self):
        self.start_mount()
        self.server.fault(path="*w.bin*", hang=True)
        started = time.monotonic()
        self.assertErrno(errno.ETIMEDOUT, open, self.path, "rb")
        self.assertLess(time.monotonic() - started, 12)

    def test_connections_that_are_reset_again_and_again(self):
        self.start_mount()
        self.server.fault(origin="cdn", cut_after=1 << 20, count=20)
        self.assertWhole()
        self.assertLessEqual(self.server.file_bytes("models/meta/tiny/w.bin"), 1.01 * SIZE, "progress is kept")

    def test_too_many_requests(self):
        self.start_mount()
        self.server.fault(origin="hub", path="*/resolve/*", status=429, headers={"Retry-After": "1"}, count=1)
        self.server.fault(origin="cdn", status=429, headers={"RateLimit": '"api";r=0;t=1'}, count=1)
        self.assertWhole()

    def test_a_server_that_fails_for_a_while(self):
        self.start_mount()
        for status in (500, 502, 503):
            self.server.fault(origin="cdn", status=status, count=1)
        self.assertWhole()

    def test_a_server_that_goes_on_failing(self):
        self.start_mount()
        self.server.fault(path="*w.bin*", status=503)
        self.assertRefused(errno.EIO, words="503")

    def test_refusals_in_the_middle_of_a_file(self):
        for status, code in ((401, errno.ENOENT), (403, errno.EACCES), (404, errno.ENOENT)):
            with self.subTest(status):
                mounted = self.start_mount(options="fill=never")
                self.server.control("clear-faults", {})
                with open(self.path, "rb", buffering=0) as file:
                    self.assertEqual(file.read(4096), self.data[:4096])
                    # The CDN refuses, the Hub is asked again and refuses too.
                    self.server.fault(status=status, path="*w.bin*")
                    self.server.fault(status=status, origin="cdn")
                    self.assertErrno(code, os.pread, file.fileno(), 4096, SIZE // 2)
                    self.assertEqual(os.pread(file.fileno(), 4096, 0), self.data[:4096], "what is here stays readable")
                self.assertEqual(mounted.unmount(), "")

    def test_an_expired_address_is_renewed(self):
        self.start_mount(options="fill=never")
        with open(self.path, "rb", buffering=0) as file:
            file.read(4096)
            self.server.fault(origin="cdn", status=403, count=1)
            self.assertEqual(os.pread(file.fileno(), 4096, SIZE // 2), self.data[SIZE // 2 : SIZE // 2 + 4096])

    def test_ranges_that_are_ignored(self):
        self.start_mount()
        self.server.fault(origin="cdn", ignore_range=True)
        self.assertRefused(errno.EIO)

    def test_another_range_than_asked_for(self):
        self.start_mount()
        self.server.fault(origin="cdn", content_range=f"bytes 1-100/{SIZE}")
        self.assertRefused(errno.EIO, words="range")

    def test_bodies_too_short_pass_and_those_of_another_size_do_not(self):
        self.start_mount()
        self.server.fault(origin="cdn", short_by=100, count=3)
        self.assertWhole()

    def test_a_file_of_another_size_than_listed(self):
        self.start_mount()
        self.server.fault(origin="hub", path="*w.bin*", headers={"X-Linked-Size": "99"})
        self.assertRefused(errno.EIO, words="size")

    def test_flipped_bytes(self):
        self.start_mount()
        self.server.fault(origin="cdn", flip=[SIZE - 1000])
        # The bytes before the end may have been read; the end never is.
        self.assertErrno(errno.EIO, self.path.read_bytes)
        self.assertFalse(self.blob.exists())
        self.server.control("clear-faults", {})
        self.assertTrue(wait_until(lambda: errno_of(self.path.read_bytes) == 0, 10))
        self.assertWhole()

    def test_flipped_bytes_with_verify_before_read(self):
        self.start_mount(options="verify=before-read")
        self.server.fault(origin="cdn", flip=[SIZE - 1000], count=1)
        with open(self.path, "rb", buffering=0) as file:
            self.assertEqual(file.read(4096), self.data[:4096], "nothing was read before the second try was right")
        self.assertWhole()

    def test_the_pages_of_wrong_bytes_are_dropped(self):
        self.start_mount()
        fault = self.server.fault(origin="cdn", flip=[10], count=1)
        with open(self.path, "rb", buffering=0) as file:
            self.assertNotEqual(file.read(4096), self.data[:4096])
            self.assertErrno(errno.EIO, lambda: [file.read(1 << 20) for _ in range(40)])
            # Who saw wrong bytes gets errors from now on, also where the kernel had kept a page.
            self.assertTrue(wait_until(lambda: errno_of(os.pread, file.fileno(), 4096, 0) == errno.EIO, 5), fault)
        self.assertWhole()

    def test_redirects_to_nowhere(self):
        self.start_mount()
        for target in ("self", "file:///etc/passwd", "ftp://127.0.0.1/x"):
            with self.subTest(target):
                self.server.control("clear-faults", {})
                self.server.fault(origin="hub", path="*w.bin*", redirect=target)
                self.assertRefused(errno.EIO, words="redirect")

    def test_gzip_that_was_not_asked_for(self):
        self.start_mount()
        self.server.fault(origin="cdn", gzip=True)
        self.assertRefused(errno.EIO, words="encoding")

    def test_an_etag_full_of_slashes(self):
        self.start_mount()
        self.server.fault(origin="hub", path="*w.bin*", etag='"../../../../escaped/"')
        self.assertWhole()
        self.assertEqual(list(self.folder.glob("**/escaped*")), [])

    def test_gone_in_the_middle_of_a_read_and_back(self):
        self.start_mount(options="fill=never")
        with open(self.path, "rb", buffering=0) as file:
            file.read(4096)
            # The CDN answers nobody, for a few seconds; in the test of its own (mount_outage) for a minute.
            self.server.fault(origin="cdn", reset=True)
            read = in_thread(lambda: os.pread(file.fileno(), 4096, SIZE // 2))
            time.sleep(float(os.environ.get("HUBFS_OUTAGE_SECONDS", "4")))
            self.assertFalse(read.is_done())
            self.server.control("clear-faults", {})
            self.assertEqual(read(15), self.data[SIZE // 2 : SIZE // 2 + 4096])

    def test_a_proxy_by_the_usual_variables(self):
        proxy = Proxy()
        self.addCleanup(proxy.stop)
        self.start_mount(env={"http_proxy": proxy.url, "no_proxy": ""})
        self.assertWhole()
        self.assertGreater(proxy.requests, 1)
        proxy.requests = 0
        other = self.mount(endpoint=self.server.url, env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"})
        self.assertErrno(errno.ENOENT, os.stat, other / "hub/org/none")
        self.assertEqual(proxy.requests, 0)

    def test_a_certificate_authority_by_the_usual_variables(self):
        server = self.hub()
        server.add("org/thing", {"config.json": "{}"})
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                   "-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate)
        self.assertEqual(done.returncode, 0, done.stderr)
        front = TlsFront(server.url, certificate, key)
        self.addCleanup(front.stop)
        names = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        unset = dict.fromkeys(names, "")
        unknown = self.mount(endpoint=front.url, env=unset)
        self.assertErrno(errno.EIO, os.stat, unknown / "hub/org/thing")
        for name in names:
            with self.subTest(name):
                mounted = self.mount(Cache(self.folder / name), endpoint=front.url, env={**unset, name: str(certificate)})
                self.assertEqual((mounted / "hub/org/thing/config.json").read_text(), "{}")

    def test_umount_and_sigterm_whatever_the_network_does(self):
        for how in ("umount", "sigterm"):
            with self.subTest(how):
                mounted = self.start_mount()
                self.server.fault(path="*w.bin*", hang=True)
                self.server.fault(origin="cdn", hang=True)
                reader = self.start(sys.executable, "-c", f"open({str(self.path)!r},'rb').read()", stderr=subprocess.DEVNULL)
                self.assertTrue(wait_until(lambda: mounted.status()["parked_requests"] > 0))
                started = time.monotonic()
                if how == "sigterm":
                    self.assertEqual(mounted.end(5), 0)
                else:
                    reader.kill()
                    reader.wait()
                    self.assertEqual(mounted.unmount(), "")
                self.assertLess(time.monotonic() - started, 2)
                self.server.control("clear-faults", {})


class Listener:
    """On a port of its own; serve(client) is called in a thread for each connection."""

    def __init__(self, scheme):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def stop(self):
        self.listener.close()


class TlsFront(Listener):
    """Takes TLS connections and hands them on to a Hub without it."""

    def __init__(self, url, certificate, key):
        host, port = re.match(r"http://([^:]+):(\d+)", url).groups()
        self.behind = host, int(port)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        super().__init__("https")

    def serve(self, client):
        with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True) as client:
            request = client.recv(1 << 16)  # they are small, and come in one piece
            with socket.create_connection(self.behind) as server:
                server.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                while more := server.recv(1 << 16):
                    client.sendall(more)


class Proxy(Listener):
    """A plain HTTP proxy for GET, on a port of its own."""

    def __init__(self):
        self.requests = 0
        super().__init__("http")

    def serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                more = client.recv(65536)
                if not more:
                    return
                head += more
            self.requests += 1
            method, host, port, path = re.match(rb"(\w+) http://([^:/]+):(\d+)(\S*) ", head).groups()
            head = head.replace(b"http://" + host + b":" + port, b"", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            with socket.create_connection((host.decode(), int(port))) as server:
                server.sendall(head)
                while more := server.recv(1 << 16):
                    client.sendall(more)


if __name__ == "__main__":
    main()
