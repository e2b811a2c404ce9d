#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Comparisons against named peers, in interleaved rounds on pinned cores.

usage: scripts/bench dns [--rounds N] [--seconds S] [--only NAME,..] [--json FILE]
       scripts/bench routing [--data DIR] [--draws D] [--sites N] [--seed N] [--svg DIR] [--json FILE]
       scripts/bench prefix_table|compile|answer|sign|reduce|probe [--json FILE]

dns           one server core, one load core; every round asks every server in turn. Peers: a bare
              UDP echo, gdnsd, knot (geoip module for routed names) and nsd, from Debian's packages.
routing       what answers cost beyond the best site, by paths measured, beside simple ways to choose
              them. DIR holds rtt-planetlab490/, rtt-wonderproxy241/ and bgp-prefixes/; without it only
              the slice that comes with the sources is used. --svg writes the plots of docs/routing-quality.md.
others        Google Benchmark programs of this project, alone.

Prints medians with minimum and maximum. Compare only figures of one run: this machine's speed drifts.
"""
import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
sys.path.insert(0, str(ROOT / "bench"))
import dns_peers  # noqa: E402
import routing  # noqa: E402

MICRO = ("prefix_table", "compile", "answer", "sign", "reduce", "probe")


def machine():
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {platform.system()} {platform.release()}"


def spread(values, digits=0):
    median = statistics.median(values)
    return f"{median:.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


def load(server, case, seconds):
    command = [str(BUILD / "bench" / "bench_dns_load"), "--server", f"127.0.0.1@{server.port}",
               "--seconds", str(seconds), "--cpu", "1", "--pid", str(server.pid), *case.arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_dns(options):
    results = {}
    with dns_peers.Arena(BUILD) as arena:
        for case in arena.cases():
            if options.only and case.name not in options.only:
                continue
            servers = arena.start(case)
            rows = {server.name: [] for server in servers}
            for round_number in range(options.rounds):
                print(f"\r{case.name}: round {round_number + 1} of {options.rounds} ", end="",
                      file=sys.stderr, flush=True)
                for server in servers:
                    rows[server.name].append(load(server, case, options.seconds))
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
            arena.stop(servers)
            show_dns(case, rows)
            results[case.name] = rows
    return results


def show_dns(case, rows):
    print(f"\n{case.title}")
    print(f"  {'server':<12} {'q/s (k)':>24} {'server CPU us/query':>24} {'p99 us':>18} {'lost':>6} {'wrong':>6}")
    for name, runs in rows.items():
        print(f"  {name:<12} {spread([r['qps'] / 1000 for r in runs], 1):>24} "
              f"{spread([r['server_cpu_us'] for r in runs], 2):>24} "
              f"{spread([r['p99_us'] for r in runs], 0):>18} "
              f"{sum(r['lost'] for r in runs):>6} {sum(r['wrong'] for r in runs):>6}")


def run_micro(name):
    command = [str(BUILD / "bench" / f"bench_{name}"), "--benchmark_repetitions=5",
               "--benchmark_report_aggregates_only=true", "--benchmark_format=json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rows = {}
    for row in report["benchmarks"]:
        rows.setdefault(row["run_name"], {})[row["aggregate_name"]] = row
    for run_name, aggregates in rows.items():
        median = aggregates["median"]
        extra = "  ".join(f"{k}={v:.4g}" for k, v in median.items()
                          if isinstance(v, float) and k not in ("real_time", "cpu_time"))
        print(f"  {run_name:<44} {median['cpu_time']:>12.1f} {median['time_unit']}"
              f"  +-{aggregates['stddev']['cpu_time']:.1f}  {extra}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", choices=["dns", "routing", *MICRO])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    print(f"machine: {machine()}")
    print(f"command: scripts/bench {' '.join(sys.argv[1:])}")
    if options.name == "dns":
        print("versions: " + ", ".join(dns_peers.versions()))
        results = run_dns(options)
    elif options.name == "routing":
        results = routing.run(BUILD, options)
    else:
        results = run_micro(options.name)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "arguments": sys.argv[1:],
                                            "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
