#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one fuzz target: run_target.py PROGRAM CORPUS [SECONDS]. Without SECONDS, HUBFS_FUZZ_SECONDS or 20.

First every committed input, then new ones made of them. What it finds that is new goes into a temporary folder, with --keep
FOLDER into that one; an input that breaks something is kept in build/fuzz-findings. Prints one line: executions, and whether
something was found.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("seconds", type=int, nargs="?", default=int(os.environ.get("HUBFS_FUZZ_SECONDS", "20")))
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    name = arguments.program.name.removeprefix("fuzz_")
    committed = sorted(arguments.corpus.iterdir()) if arguments.corpus.is_dir() else []
    if not committed:
        sys.exit(f"{name}: there is no corpus in {arguments.corpus}")
    findings = ROOT / "build/fuzz-findings"
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hubfs-fuzz-") as temporary:
        found = arguments.keep or Path(temporary)
        found.mkdir(parents=True, exist_ok=True)
        # -seed: the same inputs for the same program. -timeout: an input that takes a second is a finding too.
        command = [arguments.program, f"-max_total_time={arguments.seconds}", "-seed=1", "-timeout=10", "-rss_limit_mb=1024", "-max_len=8192",
                   "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-", found, arguments.corpus]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=arguments.seconds + 300,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"})
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    features = re.findall(r" ft: (\d+)", done.stderr)
    print(f"{name}: {executed[1] if executed else 0} executions in {arguments.seconds} s, {features[-1] if features else 0} features, "
          f"{'nothing found' if done.returncode == 0 else 'FOUND SOMETHING'}", flush=True)
    if done.returncode != 0:
        print(done.stderr[-8000:])
        sys.exit(1)
    if not executed or int(executed[1]) < len(committed):
        sys.exit(f"{name}: it did not run its corpus:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
