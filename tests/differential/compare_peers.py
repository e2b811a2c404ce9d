#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks Isochrone, Knot, NSD and gdnsd the same questions about the same zone and compares the replies.

Compared are the response code, the flags AA and TC, the answer section as a set and the authority
section of negative answers and referrals. Where the peers themselves disagree, Isochrone must agree
with one of them; where it differs from both, the difference must be listed here with its reason.
gdnsd gets what it can load of the zone; what it does otherwise by design is listed with the reason.
"""
import argparse
import collections
import contextlib
import itertools
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone

HERE = pathlib.Path(__file__).resolve().parent
TYPES = ["A", "AAAA", "NS", "SOA", "CNAME", "MX", "TXT", "SRV", "CAA", "DS", "DNAME", "PTR", "HTTPS", "SVCB",
         "TLSA", "NAPTR", "LOC", "HINFO", "SSHFP", "RP", "TYPE65280", "DNSKEY", "NSEC"]
EXTRA_NAMES = ["nothing", "a.b.c.nothing", "x.wild", "x.y.wild", "x.exists.wild", "ent.wild", "x.ent.wild", "*.wild",
               "x.*.wild", "empty.terminal", "terminal", "x.deep.empty.terminal", "x.www", "x.alias", "x.alias-wild",
               "x.cut", "a.b.cut", "x.secure", "x.cutwild", "*.cutwild", "x.old", "host.old", "a.b.old", "x.away",
               "away", "star", "*.star", "x.star", "x.sub.*.star", "WwW", "MAIL", "_udp", "_tcp.www", "x.loop1"]
SEED = 4


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


def isochrone(folder, port, binary):
    config = folder / "isochrone.yaml"
    config.write_text(f"""node: {{name: ns, state-dir: {folder}/state, roles: [dns]}}
dns: {{listen: [127.0.0.1@{port}], max-amplification: 0}}
zones: [{{name: example.com, file: {folder}/example.com.zone}}]
""")
    return [str(binary), "run", "--config", str(config)]


def knot(folder, port, _):
    (folder / "knot").mkdir()
    config = folder / "knot.conf"
    config.write_text(f"""server:
    rundir: {folder}/knot
    listen: 127.0.0.1@{port}
database:
    storage: {folder}/knot
zone:
  - domain: example.com
    file: {folder}/example.com.zone
    zonefile-sync: -1
    journal-content: none
""")
    return ["knotd", "-c", str(config)]


def nsd(folder, port, _):
    (folder / "nsd").mkdir()
    config = folder / "nsd.conf"
    config.write_text(f"""server:
    ip-address: 127.0.0.1@{port}
    username: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd/pid"
    xfrdfile: "{folder}/nsd/xfrd"
    zonelistfile: "{folder}/nsd/zones"
    xfrdir: "{folder}/nsd"
    minimal-responses: yes
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: example.com
    zonefile: {folder}/example.com.zone
