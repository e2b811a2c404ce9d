#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that web/beacon/beacon.js is what beacon.ts makes.

usage: check_beacon.py source ROOT     it names its source's digest and is below 5 KB compressed
       check_beacon.py rebuild ROOT    made again by npm, it has the same octets; 77 where there is no npm
"""
import gzip
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

MOST_COMPRESSED = 5_000
SKIPPED = 77


def source(folder):
    made = (folder / "beacon.js").read_bytes()
    digest = hashlib.sha256((folder / "beacon.ts").read_bytes()).hexdigest()
    faults = []
    if digest.encode() not in made:
        faults.append("beacon.ts has changed since beacon.js was made: cd web/beacon && npm ci && npm run build")
    compressed = len(gzip.compress(made, 9, mtime=0))
    if compressed >= MOST_COMPRESSED:
        faults.append(f"beacon.js has {compressed} octets compressed; fewer than {MOST_COMPRESSED} are promised")
    print("\n".join(faults) if faults else f"beacon.js: {len(made)} octets, {compressed} compressed")
    return 1 if faults else 0


def rebuild(folder):
    if not shutil.which("npm"):
        print("skipped: no npm here, so beacon.js cannot be made again; its digest was compared all the same")
        return SKIPPED
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(scratch) / "beacon"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("node_modules"))
        installed = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=copy, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if installed.returncode != 0:
            print("skipped: npm cannot install esbuild and typescript here:", installed.stdout[-500:], sep="\n")
            return SKIPPED
        subprocess.run(["node", "build.mjs", "again.js"], cwd=copy, check=True)
        if (copy / "again.js").read_bytes() != (folder / "beacon.js").read_bytes():
            print("beacon.js is not what beacon.ts makes: cd web/beacon && npm ci && npm run build")
            return 1
    print("made again, beacon.js has the same octets")
    return 0


def main():
    checks = {"source": source, "rebuild": rebuild}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    return checks[sys.argv[1]](pathlib.Path(sys.argv[2]) / "web" / "beacon")


if __name__ == "__main__":
    sys.exit(main())
