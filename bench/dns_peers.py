# SPDX-License-Identifier: Apache-2.0
"""The servers that scripts/bench dns compares, each configured for the same zone and the same map.

Every server gets one thread for UDP and is pinned to core 0; the load runs on core 1. Routed names
answer the same addresses everywhere: 16 sites, and networks drawn from a seed, each with its site.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

SITES = 16
NETWORKS = 100_000
NAMES = 10_000


def site_address(site):
    return f"198.51.100.{site + 1}"


@dataclasses.dataclass
class Case:
    name: str
    title: str
    servers: tuple
    arguments: list


@dataclasses.dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen

    @property
    def pid(self):
        return self.process.pid


def versions():
    found = []
    for package in ("gdnsd", "knot", "nsd"):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", package],
                              capture_output=True, text=True, check=False)
        found.append(done.stdout or f"{package} absent")
    return found


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def draw_networks(count):
    """Disjoint /24s outside special-use space, in order, each with a site."""
    rng = random.Random(7)
    blocks = rng.sample(range(11 << 16, 100 << 16), count)
    return [(f"{b >> 16}.{b >> 8 & 255}.{b & 255}.0/24", rng.randrange(SITES)) for b in sorted(blocks)]


class Arena:
    def __init__(self, build):
        self.build = build
        self.folder = None

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="isochrone-bench-")))
        os.chmod(self.folder, 0o755)
        self.networks = draw_networks(NETWORKS)
        (self.folder / "networks").write_text(
            "".join(f"{prefix} {site_address(site)}\n" for prefix, site in self.networks))
        (self.folder / "bench.example").write_text(
            "$ORIGIN bench.example.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 900 604800 300\n@ IN NS ns1\n"
            "ns1 IN A 192.0.2.53\nwww IN A 192.0.2.1\n"
            + "".join(f"n{i:07d} IN A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n" for i in range(NAMES)))
        (self.folder / "geo.example").write_text(
            "$ORIGIN geo.example.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 900 604800 300\n@ IN NS ns1\n"
            "ns1 IN A 192.0.2.53\n")
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def cases(self):
        every = ("echo", "isochrone", "gdnsd", "knot", "nsd")
        routed = ("isochrone", "gdnsd", "knot")
        return [
            Case("static", "one static name", every, ["--name", "www.bench.example"]),
            Case("names", f"{NAMES} static names", every,
                 ["--name", "n%.bench.example", "--names", str(NAMES)]),
            Case("routed", f"routed, Client Subnet varies over {NETWORKS} networks", routed,
                 ["--name", "www.geo.example", "--networks", str(self.folder / "networks")]),
        ]

    def start(self, case):
        return [getattr(self, f"start_{name}")() for name in case.servers]

    def stop(self, servers):
        for server in servers:
            server.process.send_signal(signal.SIGTERM)
        for server in servers:
            try:
                server.process.wait(10)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()

    def launch(self, name, port, command):
        log = open(self.folder / f"{name}.log", "ab")
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})
        server = Server(name, port, process)
        self.stack.callback(lambda: process.poll() is None and process.kill())
        if name != "echo":
            self.wait_until_answering(server)
        return server

    def wait_until_answering(self, server):
        question = bytes.fromhex("123400000001000000000000") + b"\x03www\x05bench\x07example\x00\x00\x01\x00\x01"
        deadline = time.monotonic() + 60
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            while time.monotonic() < deadline:
                if server.process.poll() is not None:
                    break
                probe.sendto(question, ("127.0.0.1", server.port))
                with contextlib.suppress(OSError):
                    probe.recv(2048)
                    return
        log = (self.folder / f"{server.name}.log").read_text(errors="replace")
        raise SystemExit(f"{server.name} does not answer:\n{log[-2000:]}")

    def fresh(self, name):
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def start_echo(self):
        port = free_port()
        return self.launch("echo", port, [str(self.build / "bench" / "bench_udp_echo"), f"127.0.0.1@{port}"])

    def start_nsd(self):
        port, folder = free_port(), self.fresh("nsd")
        (folder / "nsd.conf").write_text(f"""
server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    username: ""
    zonesdir: "{self.folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd"
    zonelistfile: "{folder}/zones"
    xfrdir: "{folder}"
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: bench.example
    zonefile: bench.example
