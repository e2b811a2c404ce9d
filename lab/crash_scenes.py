# SPDX-License-Identifier: Apache-2.0
"""Scenes in which daemons are killed with SIGKILL, and a ledger of what had been acknowledged."""

import collections
import statistics
import threading
import time

import configs
from api_client import Api
from scenario import format_time, parse_time

# Queries per second offered while the collector dies: far below what either side can do, so that
# every lost answer is the crash's doing.
OFFERED_QPS = 400

# Acknowledged before the collector is killed, in the middle of the next batch.
LEDGER_EVENTS = 1000


class Ledger:
    """A producer of our own, which posts without pause and remembers every acknowledgement."""

    BATCH = 20

    def __init__(self, lab, site):
        self.api = Api(lab, "client", *configs.COLLECTOR, configs.OPERATOR_TOKEN)
        self.site = site
        self.epoch = time.time_ns() // 1000
        self.posted = []
        self.acknowledged = 0  # events 1 to this one
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _event(self, sequence):
        return {"id": {"source": "demo-ledger", "epoch": self.epoch, "sequence": sequence},
                "time": format_time(), "site": self.site, "offered": sequence, "capacity": 10**9}

    def _run(self):
        while not self.stopping.is_set():
            first = len(self.posted) + 1
            batch = [self._event(first + i) for i in range(self.BATCH)]
            self.posted += batch
            try:
                answer = self.api.post_events("load", batch)
            except OSError:
                return  # the crash: what became of this batch is what the scene finds out
            if answer["accepted"] != len(batch):
                return
            self.acknowledged = len(self.posted)

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def repeat(self, api):
        """Posts everything again, as a producer does that lost its connection; (accepted, known)."""
        accepted = known = 0
        for start in range(0, len(self.posted), 500):
            answer = api.post_events("load", self.posted[start:start + 500])
            accepted += answer["accepted"]
            known += answer["duplicates"]
        return accepted, known


def collector_dies(scene):
    """SIGKILL in full run: DNS must not notice, and the log must be as acknowledged."""
    lab, report = scene.lab, scene.report
    subnets = [network.prefix for network in scene.networks]
    seconds = 3
    before = scene.resolver.offer(configs.SERVICE, subnets, OFFERED_QPS, seconds)
    marks = {channel: scene.api.end_of(channel) for channel in ("measurement", "health", "load")}
    ledger = Ledger(lab, scene.site_names[0])
    scene.wait_for("the ledger has been acknowledged",
                   lambda: ledger.acknowledged >= LEDGER_EVENTS, 30)
    lab.kill_daemon("collector")
    ledger.stop()
    scene.api.drop()
    after = scene.resolver.offer(configs.SERVICE, subnets, OFFERED_QPS, seconds)
    shares = [answered / sent for sent, answered in (before, after)]
    report.claim(shares[1] >= shares[0] - 0.005, "DNS answers on while the collector is dead",
                 f"{before[1] / seconds:.0f} -> {after[1] / seconds:.0f} q/s",
                 f"share answered {shares[1]:.1%}, before {shares[0]:.1%}")
    killed = format_time()
    lab.run_daemon("collector", "hub", scene.files["collector"])
    took = scene.wait_for("the collector answers again", scene.api.is_alive, 20)
    report.say(f"  the collector is back after {took:.1f} s")
    check_ledger(scene, ledger, marks["load"])
    wait_for_probers(scene, killed)
    check_probers(scene, marks)


def check_ledger(scene, ledger, mark):
    stored = [event for event in scene.events("load", mark)
              if event["id"]["source"] == "demo-ledger"]
    counts = collections.Counter(event["id"]["sequence"] for event in stored)
    lost = sum(1 for sequence in range(1, ledger.acknowledged + 1) if sequence not in counts)
    scene.report.claim(lost == 0 and ledger.acknowledged > 0,
                       "no acknowledged event is lost over SIGKILL",
                       f"{lost} of {ledger.acknowledged}", "0")
    accepted, known = ledger.repeat(scene.api)
    again = [event for event in scene.events("load", mark)
             if event["id"]["source"] == "demo-ledger"]
    once = len(again) == len(ledger.posted) and known == len(counts)
    scene.report.claim(once, "events posted again are not counted again",
                       f"{known} known, {accepted} new", f"{len(counts)} known")


