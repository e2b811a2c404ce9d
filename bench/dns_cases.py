# SPDX-License-Identifier: Apache-2.0
"""The loads of scripts/bench dns: what is asked of whom, and what is written down.

A case has entries, each a server with its data and a load; every round runs each entry once, in turn.
"""
import dataclasses
import json
import signal
import statistics
import subprocess
import sys
import time

from dns_peers import ROUTED, STATIC, Arena, Flavour, peak_bytes

EVERY = ("isochrone", "gdnsd", "knot", "nsd", "pdns", "bind")
OVER_TCP = ("isochrone", "gdnsd", "knot", "nsd", "pdns")
SWAPS = 10


@dataclasses.dataclass(frozen=True)
class Sizes:
    few_names: int = 10_000
    many_names: int = 1_000_000
    few_networks: int = 10_000
    networks: int = 100_000
    many_networks: int = 1_000_000


QUICK = Sizes(few_names=1_000, many_names=20_000, few_networks=1_000, networks=5_000, many_networks=20_000)


@dataclasses.dataclass
class Entry:
    label: str
    flavour: Flavour
    arguments: list
    tool: str = "dns_load"


@dataclasses.dataclass
class Case:
    name: str
    title: str
    entries: list


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}..{max(values):.{digits}f}]"


class Bench:
    def __init__(self, build, options):
        self.build = build
        self.options = options
        self.sizes = QUICK if options.quick else Sizes()

    def run(self):
        results = {}
        with Arena(self.build) as self.arena:
            for case in self.cases():
                if self.wants(case.name):
                    results[case.name] = self.run_case(case)
            for name, run in (("latency", self.run_latency), ("swap", self.run_swap), ("start", self.run_start)):
                if self.wants(name):
                    results[name] = run()
        return results

    def wants(self, name):
        return not self.options.only or name in self.options.only

    # Loads.

    def static(self):
        return ["--name", STATIC]

    def names(self, count):
        return ["--name", "n%.bench.example", "--names", str(count)]

    def routed(self, count):
        return ["--name", ROUTED, "--networks", str(self.arena.networks_file(count))]

    def cases(self):
        sizes = self.sizes
        few, many = sizes.few_names, sizes.many_names
        return [
            Case("static", "one static name", [Entry("echo", Flavour("echo"), self.static())] + [
                Entry(server, Flavour(server), self.static()) for server in EVERY]),
            Case("names", f"{few} static names", [
                Entry(server, Flavour(server, few), self.names(few)) for server in EVERY]),
            Case("many-names", f"{many} static names", [
                Entry(server, Flavour(server, many), self.names(many)) for server in EVERY]),
            Case("routed", f"routed, Client Subnet varies over {sizes.networks} networks",
                 self.routed_entries(sizes.networks)),
            Case("networks", "routed, by the number of networks", [
                Entry(f"{server}, {count}", Flavour(server, networks=count), self.routed(count))
                for server in ("isochrone", "gdnsd", "knot")
                for count in (sizes.few_networks, sizes.many_networks)]),
            Case("signed", f"routed over {sizes.networks} networks, DO set", [
                Entry(label, Flavour("isochrone", networks=sizes.networks, is_signed=is_signed),
                      [*self.routed(sizes.networks), "--dnssec"])
                for label, is_signed in (("unsigned", False), ("signed", True))]),
            self.tcp("tcp-pipelined", "TCP, 100 connections, 10 questions outstanding on each",
                     ["--connections", "100", "--pipeline", "10"]),
            self.tcp("tcp-many", "TCP, 1000 connections, one question outstanding on each",
                     ["--connections", "1000", "--pipeline", "1"]),
            self.tcp("tcp-fresh", "TCP, a new connection for each question, 100 at a time",
                     ["--connections", "100", "--fresh"]),
        ]

    def routed_entries(self, count):
        def of(server):
            return Flavour(server, networks=count)
        return [
            Entry("isochrone", of("isochrone"), self.routed(count)),
            Entry("  static", of("isochrone"), self.static()),
            Entry("  static, EDNS", of("isochrone"), [*self.static(), "--edns"]),
            Entry("  no subnet", of("isochrone"), ["--name", ROUTED]),
            Entry("gdnsd", of("gdnsd"), self.routed(count)),
            Entry("  gdnsd static", of("gdnsd"), self.static()),
            Entry("knot", of("knot"), self.routed(count)),
            Entry("pdns geoip", of("pdns"), self.routed(count)),
            Entry("pdns Lua", of("pdns-lua"), self.routed(count)),
        ]

    def tcp(self, name, title, arguments):
        return Case(name, title, [Entry(server, Flavour(server), [*self.static(), *arguments], "tcp_load")
                                  for server in OVER_TCP])

    # Running them.

    def load(self, running, arguments, seconds=None, tool="dns_load"):
        command = self.load_command(running, arguments, seconds, tool)
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def load_command(self, running, arguments, seconds=None, tool="dns_load"):
        return [str(self.build / "bench" / f"bench_{tool}"), "--server", f"127.0.0.1@{running.port}",
                "--seconds", str(seconds or self.options.seconds), "--cpu", "1", "--pid", str(running.pid),
                *arguments]

    def start_all(self, flavours):
        running = {}
        for flavour in dict.fromkeys(flavours):
            self.tell(f"starting {flavour.server}")
            try:
                started = self.arena.start(flavour)
            except SystemExit as why:
                if flavour.server == "isochrone":
                    raise
                print(f"left out: {why}", file=sys.stderr)
                continue
            if started is not None:
                running[flavour] = started
        return running

    def stop_all(self, running):
        for one in running.values():
            self.arena.stop(one)

    def tell(self, text):
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)

    def run_case(self, case):
        running = self.start_all(entry.flavour for entry in case.entries)
        entries = [entry for entry in case.entries if entry.flavour in running]
        rows = {entry.label.strip(): [] for entry in entries}
        for round_number in range(self.options.rounds):
            for entry in entries:
                self.tell(f"{case.name}: round {round_number + 1} of {self.options.rounds}")
                rows[entry.label.strip()].append(
                    self.load(running[entry.flavour], entry.arguments, tool=entry.tool))
        self.stop_all(running)
        self.tell("")
        print(f"\n{case.title}")
        print(f"  {'server':<18} {'q/s (k)':>24} {'server CPU us/query':>22} {'in user mode':>12} {'p99 us':>18}"
              f" {'lost':>6} {'wrong':>6}")
        for label, runs in rows.items():
            print(f"  {label:<18} {spread([r['qps'] / 1000 for r in runs], 1):>24} "
                  f"{spread([r['server_cpu_us'] for r in runs], 2):>22} "
                  f"{statistics.median(r['server_user_us'] for r in runs):>12.2f} "
                  f"{spread([r['p99_us'] for r in runs], 0):>18} "
                  f"{sum(r['lost'] for r in runs):>6} {sum(r['wrong'] for r in runs):>6}", flush=True)
        return rows

    def run_latency(self):
        """Every server at the same rate: half of what gdnsd can do in this very run."""
        count = self.sizes.networks
        flavours = {server: Flavour(server, networks=count) for server in ("gdnsd", "isochrone", "knot")}
        running = self.start_all(flavours.values())
        if flavours["gdnsd"] not in running:
            flavours["gdnsd"] = flavours["isochrone"]
        loads = {"static": self.static(), "routed": self.routed(count)}
        rows = {}
        rates = {}
        for kind, arguments in loads.items():
            full = [self.load(running[flavours["gdnsd"]], arguments, 1)["qps"] for _ in range(3)]
            rates[kind] = statistics.median(full) / 2
        for _ in range(self.options.rounds):
            for kind, arguments in loads.items():
                for server, flavour in flavours.items():
                    if flavour in running:
                        self.tell(f"latency: {server}, {kind}")
                        rows.setdefault(f"{server} {kind}", []).append(self.load(
                            running[flavour], [*arguments, "--rate", f"{rates[kind]:.0f}"]))
        self.stop_all(running)
        self.tell("")
        print("\nlatency at a fixed rate: " + ", ".join(f"{k} {r / 1000:.0f} k q/s" for k, r in rates.items()))
        self.show_latency(rows)
        return rows

    def show_latency(self, rows):
        print(f"  {'server':<22} {'p50 us':>20} {'p99 us':>20} {'p99.9 us':>22} {'server CPU us/query':>22} {'lost':>6}")
        for label, runs in rows.items():
            print(f"  {label:<22} {spread([r['p50_us'] for r in runs], 0):>20} "
                  f"{spread([r['p99_us'] for r in runs], 0):>20} {spread([r['p999_us'] for r in runs], 0):>22} "
                  f"{spread([r['server_cpu_us'] for r in runs], 2):>22} {sum(r['lost'] for r in runs):>6}",
                  flush=True)

    def run_swap(self):
        """Reloads, each of which compiles and publishes the whole table anew, while queries go on."""
        flavour = Flavour("isochrone", networks=self.sizes.many_networks)
        running = self.start_all([flavour])
        if not running:
            return {}
        server = running[flavour]
        arguments = self.routed(self.sizes.many_networks)
        rate = self.load(server, arguments, 1)["qps"] / 2
        arguments += ["--rate", f"{rate:.0f}"]
        rows = {"undisturbed": [], "while swapped": []}
        took = []
        for _ in range(self.options.rounds):
            self.tell("swap: undisturbed")
            rows["undisturbed"].append(self.load(server, arguments, 4))
            self.tell("swap: swapping")
            load = subprocess.Popen(self.load_command(server, arguments, 300), stdout=subprocess.PIPE, text=True)
            time.sleep(0.5)
            took += [self.reload(server) for _ in range(SWAPS)]
            load.send_signal(signal.SIGINT)  # ends the run early
            rows["while swapped"].append(json.loads(load.communicate()[0]))
        self.stop_all(running)
        self.tell("")
        print(f"\n{SWAPS} swaps of a table of {self.sizes.many_networks} networks in each run, at {rate / 1000:.0f} k q/s; "
              f"one takes {spread(took, 2)} s beside the load")
        self.show_latency(rows)
        return rows

    def reload(self, server):
        """Seconds until the new table is in use."""
        before = server.log.read_text().count(" reloaded ")
        began = time.monotonic()
        server.process.send_signal(signal.SIGHUP)
        while server.log.read_text().count(" reloaded ") == before:
            if time.monotonic() - began > 60 or server.process.poll() is not None:
                raise SystemExit(f"no reload:\n{server.log.read_text()[-2000:]}")
            time.sleep(0.01)
        return time.monotonic() - began

    def run_start(self):
        """From exec to the first right answer, and the most memory held by then and a second later."""
        sizes = self.sizes
        rows = {}
        entries = [(f"{server}, {sizes.many_names} names", Flavour(server, sizes.many_names)) for server in EVERY]
        entries += [(f"{server}, {sizes.many_networks} networks", Flavour(server, networks=sizes.many_networks))
                    for server in ("isochrone", "gdnsd", "knot")]
        for _ in range(self.options.rounds):
            for label, flavour in entries:
                self.tell(f"start: {label}")
                running = self.arena.start(flavour)
                if running is None:
                    continue
                time.sleep(1)
                rows.setdefault(label, []).append(
                    {"seconds": running.seconds, "peak_bytes": peak_bytes(running.pid)})
                self.arena.stop(running)
        self.tell("")
        print("\nstart: until the first right answer, and peak memory")
        print(f"  {'server':<30} {'seconds':>20} {'peak MB':>20}")
        for label, runs in rows.items():
            print(f"  {label:<30} {spread([r['seconds'] for r in runs], 2):>20} "
                  f"{spread([r['peak_bytes'] / 1e6 for r in runs], 0):>20}")
        return rows
