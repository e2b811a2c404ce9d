# SPDX-License-Identifier: Apache-2.0
"""The loads of scripts/bench xdp: one cable between two network namespaces, a server at one end, a load
that sends frames at the other, and the server's own core for all that answering costs.

The interface can have one XDP program, so every measurement starts its server and stops it again.
"""
import contextlib
import ctypes
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

from dns_cases import spread
from dns_peers import ROUTED, STATIC, Arena, Flavour

SERVER, CLIENT = "10.77.0.2", "10.77.0.1"
SERVER_MAC, CLIENT_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"
CLIENT_PORT = 40_053


@dataclasses.dataclass(frozen=True)
class Entry:
    label: str
    flavour: Flavour
    is_xdp: bool


class Cable(Arena):
    """An Arena whose servers stand at the far end of a cable."""

    def __enter__(self):
        super().__enter__()
        names = [f"isochrone-{end}-{os.getpid()}" for end in ("client", "server")]
        for name in names:
            self.ip("netns", "add", name)
            self.stack.callback(self.ip, "netns", "del", name)
        self.client, self.server = names
        self.ip("link", "add", "load0", "netns", self.client, "address", CLIENT_MAC, "type", "veth",
                "peer", "name", "serve0", "netns", self.server, "address", SERVER_MAC)
        for name, device, address, other, mac in ((self.client, "load0", CLIENT, SERVER, SERVER_MAC),
                                                  (self.server, "serve0", SERVER, CLIENT, CLIENT_MAC)):
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            self.ip("-n", name, "link", "set", device, "up")
            self.ip("-n", name, "neigh", "replace", other, "lladdr", mac, "dev", device, "nud", "permanent")
        return self

    def stop(self, running):
        super().stop(running)
        # Knot leaves its program on the interface.
        subprocess.run(["ip", "-n", self.server, "link", "set", "serve0", "xdp", "off"], check=False)

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    # Where Arena starts servers and asks them.

    address = SERVER

    def prefix(self):
        return ["ip", "netns", "exec", self.server, "taskset", "-c", "0"]

    @contextlib.contextmanager
    def asking(self):
        """This thread in the client's namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.client}", "rb") as away:
            libc.setns(away.fileno(), 0)
            try:
                yield
            finally:
                libc.setns(home.fileno(), 0)

    # Servers besides those of Arena.

    def command_xdp_echo(self, flavour, port, folder):
        return [str(self.build / "bench" / "bench_xdp_echo"), "serve0", f"{SERVER}@{port}", "copy"]

    def command_isochrone_xdp(self, flavour, port, folder):
        command = self.command_isochrone(flavour, port, folder)
        file = pathlib.Path(command[-1])
        file.write_text(file.read_text().replace("dns:\n", "dns:\n  xdp: {interfaces: serve0}\n", 1))
        return command

    def command_knot_xdp(self, flavour, port, folder):
        command = self.command_knot(flavour, port, folder)
        file = pathlib.Path(command[-1])
        file.write_text(file.read_text() + f"\nxdp:\n    listen: serve0@{port}\n")
        return command


class Bench:
    def __init__(self, build, options):
        self.build = build
        self.options = options
        self.networks = 2_000 if options.quick else 100_000

    def run(self):
        results = {}
        with Cable(self.build) as self.cable:
            for name, title, networks in (("static", "one static name", 0),
                                          ("routed", f"routed, Client Subnet varies over {self.networks} networks",
                                           self.networks)):
                if not self.options.only or name in self.options.only:
                    results[name] = self.run_case(title, networks)
        return results

    def entries(self, networks):
        def entry(label, server, is_xdp):
            return Entry(label, Flavour(server, networks=networks), is_xdp)
        return [entry("AF_XDP echo", "xdp_echo", True), entry("isochrone XDP", "isochrone_xdp", True),
                entry("knot XDP", "knot_xdp", True), entry("isochrone", "isochrone", False),
                entry("knot", "knot", False)]

    def run_case(self, title, networks):
        entries = self.entries(networks)
        asked = ["--name", ROUTED, "--networks", str(self.cable.networks_file(networks))] if networks \
            else ["--name", STATIC]
        full = self.run_rounds(title, entries, asked)
        self.show(f"{title}: as fast as answers come", entries, full)
        # Half of what sockets can do: no server is near its limit there.
        rate = int(statistics.median(run["qps"] for run in full["isochrone"]) / 2)
        half = self.run_rounds(title, entries, [*asked, "--rate", str(rate)])
        self.show(f"{title}: {rate / 1000:.0f} k questions a second for each", entries, half)
        return {"full": full, "rate": rate, "half": half}

    def run_rounds(self, title, entries, asked):
        rows = {entry.label: [] for entry in entries}
        for number in range(self.options.rounds):
            for entry in entries:
                self.tell(f"{title}: round {number + 1} of {self.options.rounds}, {entry.label}")
                rows[entry.label].append(self.measure(entry, asked))
        self.tell("")
        return rows

    def measure(self, entry, asked):
        running = self.cable.start(entry.flavour)
        try:
            command = [str(self.build / "bench" / "bench_xdp_load"), "--interface", "load0",
                       "--client", f"{CLIENT}@{CLIENT_PORT}", "--server", f"{SERVER}@{running.port}",
                       "--server-mac", SERVER_MAC, "--seconds", str(self.options.seconds), "--cpu", "1",
                       "--pid", str(running.pid), *asked]
            with self.cable.asking():
                done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{entry.label}: {done.stderr}{running.log.read_text(errors='replace')[-2000:]}")
            return json.loads(done.stdout)
        finally:
            self.cable.stop(running)

    @staticmethod
    def tell(text):
        print(f"\r{text:<78}" if text else "\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)

    @staticmethod
    def show(title, entries, rows):
        print(f"\n{title}")
        print(f"  {'server':<14} {'q/s (k)':>22} {'server CPU us/query':>22} {'user':>6} {'busy %':>7} {'p99 us':>16} "
              f"{'lost':>6} {'wrong':>6}")
        for entry in entries:
            runs = rows[entry.label]
            busy = statistics.median(r["server_cpu_us"] * r["qps"] / 1e4 for r in runs)
            user = statistics.median(r["server_user_us"] for r in runs)
            # An echo answers nothing: what comes back is the question.
            wrong = "-" if "echo" in entry.label else str(sum(r["wrong"] for r in runs))
            print(f"  {entry.label:<14} {spread([r['qps'] / 1000 for r in runs], 1):>22} "
                  f"{spread([r['server_cpu_us'] for r in runs], 2):>22} {user:>6.2f} {busy:>7.0f} "
                  f"{spread([r['p99_us'] for r in runs]):>16} {sum(r['lost'] for r in runs):>6} {wrong:>6}")
