# SPDX-License-Identifier: Apache-2.0
"""How far answers are from the best site, beside simple ways to spend the same measurements.

Every figure of Isochrone comes from `isochrone simulate`, which drives the production collector core
and compiler. The baselines here use the same matrices, sites and clients.
"""
import csv
import gzip
import json
import pathlib
import random
import statistics
import subprocess
import tempfile

import routing_plot

ROOT = pathlib.Path(__file__).resolve().parent.parent
HELD = ROOT / "lab" / "data" / "planetlab490-slice01.tsv.gz"
BUDGETS = (1, 2, 3, 4, 5, 6, 8, 10)
# What is to be reached, mean and 95th percentile in ms, by data and paths of 20.
ASKED = {("wonderproxy241", 3): (5, 35), ("wonderproxy241", 5): (2.5, 15),
         ("planetlab490", 3): (7, 35), ("planetlab490", 5): (2, 10)}


class Data:
    """The matrices of one data set, as lists of rows; None where nothing was measured."""

    def __init__(self, name, files, coordinates=None):
        self.name, self.files, self.coordinates = name, files, coordinates
        self.slices = [read_matrix(file) for file in files]
        self.places = None
        if coordinates:
            self.places = [tuple(map(float, line.split(",")))
                           for line in pathlib.Path(coordinates).read_text().split()]


def read_matrix(file):
    opener = gzip.open if str(file).endswith(".gz") else open
    with opener(file, "rt") as lines:
        return [[None if word == "nan" else float(word) for word in line.split()]
                for line in lines if line.strip()]


