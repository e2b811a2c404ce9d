# SPDX-License-Identifier: Apache-2.0
"""The servers that scripts/bench dns compares, each configured for the same zone and the same map.

Every server gets one thread for UDP and is pinned to core 0; the load runs on core 1. Routed names
answer the same addresses everywhere: 16 sites, and networks drawn from a seed, each with its site.
"""
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

SITES = 16
STATIC = "www.bench.example"
ROUTED = "www.geo.example"
PACKAGES = ("gdnsd", "knot", "nsd", "pdns-server", "bind9")


def site_address(site):
    return f"198.51.100.{site + 1}"


@dataclasses.dataclass(frozen=True)
class Flavour:
    """A server and the data it has."""
    server: str
    names: int = 10_000
    networks: int = 0
    is_signed: bool = False


@dataclasses.dataclass
class Running:
    port: int
    process: subprocess.Popen
    log: pathlib.Path
    seconds: float = 0  # from start to the first right answer

    @property
    def pid(self):
        return self.process.pid


def version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", package],
                          capture_output=True, text=True, check=False)
    return done.stdout or f"{package} absent"


def versions():
    return [version(package) for package in PACKAGES]


def free_port():
    """One that is free for UDP and TCP, below those that the kernel gives to whoever connects."""
    first_ephemeral = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10_000, first_ephemeral)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port


def draw_networks(count):
    """Disjoint /24s outside special-use space, in order, each with a site."""
    rng = random.Random(7)
    blocks = rng.sample(range(11 << 16, 100 << 16), count)
    return [(f"{b >> 16}.{b >> 8 & 255}.{b & 255}.0/24", rng.randrange(SITES)) for b in sorted(blocks)]


def question(name, network=None):
    """A query for the A record, with the Client Subnet of a /24."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    head = struct.pack("!6H", 0x1234, 0, 1, 0, 0, 1 if network else 0)
    if not network:
        return head + wire + struct.pack("!2H", 1, 1)
    octets = bytes(int(part) for part in network.split("/")[0].split("."))[:3]
    option = struct.pack("!3H2B", 8, 7, 1, 24, 0) + octets
    return head + wire + struct.pack("!2H", 1, 1) + struct.pack("!B2HIH", 0, 41, 1232, 0, len(option)) + option


def descendants(pid):
    yield pid
    with contextlib.suppress(OSError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from descendants(int(child))


def peak_bytes(pid):
    """The most memory the process and those it started ever held, shared pages counted by each."""
    total = 0
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
    return total


class Arena:
    """Where servers are configured, started and stopped."""

    address = "127.0.0.1"  # where they listen

    def prefix(self):
        """What starts a server in its place."""
        return ["taskset", "-c", "0"]

    def asking(self):
        """Where it is asked from."""
        return contextlib.nullcontext()

    def __init__(self, build):
        self.build = build
        self.numbers = {}

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="isochrone-bench-")))
        os.chmod(self.folder, 0o755)
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    # What all servers are given.

    def networks_file(self, count):
        file = self.folder / f"networks-{count}"
        if not file.exists():
            file.write_text("".join(f"{prefix} {site_address(site)}\n" for prefix, site in draw_networks(count)))
        return file

    def networks(self, count):
        for line in self.networks_file(count).read_text().splitlines():
            prefix, address = line.split()
            yield prefix, address

    def zone_file(self, names):
        folder = self.folder / f"zones-{names}"
        file = folder / "bench.example"
        if not file.exists():
            folder.mkdir()
            file.write_text(
                "$ORIGIN bench.example.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 900 604800 300\n@ IN NS ns1\n"
                "ns1 IN A 192.0.2.53\nwww IN A 192.0.2.1\n"
                + "".join(f"n{i:07d} IN A 10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}\n" for i in range(names)))
        return file

    def geo_zone(self, more=""):
        return ("$ORIGIN geo.example.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 900 604800 300\n@ IN NS ns1\n"
                f"ns1 IN A 192.0.2.53\n{more}")

    # Starting and stopping.

    def start(self, flavour):
        """None when the server is not installed."""
        number = self.numbers[flavour.server] = self.numbers.get(flavour.server, 0) + 1
        folder = self.folder / f"{flavour.server}-{number}"
        folder.mkdir()
        port = free_port()
        command = getattr(self, "command_" + flavour.server.replace("-", "_"))(flavour, port, folder)
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        if shutil.which(command[0], path=path) is None:
            return None
        with open(folder / "log", "ab") as log:
            began = time.monotonic()
            process = subprocess.Popen([*self.prefix(), *command], stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})
        self.stack.callback(lambda: process.poll() is None and process.kill())
        running = Running(port, process, folder / "log")
        if "echo" not in flavour.server:
            self.wait_until_right(flavour, running)
        running.seconds = time.monotonic() - began
        return running

    def stop(self, running):
        running.process.send_signal(signal.SIGTERM)
        try:
            running.process.wait(30)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()

    def wait_until_right(self, flavour, running):
        asked, expected = question(STATIC), bytes([192, 0, 2, 1])
        if flavour.networks:
            network, address = next(self.networks(flavour.networks))
            asked, expected = question(ROUTED, network), bytes(int(part) for part in address.split("."))
        deadline = time.monotonic() + 120
        with self.asking(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.01)
            while time.monotonic() < deadline and running.process.poll() is None:
                with contextlib.suppress(OSError):
                    probe.sendto(asked, (self.address, running.port))
                    reply = probe.recv(2048)
                    if reply[3] & 15 == 0 and b"\0\4" + expected in reply:
                        return
                time.sleep(0.002)
        raise SystemExit(f"{flavour} does not answer:\n{running.log.read_text(errors='replace')[-2000:]}")

    # One server each: writes its configuration into `folder` and gives its command line.

    def command_echo(self, flavour, port, folder):
        return [str(self.build / "bench" / "bench_udp_echo"), f"{self.address}@{port}"]

    def command_isochrone(self, flavour, port, folder):
        (folder / "state").mkdir()
        (folder / "geo.example").write_text(self.geo_zone())
        addresses = [site_address(i) for i in range(SITES)]
        if flavour.networks:
            subprocess.run([str(self.build / "bench" / "bench_dns_state"), str(self.networks_file(flavour.networks)),
                            ROUTED, ",".join(addresses), str(folder / "state" / "dns.snapshot")], check=True)
        signing = f"\n    dnssec:\n      keys: {folder}/keys" if flavour.is_signed else ""
        sites = "".join(f"  - name: s{i}\n    addresses: [{address}]\n" for i, address in enumerate(addresses))
        (folder / "isochrone.yaml").write_text(f"""
