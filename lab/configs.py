# SPDX-License-Identifier: Apache-2.0
"""Configurations of the demo's daemons: one prober per site, one collector, one DNS node."""

import hashlib
import os
import pathlib
import secrets

SERVICE = "www.example.com"
COLLECTOR = ("203.0.113.1", 8053)
DNS = "203.0.113.53"
DNS_HTTP = (DNS, 8054)

# Seconds. Two samples of each path fall into a window; a site whose heartbeats stop is down after
# SITE_TIMEOUT.
ROUND = 2
WINDOW = 2
SITE_TIMEOUT = 2
PROBES_PER_ROUND = 2

# What the demonstration itself shows; the daemons have tokens of their own. There is no TLS: packets
# go nowhere but through this box.
OPERATOR_TOKEN = secrets.token_hex(32)

# Every fourth client network is in no prober's configuration: only queries can make it known.
LEARNT_EVERY = 4


def is_learnt(index):
    return index % LEARNT_EVERY == LEARNT_EVERY - 1


ZONE = """$ORIGIN example.com.
$TTL 300
@    IN SOA ns1 hostmaster 1 3600 600 86400 60
     IN NS  ns1
ns1  IN A   {dns}
"""


def common(lab, name, role):
    return f"""node:
  name: {name}
  state-dir: {lab.state}/{name}
  roles: [{role}]
"""


class Tokens:
    """One token per daemon, in a file for its owner alone, and the digests that the collector knows."""

    def __init__(self, state):
        self.state = pathlib.Path(state)
        self.known = []
        self.issue("operator", "roles: [operate]", OPERATOR_TOKEN)

    def issue(self, name, rights, token=None):
        file = self.state / f"{name}.token"
        token = token or secrets.token_hex(32)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(token + "\n")
        self.known.append((name, token, rights))
        return file

    def access(self):
        text = "access:\n  cleartext: true\n  tokens:\n"
        for name, token, rights in self.known:
            digest = hashlib.sha256(token.encode()).hexdigest()
            text += f'    - {{name: {name}, digest: "{digest}", {rights}}}\n'
        return text


IN_CLEAR = "access:\n  cleartext: true\n"


def topology(lab):
    sites = [node for node in lab.description["nodes"] if node["kind"] == "site"]
    text = "sites:\n"
    for site in sites:
        addresses = ", ".join(f'"{address}"' for address in site["addresses"])
        text += f"  - name: {site['name']}\n    addresses: [{addresses}]\n"
    names = ", ".join(site["name"] for site in sites)
    return text + f"services:\n  - name: {SERVICE}\n    sites: [{names}]\n    ttl: 30\n"


def prober(lab, site, networks, token_file, length=ROUND, probes=PROBES_PER_ROUND):
    text = common(lab, site["name"], "prober") + IN_CLEAR + f"""collector:
  url: http://{COLLECTOR[0]}:{COLLECTOR[1]}
  token-file: {token_file}
prober:
  site: {site["name"]}
  round-interval: {length}s
  probes-per-round: {probes}
  rate: {max(500, len(networks) * probes)}
  allow-private: true
  heartbeat: 500ms
  targets:
"""
    for index, network in enumerate(networks):
        if not is_learnt(index):
            text += f'    - {{prefix: "{network.prefix}", address: "{network.address}"}}\n'
    return text + topology(lab)


def collector(lab, tokens):
    return common(lab, "collector", "collector") + tokens.access() + f"""collector:
  listen: {COLLECTOR[0]}@{COLLECTOR[1]}
  window: {WINDOW}s
  lateness: 500ms
  site-timeout: {SITE_TIMEOUT}s
""" + topology(lab)


def dns(lab, tokens, token_file):
    return common(lab, "ns1", "dns") + f"""  http: {DNS_HTTP[0]}@{DNS_HTTP[1]}
{tokens.access()}collector:
  url: http://{COLLECTOR[0]}:{COLLECTOR[1]}
  token-file: {token_file}
dns:
  listen: [{DNS}@53, "2001:db8:2::53@53"]
zones:
  - name: example.com
    file: {lab.state}/example.com.zone
""" + topology(lab)


def write_all(lab, networks):
    """Writes every file; returns the configuration's path by daemon name."""
    state = pathlib.Path(lab.state)
    (state / "example.com.zone").write_text(ZONE.format(dns=DNS))
    tokens = Tokens(state)
    texts = {}
    for node in lab.description["nodes"]:
        if node["kind"] == "site":
            name = node["name"]
            token_file = tokens.issue(name, f"roles: [prober], sites: [{name}]")
            texts[name] = prober(lab, node, networks, token_file)
    texts["ns1"] = dns(lab, tokens, tokens.issue("ns1", "roles: [dns]"))
    texts["collector"] = collector(lab, tokens)
    files = {}
    for name, text in texts.items():
        (state / name).mkdir(exist_ok=True)
        files[name] = state / f"{name}.yaml"
        files[name].write_text(text)
    return files