""")
    return ["nsd", "-d", "-c", str(config)]


GDNSD_WRITES = {"A", "AAAA", "CAA", "CNAME", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TXT"}
# Aliases that loop, wildcards that are no leaves or delegate, DNAME and types below 256 it has no word for.
GDNSD_LACKS = {"loop1", "loop2", "sub.*.star", "*.cutwild", "under.cutwild", "old", "host.new", "away", "hinfo"}


def gdnsd(folder, port, _):
    zone = dns.zone.from_file(str(HERE / "example.com.zone"), origin="example.com", relativize=False, check_origin=False)
    lines = []
    for name, kind, ttl, data in ((name, dns.rdatatype.to_text(data.rdtype), ttl, data)
                                  for name, ttl, data in zone.iterate_rdatas()):
        if str(name.relativize(zone.origin)) in GDNSD_LACKS or kind == "DS":
            continue
        wire = data.to_wire()
        lines.append(f"{name} {ttl} {kind} {data}" if kind in GDNSD_WRITES
                     else f"{name} {ttl} TYPE{int(data.rdtype)} \\# {len(wire)} {wire.hex()}")
    for name in ("zones", "run", "state"):
        (folder / "gdnsd" / name).mkdir(parents=True)
    (folder / "gdnsd/zones/example.com").write_text("\n".join(lines) + "\n")
    (folder / "gdnsd/config").write_text(f"options => {{ listen => 127.0.0.1:{port}, udp_threads => 1, tcp_threads => 1, "
                                         f"run_dir => {folder}/gdnsd/run, state_dir => {folder}/gdnsd/state }}\n")
    return ["gdnsd", "-c", str(folder / "gdnsd"), "start"]


SERVERS = {"isochrone": isochrone, "knot": knot, "nsd": nsd, "gdnsd": gdnsd}


@contextlib.contextmanager
def running(binary):
    """Starts the three servers; the ports they answer on."""
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isochrone-differential-")))
        shutil.copy(HERE / "example.com.zone", folder)
        ports = {}
        for name, prepare in SERVERS.items():
            ports[name] = free_port()
            log = stack.enter_context(open(folder / f"{name}.log", "wb"))
            process = subprocess.Popen(prepare(folder, ports[name], binary), stdout=log, stderr=log, env=environment)
            stack.callback(lambda process=process: (process.terminate(), process.wait(timeout=30)))
            wait_until_answering(name, ports[name], process, folder)
        yield ports


def wait_until_answering(name, port, process, folder):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(dns.exception.DNSException, OSError):
            if ask(port, dns.name.from_text("example.com"), "SOA").answer:
                return
        time.sleep(0.05)
    raise SystemExit(f"{name} does not answer:\n{(folder / f'{name}.log').read_text(errors='replace')[-2000:]}")


def ask(port, name, kind, tcp=False):
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    query.flags = 0
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=port, timeout=5)


def essence(reply):
    """What has to be equal: code, flags, answer, and authority where it carries meaning."""
    def lines(section):
        return frozenset(f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}".lower()
                         for rrset in section for rdata in rrset)
    flags = dns.flags.to_text(reply.flags & (dns.flags.AA | dns.flags.TC))
    ends = {rrset.rdtype for rrset in reply.authority}
    # NS beside a positive answer is a courtesy that each server handles as configured.
    carries_meaning = dns.rdatatype.SOA in ends or not reply.flags & dns.flags.AA or not reply.answer
    authority = lines(reply.authority) if carries_meaning else frozenset()
    return dns.rcode.to_text(reply.rcode()), flags, lines(reply.answer), authority


def is_loop(name, _kind):
    # Knot cuts a loop when it comes round, NSD after some turns that repeat the same records.
    return "loop" in str(name).lower()


def questions():
    zone = dns.zone.from_file(str(HERE / "example.com.zone"), origin="example.com", relativize=True, check_origin=False)
    names = sorted({str(name) for name in zone.nodes} | set(EXTRA_NAMES))
    draw = random.Random(SEED)
    labels = [label for name in names for label in name.split(".") if label != "@"]
    names += [".".join(draw.choices(labels, k=draw.randint(1, 4))) for _ in range(120)]
    for text, kind in itertools.product(names, TYPES):
        yield dns.name.from_text(text, dns.name.from_text("example.com")), kind


def without_ttl(lines):
    return {line.split(" ", 1)[0] + " " + line.split(" ", 2)[2] for line in lines}


# What gdnsd does otherwise, and why; each takes question, our reply and gdnsd's.
GDNSD_DIFFERS = {
    "has not got the names left out": lambda name, kind, ours, theirs: lacks(name),
    "has not got the DS, and refers instead": lambda name, kind, ours, theirs:
        kind == "DS" and theirs[2] == frozenset(),
    "refers without DS": lambda name, kind, ours, theirs:
        ours[:3] == theirs[:3] and {line for line in ours[3] if " ds " not in line} == theirs[3],
    "gives an alias and leaves the rest to be asked for": lambda name, kind, ours, theirs:
        any(" cname " in line for line in ours[2]) and theirs[2] <= ours[2] and
        all(" cname " in line for line in theirs[2]) and len(theirs[2]) == 1,
    "takes its SOA's MINIMUM for its TTL": lambda name, kind, ours, theirs:
        kind == "SOA" and ours[0] == theirs[0] and without_ttl(ours[2]) == without_ttl(theirs[2]),
}


def lacks(name):
    """Whether the answer rests on a name that gdnsd's zone has not got."""
    labels = str(name.relativize(dns.name.from_text("example.com"))).lower()
    ends = {missing.removeprefix("sub.*.").removeprefix("*.") for missing in GDNSD_LACKS} | {"new", "terminal.new"}
    return any(labels == end or labels.endswith("." + end) for end in ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the isochrone executable")
    options = parser.parse_args()
    asked, peers_differ, wrong = 0, 0, []
    reasons, unlike_gdnsd = collections.Counter(), []
    with running(options.binary) as ports:
        for name, kind in questions():
            asked += 1
            seen = {server: essence(ask(port, name, kind)) for server, port in ports.items()}
            peers_differ += seen["knot"] != seen["nsd"]
            if seen["isochrone"] not in (seen["knot"], seen["nsd"]) and not is_loop(name, kind):
                wrong.append((name, kind, seen))
            if seen["isochrone"] != seen["gdnsd"]:
                reason = next((why for why, holds in GDNSD_DIFFERS.items()
                               if holds(name, kind, seen["isochrone"], seen["gdnsd"])), None)
                reasons[reason] += 1
                if reason is None:
                    unlike_gdnsd.append((name, kind, seen))
    for name, kind, seen in wrong[:20] + unlike_gdnsd[:20]:
        print(f"\n{name} {kind}")
        for server, (code, flags, answer, authority) in seen.items():
            print(f"  {server:10} {code} {flags or '-'} answer={sorted(answer)} authority={sorted(authority)}")
    print(f"\n{asked} questions: knot and nsd differ on {peers_differ}, isochrone from both on {len(wrong)}")
    print(f"gdnsd: {asked - reasons.total()} alike, {len(unlike_gdnsd)} differ without a reason")
    for reason, count in reasons.items():
        print(f"  {count:6} {reason}")
    return 1 if wrong or unlike_gdnsd else 0


if __name__ == "__main__":
    sys.exit(main())
