#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Comparisons against named peers, in interleaved rounds on pinned cores.

usage: scripts/bench dns [--rounds N] [--seconds S] [--only NAME,..] [--quick] [--json FILE]
       scripts/bench xdp [--rounds N] [--seconds S] [--only static,routed] [--quick] [--json FILE]   (root)
       scripts/bench routing [--data DIR] [--draws D] [--sites N] [--seed N] [--svg DIR] [--json FILE]
       scripts/bench changepoints --data DIR [--json FILE]
       scripts/bench prober [--rounds N] [--quick] [--json FILE]   (root)
       scripts/bench events [--only jetstream] [--rounds N] [--seconds S] [--data DIR] [--json FILE]
       scripts/bench prefix_table|compile|answer|sign|reduce|probe [--json FILE]
       scripts/bench instructions

dns           one server core, one load core; every round asks every server in turn. Peers: a bare
              UDP echo, gdnsd, knot (geoip module for routed names), nsd, pdns (geoip backend or Lua for
              routed names) and bind, from Debian's packages; what is not installed is left out. Loads:
              static, names, many-names, routed, networks, signed, tcp-pipelined, tcp-many, tcp-fresh,
              latency (at half of what gdnsd can do), swap (of tables, under load), start (and memory).
              --quick: one short round over less data, to see that it works.
xdp           queries over a cable between two network namespaces, the server's end answered by AF_XDP or by
              sockets: an AF_XDP echo, this project and knot, at full speed and at one given rate. The load
              sends frames by AF_XDP, whatever the server does.
routing       what answers cost beyond the best site, by paths measured, beside simple ways to choose
              them. DIR holds rtt-planetlab490/, rtt-wonderproxy241/ and bgp-prefixes/; without it only
              the slice that comes with the sources is used. --svg writes the plots of docs/routing-quality.md.
changepoints  whether estimates notice that a path changed, on traces with labelled moments of change, one sample
              a window. DIR holds real/ and artificial/, of files `time;rtt;cp` (gzip or plain).
prober        pings by the prober's engine, fping and zmap over a cable between two network namespaces: probes
              a second, CPU time and memory, unpaced and paced, and round trips with few and many targets.
instructions  what callgrind counts for one answer(), by kind of query; needs no quiet machine.
events        durable ingest through the collector's API, and how long an acknowledgement takes at half
              of that. Peers keep octets of the same number: RocksDB with a sync per batch, a file with
              fdatasync, SQLite. DIR is the disk to measure (the default for temporary files).
others        Google Benchmark programs of this project, alone.

Prints medians with minimum and maximum. Compare only figures of one run: this machine's speed drifts.
"""
import argparse
import glob
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
sys.path.insert(0, str(ROOT / "bench"))
import dns_cases  # noqa: E402
import dns_peers  # noqa: E402
import events_compare  # noqa: E402
import prober_cases  # noqa: E402
import routing  # noqa: E402
import xdp_cases  # noqa: E402

MICRO = ("prefix_table", "compile", "answer", "sign", "reduce", "probe")


def machine():
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {platform.system()} {platform.release()}"


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


def count_instructions():
    """Instructions of answer() and all it calls, for each query of bench_answer."""
    program = str(BUILD / "bench" / "bench_answer")
    names = subprocess.run([program, "--benchmark_list_tests"], check=True, capture_output=True,
                           text=True).stdout.split()
    results = {}
    for name in (n for n in names if not n.endswith("/1000000")):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            run = subprocess.run(
                ["valgrind", "--tool=callgrind", "--toggle-collect=isochrone::dns::answer(*",
                 f"--callgrind-out-file={out}", program, f"--benchmark_filter=^{name}$",
                 "--benchmark_min_time=0.01", "--benchmark_format=json"], check=True, capture_output=True, text=True)
            total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
            iterations = json.loads(run.stdout)["benchmarks"][0]["calls"]
        results[name] = int(total.group(1)) / iterations
        print(f"  {name:<44} {results[name]:>8.0f} instructions", flush=True)
    return results


def change_points(data):
    """Precision and recall by kind of trace, as bench/change_points.cc counts them."""
    if data is None:
        raise SystemExit("scripts/bench changepoints needs --data DIR, with real/ and artificial/")
    results = {}
    for kind in ("real", "artificial"):
        files = sorted(glob.glob(str(data / kind / "*.csv*")))
        if not files:
            raise SystemExit(f"no *.csv or *.csv.gz in {data / kind}; --data names their parent folder")
        run = subprocess.run([str(BUILD / "bench" / "bench_change_points"), *files], check=True,
                             capture_output=True, text=True)
        results[kind] = json.loads(run.stdout)
        numbers = {key: value for key, value in results[kind].items() if key != "quantiles"}
        print(f"  {kind:<12} " + "  ".join(f"{key} {value:.4g}" for key, value in numbers.items()))
        for each in results[kind]["quantiles"]:
            print(f"  {'':<12} " + "  ".join(f"{key} {value:.4g}" for key, value in each.items()))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", choices=["dns", "xdp", "routing", "changepoints", "prober", "instructions", "events",
                                         *MICRO])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--sites", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5

    print(f"machine: {machine()}")
    print(f"command: scripts/bench {' '.join(sys.argv[1:])}")
    if options.name == "dns":
        print("versions: " + ", ".join(dns_peers.versions()))
        results = dns_cases.Bench(BUILD, options).run()
    elif options.name == "xdp":
        print("versions: " + dns_peers.version("knot"))
        results = xdp_cases.Bench(BUILD, options).run()
    elif options.name == "routing":
        results = routing.run(BUILD, options)
    elif options.name == "changepoints":
        results = change_points(options.data)
    elif options.name == "prober":
        print("versions: " + dns_peers.version("fping") + ", " + dns_peers.version("zmap"))
        results = prober_cases.Bench(BUILD, options).run()
    elif options.name == "instructions":
        results = count_instructions()
    elif options.name == "events":
        results = events_compare.run(BUILD, options)
    else:
        results = run_micro(options.name)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "arguments": sys.argv[1:],
                                            "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
