# SPDX-License-Identifier: Apache-2.0
"""The running lab as a Python program sees it: control, sockets inside nodes, daemons inside nodes."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

# Runs inside a node: makes sockets there and hands them out, since a socket stays in the namespace it
# was made in, wherever it is used.
SOCKET_MAKER = """
import socket, sys
out = socket.socket(fileno=int(sys.argv[1]))
for kind in sys.argv[2:]:
    family, style = kind.split(":")
    made = socket.socket(getattr(socket, family), getattr(socket, style))
    socket.send_fds(out, [b"x"], [made.fileno()])
    made.close()
"""


class LabError(Exception):
    """Something the demo cannot go on without; the text is for the person at the terminal."""


class Lab:
    """`isochrone lab run` and everything started inside it. close() ends it all."""

    def __init__(self, binary, state):
        self.binary = str(binary)
        self.state = pathlib.Path(state)
        self.process = None
        self.description = None
        self.daemons = {}

    def start(self, rtt_file, sites, clients, seed, *more):
        command = [self.binary, "lab", "run", "--rtt", str(rtt_file), "--state", str(self.state),
                   "--sites", str(sites), "--clients", str(clients), "--seed", str(seed), *more]
        ready = self.state / "lab.json"
        errors = self.state / "lab.log"
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        with open(errors, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + 60
        # The file of a lab that was killed may still be there: only ours carries our process id.
        while not self._is_ours(ready):
            if self.process.poll() is not None:
                raise LabError(errors.read_text().strip())
            if time.monotonic() > deadline:
                raise LabError("the lab was not ready within 60 s")
            time.sleep(0.02)

    def _is_ours(self, file):
        try:
            self.description = json.loads(file.read_text())
        except (OSError, ValueError):
            return False
        return self.description["pid"] == self.process.pid

    def ask(self, command, **members):
        """One control command; its answer as a dictionary."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.connect(self.description["control"])
            control.sendall(json.dumps({"command": command, **members}).encode() + b"\n")
            answer = json.loads(control.makefile().readline())
        if "error" in answer:
            raise LabError(f"lab {command}: {answer['error']}")
        return answer

    def inside(self, node, *command):
        """The command line that runs `command` inside a node."""
        return [self.binary, "lab", "exec", node, "--state", str(self.state), "--", *command]

    def sockets(self, node, *kinds):
        """New sockets inside a node; a kind is like "AF_INET:SOCK_DGRAM"."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            maker = subprocess.Popen(
                self.inside(node, sys.executable, "-c", SOCKET_MAKER, str(theirs.fileno()), *kinds),
                pass_fds=[theirs.fileno()])
            made = []
            ours.settimeout(20)
            for _ in kinds:
                _, fds, _, _ = socket.recv_fds(ours, 16, 1)
                made.append(socket.socket(fileno=fds[0]))
            maker.wait()
        return made

    def run_daemon(self, name, node, config):
        """Starts the real program inside a node; its log goes beside its configuration."""
        log = open(f"{config}.log", "ab")
        self.daemons[name] = subprocess.Popen(
            self.inside(node, self.binary, "run", "--config", str(config)),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()

    def kill_daemon(self, name, number=signal.SIGKILL):
        daemon = self.daemons.pop(name)
        daemon.send_signal(number)
        daemon.wait()

    def check_daemons(self):
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                raise LabError(f"{name} ended with status {daemon.returncode}; see its log in "
                               f"{self.state}")

    def close(self):
        for daemon in self.daemons.values():
            daemon.terminate()
        deadline = time.monotonic() + 5
        for daemon in self.daemons.values():
            try:
                daemon.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


class Network:
    """One client network and the true RTT of each site to it, in ms (None: unreachable)."""

    def __init__(self, prefix, rtts):
        self.prefix = prefix
        self.rtts = rtts

    @property
    def address(self):
        """Its first host."""
        base = self.prefix.split("/")[0]
        return base + "1" if ":" in base else base[:-1] + "1"

    def reachable(self):
        return [(rtt, site) for site, rtt in enumerate(self.rtts) if rtt is not None]

    def best(self):
        return min(self.reachable())[1]

    def penalty(self, site):
        """How much longer than the best site, in ms; a site that cannot be reached costs 10 s."""
        rtt = self.rtts[site] if site is not None else None
        return (rtt if rtt is not None else 10_000) - min(self.reachable())[0]

    def is_good(self, site):
        """Within max(1 ms, 5 %) of the best."""
        return self.penalty(site) <= max(1.0, 0.05 * min(self.reachable())[0])


def networks_of(description):
    return [Network(each["prefix"], each["rtt-ms"]) for each in description["networks"]]