node:
  name: bench
  state-dir: {folder}/state
  roles: [dns]
dns:
  listen: [{self.address}@{port}]
  tcp-connections: 2000
  max-amplification: 0   # as the peers, which send whatever fits
zones:
  - name: bench.example
    file: {self.zone_file(flavour.names)}
  - name: geo.example
    file: {folder}/geo.example{signing}
sites:
{sites}services:
  - name: {ROUTED}
    sites: [{", ".join(f"s{i}" for i in range(SITES))}]
    ttl: 30
""")
        binary = str(self.build / "app" / "isochrone")
        if flavour.is_signed:
            (folder / "keys").mkdir(mode=0o700)
            subprocess.run([binary, "key", "generate", "geo.example", "--config", str(folder / "isochrone.yaml")],
                           check=True, capture_output=True)
        return [binary, "run", "--config", str(folder / "isochrone.yaml")]

    def command_nsd(self, flavour, port, folder):
        (folder / "nsd.conf").write_text(f"""
server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    tcp-count: 2000
    tcp-query-count: 0
    username: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd"
    zonelistfile: "{folder}/zones"
    xfrdir: "{folder}"
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: bench.example
    zonefile: {self.zone_file(flavour.names)}
""")
        return ["nsd", "-d", "-c", str(folder / "nsd.conf")]

    def command_knot(self, flavour, port, folder):
        module, use = "", ""
        if flavour.networks:
            (folder / "map.yaml").write_text(f"{ROUTED}.:\n" + "".join(
                f"  - net: {prefix}\n    A: [ {address} ]\n" for prefix, address in self.networks(flavour.networks)))
            module = f"\nmod-geoip:\n  - id: map\n    config-file: {folder}/map.yaml\n    ttl: 30\n    mode: subnet"
            use = "\n    module: mod-geoip/map"
        (folder / "knot.conf").write_text(f"""
server:
    rundir: {folder}
    listen: {self.address}@{port}
    udp-workers: 1
    tcp-workers: 1
    tcp-max-clients: 2000
    background-workers: 1
    edns-client-subnet: on
database:
    storage: {folder}{module}
template:
  - id: default
    storage: {folder}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: bench.example
    file: {self.zone_file(flavour.names)}
  - domain: geo.example
    file: {folder}/geo.zone{use}
""")
        # The module answers for names that exist.
        (folder / "geo.zone").write_text(self.geo_zone("www IN A 192.0.2.1\n"))
        return ["knotd", "-c", str(folder / "knot.conf")]

    def command_gdnsd(self, flavour, port, folder):
        for sub in ("etc/zones", "etc/geoip", "run", "state"):
            (folder / sub).mkdir(parents=True)
        shutil.copy(self.zone_file(flavour.names), folder / "etc/zones/bench.example")
        (folder / "etc/zones/geo.example").write_text(self.geo_zone("www 30 DYNA geoip!www\n"))
        site_of = {site_address(i): f"s{i}" for i in range(SITES)}
        (folder / "etc/geoip/nets").write_text("".join(
            f"{prefix} => [ {site_of[address]} ]\n"
            for prefix, address in self.networks(flavour.networks)) if flavour.networks else "")
        sites = ", ".join(site_of.values())
        addresses = ", ".join(f"{name} => {address}" for address, name in site_of.items())
        (folder / "etc/config").write_text(f"""