""")
        return self.launch("nsd", port, ["nsd", "-d", "-c", str(folder / "nsd.conf")])

    def start_knot(self):
        port, folder = free_port(), self.fresh("knot")
        (folder / "map.yaml").write_text("www.geo.example.:\n" + "".join(
            f"  - net: {prefix}\n    A: [ {site_address(site)} ]\n" for prefix, site in self.networks))
        (folder / "knot.conf").write_text(f"""
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: {folder}
mod-geoip:
  - id: map
    config-file: {folder}/map.yaml
    ttl: 30
    mode: subnet
template:
  - id: default
    storage: {self.folder}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: bench.example
    file: bench.example
  - domain: geo.example
    file: {folder}/geo.zone
    module: mod-geoip/map
""")
        # The module answers for names that exist.
        (folder / "geo.zone").write_text((self.folder / "geo.example").read_text() + "www IN A 192.0.2.1\n")
        return self.launch("knot", port, ["knotd", "-c", str(folder / "knot.conf")])

    def start_gdnsd(self):
        port, folder = free_port(), self.fresh("gdnsd")
        for sub in ("etc/zones", "etc/geoip", "run", "state"):
            (folder / sub).mkdir(parents=True)
        shutil.copy(self.folder / "bench.example", folder / "etc/zones/bench.example")
        (folder / "etc/zones/geo.example").write_text(
            (self.folder / "geo.example").read_text() + "www 30 DYNA geoip!www\n")
        (folder / "etc/geoip/nets").write_text(
            "".join(f"{prefix} => [ s{site} ]\n" for prefix, site in self.networks))
        sites = ", ".join(f"s{i}" for i in range(SITES))
        addresses = ", ".join(f"s{i} => {site_address(i)}" for i in range(SITES))
        (folder / "etc/config").write_text(f"""
options => {{ listen => 127.0.0.1:{port}, udp_threads => 1, tcp_threads => 1, run_dir => {folder}/run,
              state_dir => {folder}/state, edns_client_subnet => true }}
plugins => {{ geoip => {{
  maps => {{ m => {{ datacenters => [ {sites} ], nets => nets }} }}
  resources => {{ www => {{ map => m, service_types => up, dcmap => {{ {addresses} }} }} }} }} }}
""")
        return self.launch("gdnsd", port, ["gdnsd", "-c", str(folder / "etc"), "start"])

    def start_isochrone(self):
        port, api, folder = free_port(), free_port(), self.fresh("isochrone")
        sites = "".join(f"  - name: s{i}\n    addresses: [{site_address(i)}]\n" for i in range(SITES))
        (folder / "isochrone.yaml").write_text(f"""
node:
  name: bench
  state-dir: {folder}/state
  roles: [dns, collector]
dns:
  listen: [127.0.0.1@{port}]
  edns-client-subnet: true
collector:
  listen: 127.0.0.1@{api}
  window: 1s
  lateness: 20s   # all networks are of one second; taking them in may last longer
zones:
  - name: bench.example
    file: {self.folder}/bench.example
  - name: geo.example
    file: {self.folder}/geo.example
sites:
{sites}services:
  - name: www.geo.example
    sites: [{", ".join(f"s{i}" for i in range(SITES))}]
    ttl: 30
""")
        binary = str(self.build / "app" / "isochrone")
        server = self.launch("isochrone", port, [binary, "run", "--config", str(folder / "isochrone.yaml")])
        self.measure_networks(binary, api, folder)
        return server

    def measure_networks(self, binary, api, folder):
        """One measurement per network from its site, through the same door as any prober's."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        lines = [json.dumps({"channel": "measurement", "time": now, "site": f"s{site}", "prefix": prefix,
                             "method": "icmp", "rtt_us": 10_000}) for prefix, site in self.networks]
        file = folder / "measurements.ndjson"
        file.write_text("\n".join(lines) + "\n")
        subprocess.run([binary, "ingest", str(file), "--collector", f"http://127.0.0.1:{api}"], check=True,
                       capture_output=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"http://127.0.0.1:{api}/v1/status") as reply:
                status = json.load(reply)
            if status.get("prefixes", 0) >= len(self.networks):
                time.sleep(3)  # the dns role follows and compiles
                return
            time.sleep(0.5)
        raise SystemExit("isochrone did not take in all networks")
