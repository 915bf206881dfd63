#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/cache-safety.md names a test for each trap, and each test that it names exists.

A test is named in `code` as path:Suite.Name (GoogleTest) or path:test_name (Python).
"""

import re
import sys

from source_tree import report, root_from_arguments

PAGE = "docs/cache-safety.md"
NAMED = re.compile(r"`(tests/[\w./-]+):([\w.]+)`")
ROW = re.compile(r"^\| *(\d+) *\|")
TRAPS = 31


def has_test(text: str, name: str) -> bool:
    if "." in name:
        suite, case = name.split(".", 1)
        return re.search(rf"\bTEST(?:_[FP])?\({re.escape(suite)},\s*{re.escape(case)}\)", text) is not None
    return re.search(rf"\bdef {re.escape(name)}\(", text) is not None


def check(root):
    page = root / PAGE
    if not page.is_file():
        return
    rows = {}
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        tests = NAMED.findall(line)
        for path, name in tests:
            file = root / path
            if not file.is_file():
                yield f"{PAGE}:{number}: there is no {path}"
            elif not has_test(file.read_text(encoding="utf-8", errors="replace"), name):
                yield f"{PAGE}:{number}: {path} has no test {name}"
        if row := ROW.match(line):
            rows[int(row[1])] = bool(tests)
    for trap in range(1, TRAPS + 1):
        if not rows.get(trap):
            yield f"{PAGE}: trap {trap} names no test"


if __name__ == "__main__":
    sys.exit(report(list(check(root_from_arguments()))))