options => {{ listen => 127.0.0.1:{port}, udp_threads => 1, tcp_threads => 1, tcp_clients_per_thread => 2000,
              run_dir => {folder}/run, state_dir => {folder}/state, edns_client_subnet => true }}
plugins => {{ geoip => {{
  maps => {{ m => {{ datacenters => [ {sites} ], nets => nets }} }}
  resources => {{ www => {{ map => m, service_types => up, dcmap => {{ {addresses} }} }} }} }} }}
""")
        return ["gdnsd", "-c", str(folder / "etc"), "start"]

    def pdns_settings(self, port, folder, more):
        return f"""
local-address=127.0.0.1
local-port={port}
receiver-threads=1
distributor-threads=1
socket-dir={folder}
module-dir=/usr/lib/x86_64-linux-gnu/pdns
edns-subnet-processing=yes
max-tcp-connections=2000
max-tcp-connections-per-client=0
max-tcp-transactions-per-conn=0
zone-cache-refresh-interval=0
security-poll-suffix=
disable-syslog=yes
{more}"""

    def command_pdns(self, flavour, port, folder):
        launch = "bind,geoip" if flavour.networks else "bind"
        (folder / "named.conf").write_text(
            f'zone "bench.example" {{ type master; file "{self.zone_file(flavour.names)}"; }};\n')
        site_of = {site_address(i): f"s{i}" for i in range(SITES)}
        lines = ["domains:", "- domain: geo.example", "  ttl: 30", "  records:", "    geo.example:",
                 "    - soa: ns1.geo.example hostmaster.geo.example 1 3600 900 604800 300",
                 "    - ns: ns1.geo.example"]
        for address, name in site_of.items():
            lines += [f"    {name}.geo.example:", f"    - a: {address}"]
        lines += ["  services:", f"    {ROUTED}:", "      default: [ 's0.geo.example' ]"]
        if flavour.networks:
            lines += [f"      {prefix}: [ '{site_of[address]}.geo.example' ]"
                      for prefix, address in self.networks(flavour.networks)]
        (folder / "geo.yaml").write_text("\n".join(lines) + "\n")
        (folder / "pdns.conf").write_text(self.pdns_settings(port, folder, f"""
launch={launch}
bind-config={folder}/named.conf
geoip-zones-file={folder}/geo.yaml
""" if flavour.networks else f"launch=bind\nbind-config={folder}/named.conf\n"))
        return ["pdns_server", f"--config-dir={folder}", "--guardian=no", "--daemon=no"]

    def command_pdns_lua(self, flavour, port, folder):
        """One table keyed by the first three octets, made once in each thread's interpreter."""
        with open(folder / "map.lua", "w") as out:
            out.write("local m = {};\n")
            for number, (prefix, address) in enumerate(self.networks(flavour.networks)):
                if number % 10_000 == 0:  # LuaJIT takes 65536 constants a function
                    out.write("end)();\n" * (number > 0) + "(function()\n")
                out.write(f'm["{prefix.rsplit(".", 1)[0]}"]="{address}"\n')
            out.write("end)();\nreturn m\n")
        (folder / "geo.zone").write_text(self.geo_zone(
            f"""www 30 IN LUA A ";map = map or dofile('{folder}/map.lua') """
            """return map[ecswho:toString():match('^(%d+%.%d+%.%d+)')] or '192.0.2.1'"\n"""))
        (folder / "named.conf").write_text(
            f'zone "geo.example" {{ type master; file "{folder}/geo.zone"; }};\n')
        (folder / "pdns.conf").write_text(self.pdns_settings(port, folder, f"""
launch=bind
bind-config={folder}/named.conf
enable-lua-records=shared
lua-records-exec-limit=1000000000
"""))
        return ["pdns_server", f"--config-dir={folder}", "--guardian=no", "--daemon=no"]

    def command_bind(self, flavour, port, folder):
        (folder / "named.conf").write_text(f"""
options {{
    directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; minimal-responses yes; notify no; tcp-clients 2000;
    managed-keys-directory "{folder}";
}};
controls {{ }};
zone "bench.example" {{ type primary; file "{self.zone_file(flavour.names)}"; }};
""")
        return ["named", "-g", "-n", "1", "-c", str(folder / "named.conf")]