def wait_for_probers(scene, since):
    """Until every prober's measurements made after `since` have arrived."""
    wanted = set(scene.site_names)
    start = parse_time(since)
    mark = scene.api.end_of("measurement")

    def all_heard():
        nonlocal mark
        for event in scene.events("measurement", mark):
            mark = event["position"]
            if parse_time(event["time"]) > start:
                wanted.discard(event["site"])
        return not wanted

    scene.wait_for("every prober posts again", all_heard, 20)


def check_probers(scene, marks):
    """Each prober numbers its events without gaps over all channels: so must the log hold them."""
    held = collections.defaultdict(lambda: collections.defaultdict(list))
    for channel in ("measurement", "health"):
        for event in scene.events(channel, marks[channel]):
            identity = event["id"]
            if event.get("origin") in (None, "prober"):
                held[identity["source"], identity["epoch"]][channel].append(identity["sequence"])
    total = missing = twice = 0
    for channels in held.values():
        sequences = collections.Counter(number for numbers in channels.values()
                                        for number in numbers)
        twice += sum(count - 1 for count in sequences.values())
        # Near the ends one channel may be ahead of the other in the log; between, nothing may lack.
        low = max(min(numbers) for numbers in channels.values())
        high = min(max(numbers) for numbers in channels.values())
        missing += sum(1 for number in range(low, high + 1) if number not in sequences)
        total += sum(1 for number in sequences if low <= number <= high)
    complete = len(held) == len(scene.site_names)
    scene.report.claim(complete and missing == 0 and twice == 0,
                       f"probers' events over the crash: {total} held",
                       f"{missing} lost, {twice} twice", "0 lost, 0 twice")


def saved_answers(scene):
    """What every network is answered from the very generation that lies on disk."""
    api = Api(scene.lab, "resolver", *configs.DNS_HTTP, configs.OPERATOR_TOKEN)
    sites = []

    def are_saved():
        before = api.get("/v1/status")["dns"]
        sites[:] = scene.sites_for(scene.networks)
        after = api.get("/v1/status")["dns"]
        return before["saved_generation"] == after["generation"]

    took = scene.wait_for("what is answered is on disk", are_saved, 10)
    api.drop()
    scene.report.say(f"  the collector is dead; what is answered is on disk after {took:.1f} s")
    return sites


def dns_restarts_alone(scene):
    """DNS is killed while no collector lives, and must answer from its snapshot."""
    lab, report = scene.lab, scene.report
    lab.kill_daemon("collector")
    scene.api.drop()
    sites = saved_answers(scene)
    # A client that the default order would send elsewhere: its answer proves the snapshot.
    routed, expected = next((network, site) for network, site in zip(scene.networks, sites) if site)
    lab.kill_daemon("ns1")
    start = time.monotonic()
    lab.run_daemon("ns1", "hub", scene.files["ns1"])
    took = None
    while took is None and time.monotonic() - start < 20:
        answer = scene.resolver.ask(configs.SERVICE, routed.prefix, timeout=0.05)
        if answer is not None and scene.site_in(answer) == expected:
            took = time.monotonic() - start
    report.claim(took is not None and took <= 1.0,
                 "DNS restarted without a collector answers routed",
                 "never" if took is None else f"{took:.2f} s", "<= 1 s")
    again = scene.sites_for(scene.networks)
    same = statistics.fmean(old == new for old, new in zip(sites, again))
    report.claim(same == 1.0, "and every network gets the answer it had", f"{same:.2%}", "100 %")
    moved = collections.Counter((old, new) for old, new in zip(sites, again) if old != new)
    for (old, new), count in moved.most_common(5):
        names = [scene.site_names[site] if site is not None else "none" for site in (old, new)]
        report.say(f"          {count} of {names[0]} went to {names[1]}")
    lab.run_daemon("collector", "hub", scene.files["collector"])
    scene.wait_for("the collector answers again", scene.api.is_alive, 20)