def find_data(folder, scratch):
    """What the folder holds, by name; the slice that comes with the sources is always there."""
    found = {}
    slices = sorted(folder.glob("rtt-planetlab490/slice_*.tsv.gz")) if folder else []
    found["planetlab490"] = Data("planetlab490", slices or [HELD])
    pings = folder / "rtt-wonderproxy241" / "pings.csv.gz" if folder else None
    if pings and pings.exists():
        cities = list(csv.DictReader(open(pings.parent / "cities.csv", encoding="utf-8")))
        index = {row["city"]: i for i, row in enumerate(cities)}
        rows = [["nan"] * len(cities) for _ in cities]
        with gzip.open(pings, "rt", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                rows[index[row["src"]]][index[row["dst"]]] = row["rtt_avg_ms"]
        matrix, places = scratch / "wonderproxy241.txt", scratch / "wonderproxy241.csv"
        matrix.write_text("".join(" ".join(row) + "\n" for row in rows))
        places.write_text("".join(f"{c['latitude']},{c['longitude']}\n" for c in cities))
        found["wonderproxy241"] = Data("wonderproxy241", [matrix], places)
    return found


def simulate(program, data, options, slices=None, **flags):
    command = [str(program), "simulate", "--json", "--sites", str(options.sites),
               "--seed", str(options.seed), "--draws", str(options.draws)]
    for file in data.files[:slices]:
        command += ["--rtt", str(file)]
    if data.coordinates:
        command += ["--coordinates", str(data.coordinates)]
    for flag, value in flags.items():
        command += ["--" + flag.replace("_", "-"), str(value)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def mean_p95(penalties):
    ordered = sorted(penalties)
    at = lambda share: ordered[max(0, -int(-share * len(ordered) // 1) - 1)]  # noqa: E731
    return {"mean_ms": statistics.fmean(ordered), "p95_ms": at(0.95), "p99_ms": at(0.99)}


def clients_of(data, sites, slice_number=0):
    """RTTs by site of every client whose best site is known."""
    matrix = data.slices[slice_number]
    inside = set(sites)
    for client in range(len(matrix)):
        if client in inside:
            continue
        row = [matrix[site][client] for site in sites]
        if any(value is not None for value in row):
            yield client, row


def penalty(row, measured):
    known = [row[s] for s in measured if row[s] is not None]
    return min(known) - min(v for v in row if v is not None) if known else None


def kilometres(a, b):
    from math import asin, cos, radians, sin, sqrt
    north, east = radians(b[0] - a[0]) / 2, radians(b[1] - a[1]) / 2
    h = sin(north) ** 2 + cos(radians(a[0])) * cos(radians(b[0])) * sin(east) ** 2
    return 2 * 6371.0088 * asin(min(1, sqrt(h)))


def triangle_order(mesh, row, floor, count):
    """Most central site first, then the one whose lower bound by the triangle inequality is least."""
    everyone = range(len(mesh))
    bound = list(floor)
    site = min(everyone, key=lambda s: sum(mesh[s]))
    order = []
    while len(order) < count:
        order.append(site)
        if row[site] is not None:
            for other in everyone:
                bound[other] = max(bound[other], abs(row[site] - mesh[site][other]))
        left = [s for s in everyone if s not in order]
        if not left:
            break
        site = min(left, key=lambda s: bound[s])
    return order


def baselines(data, draws, budgets):
    """{name: {budget: figures}} for ways to spend a budget that need no learning."""
    spent = {"random": {}, "triangle bound": {}}
    if data.places:
        spent["nearest on the map"] = {}
    sums = {name: {k: [] for k in budgets} for name in spent}
    dice = random.Random(1)
    for sites in draws:
        known = lambda a, b: data.slices[0][a][b] if data.slices[0][a][b] is not None else 100.0  # noqa: E731
        mesh = [[0.0 if a == b else (known(a, b) + known(b, a)) / 2 for b in sites] for a in sites]
        for client, row in clients_of(data, sites):
            floor = [0.0] * len(sites)
            orders = {"random": dice.sample(range(len(sites)), len(sites))}
            if data.places:
                floor = [kilometres(data.places[client], data.places[s]) / 100 for s in sites]
                orders["nearest on the map"] = sorted(range(len(sites)), key=floor.__getitem__)
            orders["triangle bound"] = triangle_order(mesh, row, floor, max(budgets))
            for name, order in orders.items():
                for k in budgets:
                    paid = penalty(row, order[:k])
                    if paid is not None:
                        sums[name][k].append(paid)
    return {name: {k: mean_p95(values) for k, values in by_k.items()} for name, by_k in sums.items()}


def past_baselines(data, draws):
    """Every path measured in every slice; what the past alone makes of the next one."""
    last, five = [], []
    for sites in draws:
        history = {}
        for number in range(len(data.slices)):
            for client, row in clients_of(data, sites, number):
                seen = history.setdefault(client, [])
                if seen:
                    for paid, rows in ((last, seen[-1:]), (five, seen[-5:])):
                        middle = [statistics.median(r[s] for r in rows) for s in range(len(sites))]
                        paid.append(row[middle.index(min(middle))] - min(row))
                seen.append(row)
    return {"last slice": mean_p95(last), "median of five": mean_p95(five)}


def line(name, figures, note=""):
    print(f"  {name:<54} {figures['mean_ms']:>7.2f} {figures['p95_ms']:>8.1f} {figures['p99_ms']:>8.1f}  {note}")


def cold(program, data, options):
    curve = {"isochrone": {}}
    draws = None
    for budget in BUDGETS:
        result = simulate(program, data, options, slices=1, budget=budget)
        draws = result["draw_sites"]
        curve["isochrone"][budget] = result["strategies"]["isochrone"]
        if budget == BUDGETS[0] and result["strategies"]["geo"]:
            curve["geography, no measurement"] = {0: result["strategies"]["geo"]}
    curve.update(baselines(data, draws, BUDGETS))
    print(f"\n{data.name}, {options.sites} sites, first slice, {options.draws} draws: penalty in ms, by paths per client")
    print(f"  {'':<27} {'':>3} {'mean':>8} {'p95':>8} {'p99':>8} {'harmed':>8}")
    for name, by_budget in curve.items():
        for budget, f in by_budget.items():
            harmed = f.get("worse_than_geo_share")
            asked = ASKED.get((data.name, budget)) if name == "isochrone" else None
            print(f"  {name:<27} {budget:>3} {f['mean_ms']:>8.2f} {f['p95_ms']:>8.1f} {f['p99_ms']:>8.1f} "
                  f"{'' if harmed is None else f'{harmed:8.2%}':>8}"
                  f"{'' if asked is None else f'  asked: {asked[0]} / {asked[1]}'}")
    return curve


def steady(program, data, options):
    if len(data.slices) < 6:
        print(f"\n{data.name}: slices over time need --data with more than the one that comes with the sources")
        return {}
    # Every slice is a draw's work again: a quarter of the draws has as many (client, slice) pairs.
    fewer = type(options)(**{**vars(options), "draws": max(1, options.draws // 4)})
    all_paths = simulate(program, data, fewer, from_slice=2)
    budget = simulate(program, data, fewer, budget=3, from_slice=6)
    rows = {"3 of 20 per slice, from the sixth, after (asked: 1.5)": budget["strategies"]["isochrone"],
            "3 of 20 per slice, from the sixth, before": budget["strategies"]["isochrone_before"],
            "all paths, before the slice (asked: 1.0, p99 15)": all_paths["strategies"]["isochrone_before"]}
    for name, figures in past_baselines(data, all_paths["draw_sites"]).items():
        rows[f"all paths, {name}"] = figures
    print(f"\n{data.name}, {len(data.slices)} slices, {fewer.draws} draws (penalty in ms)"
          f"\n  {'':<54} {'mean':>7} {'p95':>8} {'p99':>8}")
    for name, figures in rows.items():
        line(name, figures)
    return rows


def noise(program, data, options):
    print(f"\n{data.name}, noise alone: 5 of 20 paths, exponential queueing delay, second and third hour")
    rows = {}
    single = type(options)(**{**vars(options), "draws": 1})
    for mean in (0.5, 2, 5):
        result = simulate(program, data, single, slices=1, budget=5, noise=mean, rounds=1800)
        share = result["late_changes"] / result["late_client_hours"]
        rows[mean] = {"changes": result["late_changes"], "client_hours": result["late_client_hours"]}
        print(f"  mean {mean:>4} ms: {result['late_changes']} changes in "
              f"{result['late_client_hours']:.0f} client-hours, {share:.2%} of clients per hour")
    return rows


def recompute(build, data, folder):
    prefixes = folder / "bgp-prefixes" / "prefixes.txt.gz" if folder else None
    if not prefixes or not prefixes.exists():
        print("\na million clients: needs --data with bgp-prefixes/prefixes.txt.gz")
        return {}
    command = [str(build / "bench" / "bench_recompute"), "--rtt", str(data.files[0]),
               "--prefixes", str(prefixes)]
    f = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{f['clients']} synthetic clients on prefixes of a BGP table, {f['sites']} sites, {f['paths']} paths each"
          f"\n  decide {f['decide_s']:.2f} s + compile {f['compile_s']:.2f} s "
          f"[{f['compile_min_s']:.2f}..{f['compile_max_s']:.2f}], one core, median of five"
          f"\n  state {f['state_bytes'] / 1e6:.0f} MB, table {f['table_bytes'] / 1e6:.0f} MB, {f['rankings']} rankings"
          f"\n  penalty mean {f['mean_ms']:.2f} ms, p95 {f['p95_ms']:.1f} ms")
    print("\nmerge-within, a fifth of them, neighbours alike but for a tenth"
          f"\n  {'':<8} {'blocks':>8} {'orders':>8} {'added mean':>11} {'p99 (ms)':>9}")
    for row in f["merge"]:
        print(f"  {row['within_ms']:>4.1f} ms {row['blocks']:>8} {row['rankings']:>8} "
              f"{row['added_mean_ms']:>11.3f} {row['added_p99_ms']:>9.3f}")
    return f


def run(build, options):
    program = build / "app" / "isochrone"
    with tempfile.TemporaryDirectory() as scratch:
        found = find_data(options.data, pathlib.Path(scratch))
        results = {name: {"cold": cold(program, data, options)} for name, data in found.items()}
        planetlab = found["planetlab490"]
        results["planetlab490"]["steady"] = steady(program, planetlab, options)
        results["planetlab490"]["noise"] = noise(program, planetlab, options)
        results["recompute"] = recompute(build, planetlab, options.data)
    if options.svg:
        options.svg.mkdir(parents=True, exist_ok=True)
        curves = results["planetlab490"]["cold"]
        for figure, title in (("mean_ms", "Mean penalty"), ("p95_ms", "95th percentile of the penalty")):
            name = figure.split("_")[0]
            series = {k: {b: f[figure] for b, f in v.items()} for k, v in curves.items()}
            (options.svg / f"routing-quality-{name}.svg").write_text(routing_plot.lines(
                f"{title}, planetlab490, 20 sites, first slice", "paths measured per client", "ms", series))
    return results
