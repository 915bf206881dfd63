#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs benchmarks one after another and prints one table. scripts/bench builds what is needed and calls this.

    run.py [--strict] [--list] [NAME…]

Without names all are run. The exit status is 0 when everything could be measured, met or not; with --strict a bound that is
not met is a failure too. 77: nothing can be mounted here. HUBFS_BENCH_QUICK=1: small sizes, to try the scripts.
"""

import os
import signal
import sys
import traceback

import bench
import cached_bench  # noqa: F401  (each registers its benchmarks)
import cold_bench  # noqa: F401
import demand_bench  # noqa: F401
import removal_bench  # noqa: F401
import start_bench  # noqa: F401


def main():
    flags = {word for word in sys.argv[1:] if word.startswith("--")}
    names = [word for word in sys.argv[1:] if word not in flags] or list(bench.BENCHMARKS)
    if "--list" in flags:
        print("\n".join(bench.BENCHMARKS))
        return 0
    if unknown := [name for name in names if name not in bench.BENCHMARKS] + sorted(flags - {"--strict"}):
        print(f"unknown: {' '.join(unknown)}; there are: {' '.join(bench.BENCHMARKS)}", file=sys.stderr)
        return 2
    if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
        print("skipped: needs /dev/fuse and root")
        return 77
    # So that what a benchmark made is cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load_before = os.getloadavg()[0]
    rows, notes, failed, skipped = [], {}, [], []
    for name in names:
        try:
            with bench.Stage(name) as stage:
                bench.BENCHMARKS[name](stage)
        except bench.Skipped as reason:
            skipped.append(f"{name}: {reason}")
        except Exception:  # noqa: BLE001 - the others are still worth measuring
            traceback.print_exc()
            failed.append(name)
        rows += stage.rows
        notes[name] = stage.notes
    print(f"{bench.surroundings(load_before)}\n\n{bench.table(rows, notes, names)}")
    for line in skipped:
        print(f"- skipped: {line}")
    for name in failed:
        print(f"- NOT MEASURED: {name}")
    if skipped and not rows:
        return 77
    return 1 if failed or ("--strict" in flags and any(row.is_met() is False for row in rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
