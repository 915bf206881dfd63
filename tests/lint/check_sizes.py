#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files stay small: past 400 lines a file is about to hold two things, past 600 it does. Headers 250, tests 800."""

import sys

from source_tree import PRODUCT, report, root_from_arguments, sources


def limits(path: str):
    """(warn, fail) in lines."""
    if path.startswith("tests/"):
        return 600, 800
    if path.endswith(".h"):
        return 200, 250
    return 400, 600


def main() -> int:
    root = root_from_arguments()
    findings = []
    for path, text in sources(root, PRODUCT + ("tests",), {".h", ".cc", ".py"}):
        lines = text.count("\n")
        warn, fail = limits(path)
        if lines > fail:
            findings.append(f"{path}: {lines} lines, the limit is {fail}: split it by noun or by family of operations")
        elif lines > warn:
            print(f"warning: {path}: {lines} lines, the limit is {fail}")
    return report(findings)


if __name__ == "__main__":
    sys.exit(main())
