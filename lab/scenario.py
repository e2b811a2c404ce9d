# SPDX-License-Identifier: Apache-2.0
"""The demo's scenes: each does something to the running system and claims what must come of it."""

import datetime
import json
import statistics
import time

import configs
from api_client import Api
from dns_client import Resolver
from testbed import LabError

SERVICE = configs.SERVICE

# Seconds from a measurement to a changed answer, beyond the window (the issue's own bound).
REACTION = 2.0


class Scenario:
    def __init__(self, lab, networks, report, files):
        self.lab = lab
        self.networks = networks
        self.report = report
        self.files = files
        sites = [node for node in lab.description["nodes"] if node["kind"] == "site"]
        self.site_names = [site["name"] for site in sites]
        self.site_of_address = {
            address: index for index, site in enumerate(sites) for address in site["addresses"]}
        self.resolver = Resolver(lab.sockets("resolver", "AF_INET:SOCK_DGRAM")[0], configs.DNS)
        self.api = Api(lab, "resolver", *configs.COLLECTOR, configs.OPERATOR_TOKEN)
        self.epoch = time.time_ns() // 1000
        self.health_sequence = 0

    # -- asking ------------------------------------------------------------------------------

    def site_in(self, answer):
        if answer is None or not answer.addresses:
            return None
        return self.site_of_address.get(answer.addresses[0])

    def site_for(self, network):
        return self.site_in(self.resolver.ask(SERVICE, network.prefix))

    def sites_for(self, networks):
        answers = self.resolver.ask_all(SERVICE, [network.prefix for network in networks])
        return [self.site_in(answers.get(network.prefix)) for network in networks]

    def share_good(self, networks):
        sites = self.sites_for(networks)
        good = sum(network.is_good(site) for network, site in zip(networks, sites))
        return good / len(networks)

    def wait_for(self, what, condition, seconds):
        """Seconds until `condition` held; LabError when it does not in time."""
        start = time.monotonic()
        while not condition():
            self.lab.check_daemons()
            waited = time.monotonic() - start
            if waited > 1:
                self.report.progress(waited / seconds, f"waiting until {what}, {waited:.0f} s")
            if time.monotonic() - start > seconds:
                raise LabError(f"{what}: not within {seconds} s")
            time.sleep(0.02)
        return time.monotonic() - start

    # -- starting ----------------------------------------------------------------------------

    def start_daemons(self):
        self.lab.run_daemon("collector", "hub", self.files["collector"])
        self.wait_for("the collector answers", self.api.is_alive, 20)
        self.lab.run_daemon("ns1", "hub", self.files["ns1"])
        for name in self.site_names:
            self.lab.run_daemon(name, name, self.files[name])
        self.wait_for("the DNS node answers",
                      lambda: self.site_for(self.networks[0]) is not None, 20)

    # -- converging --------------------------------------------------------------------------

    def converge(self, networks, seconds, what):
        """Asks for every network until 99 % of them are good; seconds it took."""
        start = time.monotonic()
        while True:
            self.lab.check_daemons()
            share = self.share_good(networks)
            elapsed = time.monotonic() - start
            self.report.progress(share, f"{share:6.1%} of {len(networks)} {what} go to a right "
                                        f"site, {elapsed:.0f} s")
            if share >= 0.99 or elapsed > seconds:
                return elapsed if share >= 0.99 else None
            time.sleep(0.25)

    def configured_networks(self):
        """Those that are in the probers' configurations."""
        configured = [network for index, network in enumerate(self.networks)
                      if not configs.is_learnt(index)]
        took = self.converge(configured, 60, "configured client networks")
        self.report.claim(took is not None, "the table converges for configured networks",
                          seconds_or_never(took), "99 % good in 60 s")

    def learnt_networks(self):
        """Those that nobody measures until somebody asks for them."""
        learnt = [network for index, network in enumerate(self.networks)
                  if configs.is_learnt(index)]
        mark = self.api.end_of("measurement")
        asked = datetime.datetime.now(datetime.timezone.utc)
        took = self.converge(learnt, 60, "client networks known only by their queries")
        first = {}
        for event in self.events("measurement", mark):
            first.setdefault(event["prefix"], parse_time(event["time"]))
        waits = [(first[network.prefix] - asked).total_seconds() for network in learnt
                 if network.prefix in first]
        # Beyond the round: one second to report demand, and the longest RTT that shows a probe.
        bound = configs.ROUND + 1.5
        complete = len(waits) == len(learnt)
        worst = f"{max(waits):.1f} s" if complete else f"{len(waits)} of {len(learnt)}"
        self.report.claim(complete and max(waits) <= bound,
                          "a network is probed within a round of its first query", worst,
                          f"<= {bound} s")
        self.report.claim(took is not None, "networks learnt from demand are routed as measured",
                          seconds_or_never(took), "99 % good in 60 s")

    # -- judging -----------------------------------------------------------------------------

    def show_clients(self, count):
        """A table of some clients, first of all where measuring matters."""
        sites = dict(zip((network.prefix for network in self.networks),
                         self.sites_for(self.networks)))
        step = max(5, len(self.networks) // count // 5 * 5)
        self.report.say(f"  {'client network':<20} {'Isochrone':>16} {'default order':>16} "
                        f"{'true best':>16}   (site, RTT)")
        for row in range(min(count, len(self.networks))):
            # Every fifth network is IPv6: a shift within each five lets both families appear.
            network = self.networks[(row * step + row % 5) % len(self.networks)]
            cells = "".join(f" {self.cell(network, site):>16}"
                            for site in (sites[network.prefix], 0, network.best()))
            self.report.say(f"  {network.prefix:<20}{cells}")

    def cell(self, network, site):
        if site is None:
            return "no answer"
        rtt = network.rtts[site]
        return f"{self.site_names[site]} {'--' if rtt is None else f'{rtt:.1f}'} ms"

    def judge(self):
        sites = self.sites_for(self.networks)
        pairs = list(zip(self.networks, sites))
        share = statistics.fmean(network.is_good(site) for network, site in pairs)
        penalty = statistics.fmean(network.penalty(site) for network, site in pairs)
        by_order = statistics.fmean(network.penalty(0) for network in self.networks)
        order_share = statistics.fmean(network.is_good(0) for network in self.networks)
        self.report.claim(share >= 0.99, "client networks within max(1 ms, 5 %) of the best site",
                          f"{share:.2%}", ">= 99 %")
        self.report.claim(penalty <= 0.5, "mean penalty", f"{penalty:.3f} ms", "<= 0.5 ms")
        self.report.say(f"          by the default order: {order_share:.1%} of networks, mean "
                        f"penalty {by_order:.1f} ms")
        self.report.fact("order-share", order_share)
        self.report.fact("order-penalty-ms", by_order)

    def emulator_error(self):
        status = self.lab.ask("status")
        for name, text in (("timer-error", "packets written against due"),
                           ("delay-error", "yardstick of 20 ms, seen from inside a namespace")):
            error = status[name]
            self.report.fact(name, error)
            self.report.say(f"  the lab's own error: p50 {error['p50-us'] / 1000:.2f} ms, p99 "
                            f"{error['p99-us'] / 1000:.2f} ms over {error['count']} {text}")
        lost = status["packets"]["overflow"] + status["packets"]["write-failed"]
        self.report.claim(lost == 0, "the emulator itself loses nothing", f"{lost} packets", "0")

    # -- changing the world ------------------------------------------------------------------

    def worsen_a_path(self):
        """The best path of one client becomes 300 ms longer."""
        network = self.pick_contested()
        old = self.site_for(network)
        mark = self.api.end_of("measurement")
        self.lab.ask("path", site=self.site_names[old], network=network.prefix,
                     **{"rtt-us": int((network.rtts[old] + 300) * 1000)})
        changed_wall = datetime.datetime.now(datetime.timezone.utc)
        new, took = self.wait_for_other(network, old, 30)
        seen = self.first_seen(mark, network, self.site_names[old],
                               (network.rtts[old] + 150) * 1000)
        self.report.say(f"  {network.prefix}: {self.cell(network, old)} became "
                        f"{network.rtts[old] + 300:.1f} ms; the answer is now "
                        f"{'unchanged' if new is None else self.cell(network, new)}")
        bound = REACTION + configs.WINDOW
        if new is None or seen is None:
            self.report.claim(False, "a changed path changes the answer", "never", f"<= {bound} s")
            return
        answered = changed_wall + datetime.timedelta(seconds=took)
        delay = (answered - seen).total_seconds()
        self.report.claim(delay <= bound, "measurement of a changed path to changed answer",
                          f"{delay:.1f} s", f"<= 2 s + window = {bound:.0f} s")
        self.report.say(f"          {took:.1f} s after the change itself (a round is "
                        f"{configs.ROUND} s)")
        self.lab.ask("path", site=self.site_names[old], network=network.prefix)

    def pick_contested(self):
        """A client whose second site is a real alternative, so that one path decides."""
        def gap(network):
            first, second = sorted(network.reachable())[:2]
            return second[0] - first[0]
        candidates = [network for network in self.networks
                      if 5 <= gap(network) <= 50 and min(network.reachable())[0] < 150]
        return (candidates or self.networks)[0]

    def wait_for_other(self, network, old, seconds):
        start = time.monotonic()
        while (took := time.monotonic() - start) < seconds:
            site = self.site_for(network)
            if site is not None and site != old:
                return site, took
            time.sleep(0.01)
        return None, None

    def cut_a_site(self):
        site = self.busiest_site()
        name = self.site_names[site]
        took = self.until_not_named(site, lambda: self.lab.ask("cut", site=name), 30)
        bound = configs.SITE_TIMEOUT + 1.0
        self.report.claim(took is not None and took <= bound,
                          f"no answer names {name} after it was cut off", seconds_or_never(took),
                          f"<= site-timeout + 1 s = {bound:.0f} s")
        self.lab.ask("restore", site=name)
        self.wait_until_named(site)

    def declare_down(self):
        site = self.busiest_site()
        name = self.site_names[site]
        took = self.until_not_named(site, lambda: self.post_health(name, "down"), 30)
        self.report.claim(took is not None and took <= 1.0,
                          f"no answer names {name} after an operator's `down`",
                          seconds_or_never(took), "<= 1 s")
        self.post_health(name, "up")
        self.wait_until_named(site)

    def busiest_site(self):
        """The site with the largest catchment, the first of the order excepted: there, falling back
        to the default order would look like success."""
        sites = [site for site in self.sites_for(self.networks) if site]
        return statistics.mode(sites) if sites else 1

    def until_not_named(self, site, act, seconds):
        """Seconds from `act` to the last answer that named the site, over its whole catchment."""
        catchment = [network for network, named in zip(self.networks, self.sites_for(self.networks))
                     if named == site]
        start = time.monotonic()
        act()
        last_named = 0.0
        is_complete = False  # a whole pass after the last naming: nobody is left to name it
        while (elapsed := time.monotonic() - start) < seconds:
            named = self.sites_for(catchment)
            if site in named:
                last_named = time.monotonic() - start
                is_complete = False
            elif None not in named:
                is_complete = True
            if is_complete and elapsed - last_named > 1.0:
                return last_named
        return None

    def wait_until_named(self, site):
        """The site is back in answers: what follows starts from a whole system."""
        self.wait_for(f"{self.site_names[site]} is named again",
                      lambda: site in self.sites_for(self.networks), 60)

    def post_health(self, site, status):
        self.health_sequence += 1
        self.api.post_events("health", [{
            "id": {"source": "operator-demo", "epoch": self.epoch,
                   "sequence": self.health_sequence},
            "time": format_time(), "site": site, "status": status,
            "origin": "operator", "reason": "demo"}])

    # -- the log -----------------------------------------------------------------------------

    def page(self, channel, after, limit):
        status, text = self.api.request(
            "GET", f"/v1/channels/{channel}/events?after={after}&limit={limit}")
        if status != 200:
            raise OSError(f"{channel} events: {status} {text[:200]}")
        return [json.loads(line) for line in text.splitlines() if line]

    def events(self, channel, after):
        """Every event of a channel after a position."""
        while True:
            page = self.page(channel, after, 1000)
            yield from page
            if len(page) < 1000:
                return
            after = page[-1]["position"]

    def first_seen(self, mark, network, site, at_least_us):
        for event in self.events("measurement", mark):
            is_path = event["prefix"] == network.prefix and event["site"] == site
            if is_path and event.get("rtt_us", 0) >= at_least_us:
                return parse_time(event["time"])
        return None


def seconds_or_never(took):
    return "never" if took is None else f"{took:.2f} s"


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def format_time():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
