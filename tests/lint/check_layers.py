#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dependencies point one way: base <- model <- cache, hub <- fetch, catalog <- fs <- mount-helpers.

Reads the #include lines. Besides the direction: project headers are included by their path from the root; nothing includes
tests/; libfuse is known to fs/fuse_* alone, curl to one file in core/hub/.
"""

import re
import sys

from source_tree import PRODUCT, report, root_from_arguments, sources

BELOW = {
    "core/base": set(),
    "core/model": {"core/base"},
    "core/cache": {"core/base", "core/model"},
    "core/hub": {"core/base", "core/model"},
    "core/fetch": {"core/base", "core/model", "core/cache", "core/hub"},
    "core/catalog": {"core/base", "core/model", "core/cache", "core/hub"},
}
BELOW["fs"] = set(BELOW)
BELOW["mount-helpers"] = set(BELOW)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
FUSE_HEADER = re.compile(r"^(fuse3?/|c?fuse(_\w+)?\.h$|cuse_\w+\.h$)")
FUSE_FILE = re.compile(r"^fs/fuse_\w+\.(h|cc)$")


def layer_of(path: str):
    parts = path.split("/")
    if parts[0] == "core":
        return "/".join(parts[:2]) if len(parts) > 2 else None
    return parts[0]


def check_include(root, path, quoted, target):
    """Returns what is wrong with one include line of a product file, or None."""
    layer = layer_of(path)
    if FUSE_HEADER.match(target):
        return None if FUSE_FILE.match(path) else "only fs/fuse_* may include a libfuse header"
    of_project = target.split("/")[0] in PRODUCT + ("tests",)
    if not of_project:
        if quoted:
            return "a header of the project is included by its path from the root, any other with <>"
        return None
    if target.startswith("tests/"):
        return "nothing includes tests/"
    if not quoted:
        return 'a header of the project is included with ""'
    if not (root / target).is_file():
        return "there is no such header"
    target_layer = layer_of(target)
    if target_layer not in BELOW:
        return f"{target_layer} is not one of the folders: {', '.join(BELOW)}"
    if target_layer != layer and target_layer not in BELOW[layer]:
        return f"{layer} must not know {target_layer}"
    return None


def main() -> int:
    root = root_from_arguments()
    findings = []
    curl_files = set()
    for path, text in sources(root, PRODUCT):
        if layer_of(path) not in BELOW:
            findings.append(f"{path}: not in one of the folders: {', '.join(BELOW)}")
            continue
        for match in INCLUDE.finditer(text):
            quoted, target = match[1] == '"', match[2]
            line = text.count("\n", 0, match.start()) + 1
            if target.startswith("curl/"):
                curl_files.add(path)
                if layer_of(path) != "core/hub":
                    findings.append(f"{path}:{line}: {target}: only core/hub may include a curl header")
                continue
            wrong = check_include(root, path, quoted, target)
            if wrong:
                findings.append(f"{path}:{line}: {target}: {wrong}")
    if len(curl_files) > 1:
        findings.append(f"curl headers belong in one file only, not in: {', '.join(sorted(curl_files))}")
    return report(findings)


if __name__ == "__main__":
    sys.exit(main())
