#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the lint scripts find what they are for: each gets small trees that must pass and must fail."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GOOD = {
    "core/base/error.h": "#pragma once\n#include <string>\n",
    "core/model/ids.h": '#include "core/base/error.h"\n',
    "core/cache/layout.h": 'inline constexpr auto kBlobs = "blobs";\n#include "core/model/ids.h"\n',
    "core/hub/curl_transport.cc": '#include <curl/curl.h>\nauto kUrl = "/refs";\n',
    "core/hub/hub_client.h": '#include "core/model/ids.h"\n',
    "core/fetch/fetcher.h": '#include "core/cache/layout.h"\n#include "core/hub/hub_client.h"\n',
    "core/catalog/family.h": '#include "core/cache/layout.h"\n',
    "fs/view.h": '// "blobs" in a comment\n#include "core/fetch/fetcher.h"\nauto kPull = "refs/pr/1";\n',
    "fs/fuse_ops.cc": '#include <fuse_lowlevel.h>\n#include "fs/view.h"\n',
    "mount-helpers/main.cc": '#include "fs/view.h"\nauto key = "refs";  // cache-word: a JSON key\n',
    "tests/fs/view_test.cc": '#include <fuse_lowlevel.h>\n#include "tests/support/x.h"\n',
    "README.md": "# A\n[page](docs/a.md#two-words) and `scripts/run`\n",
    "docs/a.md": "## Two words\n[up](../README.md#a) [out](https://example.org/x)\n```\n[no](none.md)\n```\n",
    "scripts/run": "",
}


class LintTest(unittest.TestCase):
    def run_check(self, script, changes):
        """Runs a script on the good tree with changes; returns (exit status, output)."""
        with tempfile.TemporaryDirectory() as folder:
            for path, text in {**GOOD, **changes}.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, HERE / script, folder], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout + done.stderr

    def assert_finds(self, script, path, text, expected):
        status, output = self.run_check(script, {path: text})
        self.assertEqual(status, 1, f"{script} accepted {path}: {text[:80]}\n{output}")
        self.assertIn(expected, output)

    def test_good_tree_passes(self):
        for script in ("check_layers.py", "check_sizes.py", "check_cache_words.py", "check_links.py"):
            status, output = self.run_check(script, {})
            self.assertEqual(status, 0, f"{script}: {output}")

    def test_safety(self):
        tests = "TEST(Suite, Rule) {}\nTEST_F(Other, Rule) {}\n"
        page = "".join(f"| {n} | trap | `tests/a_test.cc:Suite.Rule`, `tests/b_test.py:test_it` |\n" for n in range(1, 32))
        good = {"docs/cache-safety.md": page, "tests/a_test.cc": tests, "tests/b_test.py": "def test_it(self):\n"}
        self.assertEqual(self.run_check("check_safety.py", good), (0, ""))
        for path, text, expected in (
            ("docs/cache-safety.md", page.replace("| 7 |", "| x |"), "trap 7 names no test"),
            ("tests/a_test.cc", "TEST(Suite, Rules) {}\n", "tests/a_test.cc has no test Suite.Rule"),
            ("tests/b_test.py", "test_it()\n", "tests/b_test.py has no test test_it"),
        ):
            status, output = self.run_check("check_safety.py", {**good, path: text})
            self.assertEqual(status, 1)
            self.assertIn(expected, output)

    def test_layers(self):
        for path, include, expected in (
            ("core/base/x.h", '"core/model/ids.h"', "core/base must not know core/model"),
            ("core/model/x.h", '"core/cache/layout.h"', "core/model must not know core/cache"),
            ("core/cache/x.h", '"core/hub/hub_client.h"', "core/cache must not know core/hub"),
            ("core/hub/x.h", '"core/cache/layout.h"', "core/hub must not know core/cache"),
            ("core/fetch/x.h", '"core/catalog/family.h"', "core/fetch must not know core/catalog"),
            ("core/catalog/x.h", '"core/fetch/fetcher.h"', "core/catalog must not know core/fetch"),
            ("core/fetch/x.h", '"fs/view.h"', "core/fetch must not know fs"),
            ("fs/x.cc", '"mount-helpers/main.h"', "there is no such header"),
            ("fs/x.cc", "<fuse_lowlevel.h>", "only fs/fuse_*"),
            ("fs/x.cc", "<fuse3/fuse_lowlevel.h>", "only fs/fuse_*"),
            ("core/hub/x.cc", '"fuse.h"', "only fs/fuse_*"),
            ("mount-helpers/x.cc", "<fuse.h>", "only fs/fuse_*"),
            ("fs/x.cc", "<curl/curl.h>", "only core/hub"),
            ("core/hub/x.cc", "<curl/multi.h>", "one file only"),
            ("fs/x.cc", '"tests/support/x.h"', "nothing includes tests/"),
            ("fs/x.cc", '"view.h"', "path from the root"),
            ("fs/x.cc", '"../core/base/error.h"', "path from the root"),
            ("fs/x.cc", "<core/base/error.h>", 'with ""'),
            ("core/new/x.h", "<string>", "not in one of the folders"),
        ):
            self.assert_finds("check_layers.py", path, f"  #  include {include}\n", expected)

    def test_mount_helpers_are_the_top(self):
        files = {"mount-helpers/cli.h": "", "fs/x.cc": '#include "mount-helpers/cli.h"\n'}
        status, output = self.run_check("check_layers.py", files)
        self.assertEqual(status, 1)
        self.assertIn("fs must not know mount-helpers", output)

    def test_sizes(self):
        self.assert_finds("check_sizes.py", "fs/long.cc", "\n" * 601, "fs/long.cc: 601 lines")
        self.assert_finds("check_sizes.py", "fs/long.h", "\n" * 251, "fs/long.h: 251 lines")
        self.assert_finds("check_sizes.py", "tests/fs/long.cc", "\n" * 801, "801 lines")
        status, output = self.run_check("check_sizes.py", {"fs/long.cc": "\n" * 401})
        self.assertEqual(status, 0)
        self.assertIn("warning: fs/long.cc", output)

    def test_cache_words(self):
        for text in (
            'auto a = "blobs";',
            'auto a = root + "/snapshots/";',
            'auto a = "refs";',
            'auto a = "x/.no_exist/y";',
            'auto a = etag + ".abc.incomplete";',
            'auto a = R"(.locks)";',
            "auto a = '\"'; auto b = \"trees\";",
            'auto a = "refs";  // cache-word:',
        ):
            self.assert_finds("check_cache_words.py", "fs/x.cc", text + "\n", "fs/x.cc:1")
        self.assert_finds("check_cache_words.py", "core/hub/x.cc", '\n"snapshots"\n', "core/hub/x.cc:2")

    def test_links(self):
        for text, expected in (
            ("[x](docs/none.md)", "there is no docs/none.md"),
            ("[x](docs/a.md#none)", "no section #none"),
            ("[x](#none)", "no section #none"),
            ("[x](../../etc)", "leaves the project"),
            ("see `scripts/none`", "there is no scripts/none"),
        ):
            self.assert_finds("check_links.py", "README.md", f"# A\n{text}\n", expected)


if __name__ == "__main__":
    unittest.main()
