#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole of Isochrone in an Internet in a box: watch it measure, decide and recover.

Starts the lab, real daemons in its namespaces, lets them converge, and then checks claim by claim.
Exit status 0: every claim held; 1: one did not, or something broke; 2: wrong usage.
"""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import configs
import crash_scenes
from report import Report
from scenario import Scenario
from testbed import Lab, LabError, networks_of

HERE = pathlib.Path(__file__).resolve().parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=pathlib.Path, help="the isochrone executable")
    parser.add_argument("--rtt", type=pathlib.Path,
                        default=HERE / "data" / "planetlab490-slice01.tsv.gz",
                        help="RTT matrix in ms (default: the PlanetLab slice beside this program)")
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--clients", type=int, default=480, help="client networks")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of sites and clients")
    parser.add_argument("--state", type=pathlib.Path,
                        help="directory for everything (default: a new one under /tmp)")
    parser.add_argument("--quick", action="store_true", help="leave out the tables for people")
    parser.add_argument("--keep", action="store_true", help="leave all running at the end")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the report there")
    return parser.parse_args()


def play(lab, arguments, report):
    report.step(f"The lab: {arguments.sites} sites, {arguments.clients} client networks, real RTTs "
                f"from {arguments.rtt.name}")
    lab.start(arguments.rtt, arguments.sites, arguments.clients, arguments.seed)
    networks = networks_of(lab.description)
    scene = Scenario(lab, networks, report, configs.write_all(lab, networks))

    report.step("Real daemons: a prober at each site, a collector and a DNS node at the hub")
    scene.start_daemons()

    report.step("Measuring until the routing table has converged")
    scene.configured_networks()
    scene.learnt_networks()

    report.step("Where clients are sent")
    if not arguments.quick:
        scene.show_clients(12)
    scene.judge()
    scene.emulator_error()

    report.step("A path gets worse")
    scene.worsen_a_path()

    report.step("A site is cut off")
    scene.cut_a_site()

    report.step("An operator takes a site down")
    scene.declare_down()

    report.step("The collector is killed and restarted")
    crash_scenes.collector_dies(scene)

    report.step("DNS is killed and restarted while no collector lives")
    crash_scenes.dns_restarts_alone(scene)
    lab.check_daemons()

    report.step("Try it by hand")
    show_dig(lab, scene, report)


def show_dig(lab, scene, report):
    network = next(each for each in scene.networks if each.best() != 0)
    query = ["dig", f"@{configs.DNS}", configs.SERVICE, f"+subnet={network.prefix}", "+noall",
             "+comments", "+answer"]
    report.say("  isochrone lab exec client -- " + " ".join(query))
    if shutil.which("dig") is None:
        report.say("  (dig is not installed here)")
        return
    done = subprocess.run(lab.inside("client", *query), capture_output=True, text=True, timeout=20)
    for line in done.stdout.splitlines():
        if line.strip():
            report.say("    " + line)


def say_how_to_enter(lab, report):
    binary, state = lab.binary, lab.state
    report.say(f"""
All of it is still running, in {state}.
  look      {binary} lab status --state {state}
  enter     {binary} lab exec client --state {state} -- bash
  ask       {binary} lab exec client --state {state} -- dig @{configs.DNS} {configs.SERVICE} +subnet=198.18.7.0/24
  show      {binary} lab exec client --state {state} -- {binary} show sites --collector http://{configs.COLLECTOR[0]}:{configs.COLLECTOR[1]} --token-file {state}/operator.token
  change    {binary} lab path s2 198.18.7.0/24 --rtt 300ms --state {state}
  stop      {binary} lab stop --state {state}""")


def stop_on_signal(number, _):
    raise SystemExit(128 + number)


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, stop_on_signal)
    is_own_state = arguments.state is None
    state = arguments.state or pathlib.Path(tempfile.mkdtemp(prefix="isochrone-demo-", dir="/tmp"))
    lab = Lab(arguments.binary.resolve(), state)
    report = Report()
    failure = None
    try:
        play(lab, arguments, report)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        failure = str(error)
        report.claim(False, "the demo ran to its end", "broke", "no error")
        report.say(f"  {failure}")
    except BaseException:
        arguments.keep = False
        raise
    finally:
        if not arguments.keep:
            lab.close()
    if arguments.json:
        report.fact("failure", failure)
        report.write(arguments.json)
    held = sum(claim["ok"] for claim in report.claims)
    report.say(f"\n{held} of {len(report.claims)} claims held")
    if arguments.keep:
        say_how_to_enter(lab, report)
    elif is_own_state and report.holds():
        shutil.rmtree(state, ignore_errors=True)
    else:
        report.say(f"logs and state are in {state}")
    return 0 if report.holds() else 1


if __name__ == "__main__":
    sys.exit(main())
