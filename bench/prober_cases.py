# SPDX-License-Identifier: Apache-2.0
"""The loads of scripts/bench prober: a prober on one core at one end of a cable between two network
namespaces, the kernel answering pings to four million addresses at the other, on the other core.

What the cable and the kernel at its far end take is a few microseconds, so the round trips measured bound
the error of who measures.
"""
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import tempfile
import time

NEAR, FAR = "10.99.0.1", "10.99.0.2"
NEAR_MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
FIRST = "10.64.0.0"


class Cable(contextlib.ExitStack):
    """Both namespaces; what arrives at an end is handled by that end's core."""

    def __enter__(self):
        super().__enter__()
        self.near, self.far = (f"isochrone-{end}-{os.getpid()}" for end in ("near", "far"))
        for name in (self.near, self.far):
            self.ip("netns", "add", name)
            self.callback(self.ip, "netns", "del", name)
        self.ip("link", "add", "near", "netns", self.near, "address", NEAR_MAC, "type", "veth",
                "peer", "name", "far", "netns", self.far, "address", FAR_MAC)
        for name, device, address, other, mac, cores in (
                (self.near, "near", NEAR, FAR, FAR_MAC, 1), (self.far, "far", FAR, NEAR, NEAR_MAC, 2)):
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            self.ip("-n", name, "link", "set", device, "up")
            self.ip("-n", name, "neigh", "replace", other, "lladdr", mac, "dev", device, "nud", "permanent")
            queue = f"/sys/class/net/{device}/queues/rx-0/rps_cpus"
            self.ip("netns", "exec", name, "sh", "-c", f"echo {cores} > {queue}")
        self.ip("-n", self.near, "route", "add", "10.64.0.0/10", "via", FAR)
        self.ip("-n", self.far, "route", "add", "local", "10.64.0.0/10", "dev", "lo")
        return self

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    def run(self, *command):
        """Runs it near, on the first core. Returns its output, CPU seconds and largest memory in MB."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            started = subprocess.Popen(["ip", "netns", "exec", self.near, "taskset", "-c", "0", *map(str, command)],
                                       stdout=out, stderr=err)
            _, status, used = os.wait4(started.pid, 0)
            started.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text, errors = out.read(), err.read()
        # fping says 1 when an address did not answer.
        if started.returncode not in (0, 1):
            raise SystemExit(f"{command[0]} ended with {started.returncode}: {errors[-500:]}")
        return text, errors, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def address(number):
    return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def quantiles(rtts):
    rtts = sorted(rtts)
    at = lambda share: rtts[int(share * (len(rtts) - 1))] if rtts else float("nan")  # noqa: E731
    return {"p50_us": at(0.5), "p99_us": at(0.99)}


def differences(found, delays):
    """How far what was said of each address is from the record, in the order of its answers. The record may go on."""
    apart = [abs(said - true) for address, rtts in found.items() if len(rtts) <= len(delays.get(address, []))
             for said, true in zip(rtts, delays[address])]
    return {**quantiles(apart), "echoes": len(apart)}


class Wan(contextlib.ExitStack):
    """A lab of one site and 400 networks 3 to 9 ms away: fping prints three digits, 10 us there."""

    def __init__(self, program, loss):
        super().__init__()
        self.program, self.loss = program, loss

    def __enter__(self):
        super().__enter__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
        draw, rows = random.Random(1), 401
        matrix = [[0.0] * rows for _ in range(rows)]
        for i in range(rows):
            for j in range(i):
                matrix[i][j] = matrix[j][i] = draw.uniform(3, 9)
        file = self.folder / "matrix"
        file.write_text("".join(" ".join(f"{rtt:.3f}" for rtt in row) + "\n" for row in matrix))
        self.lab = subprocess.Popen(
            ["taskset", "-c", "1", self.program, "lab", "run", "--rtt", file, "--sites", "1", "--clients", "400",
             "--ipv6-share", "0", "--loss", self.loss, "--state", self.folder / "lab"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.callback(self.stop)
        for _ in range(200):
            if (self.folder / "lab" / "lab.json").exists():
                return self
            time.sleep(0.1)
        raise SystemExit("the lab did not start")

    def stop(self):
        self.lab.terminate()
        self.lab.wait()

    def inside(self, core, *command):
        return ["taskset", "-c", str(core), self.program, "lab", "exec", "s1", "--state", self.folder / "lab", "--",
                *map(str, command)]

    def recorded(self, *command):
        """Runs it in the site on the first core; its output, and the delays of its echoes by address."""
        file = self.folder / "delays"
        recorder = subprocess.Popen(self.inside(1, self.program, "lab", "record", file), stdout=subprocess.PIPE,
                                    text=True)
        time.sleep(0.3)
        ran = subprocess.run(self.inside(0, *command), capture_output=True, text=True)
        time.sleep(0.3)
        recorder.send_signal(signal.SIGINT)
        told = recorder.communicate()[0]
        if " 0 packets missed" not in told:
            raise SystemExit(f"the lab's record has gaps: {told}")
        delays = {}
        for line in file.read_text().splitlines():
            address, delay = line.split()
            delays.setdefault(address, []).append(int(delay) / 1e3)
        return ran, delays


class Bench:
    def __init__(self, build, options):
        self.program = pathlib.Path(build) / "bench" / "bench_prober_load"
        self.options = options
        self.results = {}

    def run(self):
        small = self.options.quick
        many = 5_000 if small else 50_000
        few = min(many, 12_000)  # fping gives out 65 535 sequence numbers in ten seconds, and no more
        with Cable() as self.cable, tempfile.TemporaryDirectory() as folder:
            self.folder = pathlib.Path(folder)
            print("unpaced, one echo to each of many targets")
            self.rounds("isochrone", lambda: self.isochrone(many, 5, rate=500_000))
            self.rounds("fping", lambda: self.fping(few, 5, 0))
            self.rounds("zmap", lambda: self.zmap(many * 5))
            print("paced at 4 000 a second")
            count = 2_000 if small else 20_000
            self.rounds("isochrone, 4 k/s", lambda: self.isochrone(count, 1, rate=4_000, length=count // 4))
            self.rounds("fping, 4 k/s", lambda: self.fping(count, 1, 0.25))
            print("round trips with few and many targets, 1 000 a second: what is above a few us is error")
            for targets in (10, 10_000):
                probes = (1_000 if small else 10_000) // targets or 1
                name = f"{targets} targets"
                self.rounds(f"isochrone, {name}", lambda: self.isochrone(
                    targets, probes, rate=1_100, length=max(targets * probes, 1)))
                self.rounds(f"fping, {name}", lambda: self.fping(targets, probes, 1))
            if not small:
                print("200 000 targets, five probes each in a minute")
                self.rounds("isochrone, 200 000 x 5", lambda: self.isochrone(200_000, 5, 18_000, 60_000), 1)
        self.lab_truth(1 if small else self.options.rounds)
        return self.results

    def lab_truth(self, rounds):
        """Beside the delay that each packet got, as the lab records it."""
        program = pathlib.Path(self.program).parent.parent / "app" / "isochrone"
        print("in the lab, 1 000 a second: difference from the delay that each packet got")
        with Wan(program, "0") as wan:
            for targets in (10, 10_000):
                for name, measure in (("isochrone", self.in_lab), ("fping", self.fping_in_lab)):
                    self.rounds(f"{name}, {targets} targets", lambda: measure(wan, targets, 10_000 // targets), rounds)
        with Wan(program, "5%") as wan:
            print("in the lab, 5 % lost")
            self.rounds("isochrone, loss", lambda: self.loss_in_lab(wan, 10_000, 3), rounds)

    @staticmethod
    def in_networks(wan, targets):
        """Addresses all over the lab's networks, but for the one in which a person stands."""
        file = wan.folder / "addresses"
        file.write_text("".join(f"198.{18 + n // 256}.{n % 256}.{20 + i // 399}\n"
                                for i in range(targets) for n in [1 + i % 399]))
        return file

    def measured(self, wan, targets, probes):
        dump = wan.folder / "dump"
        ran, delays = wan.recorded(self.program, "--file", self.in_networks(wan, targets), "--probes", probes, "--rate",
                                   1_100, "--length-ms", targets * probes, "--dump", dump)
        found = {}
        for line in dump.read_text().splitlines():
            address, rtt = line.split()
            found.setdefault(address, []).append(int(rtt) / 1e3)
        return ran, found, delays

    def in_lab(self, wan, targets, probes):
        _, found, delays = self.measured(wan, targets, probes)
        return differences(found, delays)

    def fping_in_lab(self, wan, targets, probes):
        ran, delays = wan.recorded("fping", "-q", "-C", probes, "-p", targets, "-i", 1, "-t", 1000, "-f",
                                   self.in_networks(wan, targets))
        found = {line.split(" : ")[0].strip(): [float(cell) * 1e3 for cell in line.split(" : ")[1].split() if cell != "-"]
                 for line in ran.stderr.splitlines() if " : " in line}
        return differences(found, delays)

    def loss_in_lab(self, wan, targets, probes):
        _, found, delays = self.measured(wan, targets, probes)
        share = lambda all: 100 * sum(each < 0 for each in all) / max(len(all), 1)  # noqa: E731
        said, true = ([each for one in of.values() for each in one] for of in (found, delays))
        return {"said_%": share(said), "true_%": share(true), "probes": len(said)}

    def rounds(self, name, measure, rounds=None):
        runs = [measure() for _ in range(rounds or self.options.rounds)]
        self.results[name] = runs
        cells = []
        for key in runs[0]:
            values = [run[key] for run in runs]
            spread = f" [{min(values):.4g}..{max(values):.4g}]" if len(values) > 1 else ""
            cells.append(f"{key} {statistics.median(values):.4g}{spread}")
        print(f"  {name:<26} " + "  ".join(cells), flush=True)

    def isochrone(self, targets, probes, rate, length=0):
        text, _, _, _ = self.cable.run(self.program, "--first", FIRST, "--targets", targets, "--probes", probes,
                                       "--rate", rate, "--length-ms", length)
        found = json.loads(text.strip().splitlines()[-1])
        share = 100 * found["answered"] / max(found["answered"] + found["lost"], 1)
        return {"pps": found["pps"], "cpu_us": found["cpu_us"], "answered_%": share,
                "p50_us": found["p50_us"], "p99_us": found["p99_us"], "bytes_per_target": found["bytes_per_target"],
                "rss_mb": found["rss_mb"]}

    def fping(self, targets, probes, interval_ms):
        file = self.folder / "addresses"
        file.write_text("".join(f"{address(i)}\n" for i in range(targets)))
        begun = os.times().elapsed
        _, errors, cpu, memory = self.cable.run("fping", "-q", "-C", probes, "-p", max(int(targets * interval_ms), 1),
                                                "-i", interval_ms, "-t", 1000, "-f", file)
        seconds = os.times().elapsed - begun
        rtts = [float(cell) * 1e3 for line in errors.splitlines() if " : " in line
                for cell in line.split(" : ")[1].split() if cell != "-"]
        sent = targets * probes
        return {"pps": sent / seconds, "cpu_us": cpu * 1e6 / sent, "answered_%": 100 * len(rtts) / sent,
                **quantiles(rtts), "rss_mb": memory}

    def zmap(self, targets):
        allowed, found = self.folder / "allowed", self.folder / "found"
        length = 32 - (targets - 1).bit_length()
        allowed.write_text(f"{FIRST}/{length}\n")
        (self.folder / "none").write_text("")
        cooldown = 1
        begun = os.times().elapsed
        _, _, cpu, memory = self.cable.run(
            "zmap", "-i", "near", "-G", FAR_MAC, "-S", NEAR, "-M", "icmp_echoscan", "-w", allowed, "-b",
            self.folder / "none", "-r", 2_000_000, "-T", 1, "-c", cooldown, "-o", found, "-f", "saddr", "-q")
        seconds = os.times().elapsed - begun - cooldown
        sent = 1 << (32 - length)
        return {"pps": sent / seconds, "cpu_us": cpu * 1e6 / sent,
                "answered_%": 100 * len(set(found.read_text().split())) / sent, "rss_mb": memory}
