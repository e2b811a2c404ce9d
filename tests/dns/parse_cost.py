#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions that one message of 60 KB takes, for each kind that was made to cost time.

usage: parse_cost.py PROGRAM

Counted, not timed, so the same everywhere. The limit is for a build that is hardly optimised, which takes about
three times the instructions of a release; at three instructions a nanosecond it is 0.7 ms there and 0.2 ms then.
"""
import re
import subprocess
import sys

LIMIT = 2_200_000


def instructions(program, kind):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                          "--toggle-collect=isochrone::dns::measured*", program, kind],
                         capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        raise SystemExit(f"{kind}: {run.stderr}")
    return int(found.group(1)), run.stdout.strip()


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    kinds = subprocess.run([sys.argv[1]], capture_output=True, text=True, check=True).stdout.split()
    wrong = 0
    for kind in kinds:
        count, what = instructions(sys.argv[1], kind)
        is_wrong = count > LIMIT or count == 0
        wrong += is_wrong
        print(f"{kind:14} {count:10} instructions  {what}{'  TOO MANY' if is_wrong else ''}")
    return 1 if wrong or not kinds else 0


if __name__ == "__main__":
    sys.exit(main())
