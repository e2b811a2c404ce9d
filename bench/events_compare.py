# SPDX-License-Identifier: Apache-2.0
"""Events: durable ingest through the collector's API beside peers that keep octets, in turns."""
import json
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 1000


def spread(values, digits=0):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}..{max(values):.{digits}f}]")


READERS = 10000


def tool(build, what, folder, seconds, rate=0, readers=0):
    command = [str(build / "bench" / "bench_events_load"), what, "--folder", str(folder),
               "--seconds", str(seconds), "--rate", str(rate), "--readers", str(readers)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def sqlite(folder, seconds):
    db = sqlite3.connect(folder / "events.sqlite")
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute("create table event (position integer primary key, bytes blob)")
    value = b"x" * 100
    acks, events, start = [], 0, time.monotonic()
    while time.monotonic() - start < seconds:
        sent = time.monotonic()
        with db:
            db.executemany("insert into event values (?, ?)",
                           [(events + i, value) for i in range(BATCH)])
        events += BATCH
        acks.append(1000 * (time.monotonic() - sent))
    elapsed = time.monotonic() - start
    acks.sort()
    db.close()
    return {"events": events, "events_per_s": events / elapsed, "ack_p50_ms": acks[len(acks) // 2],
            "ack_p99_ms": acks[int(0.99 * (len(acks) - 1))], "ack_max_ms": acks[-1]}


class Nats:
    """A server of its own with JetStream, whose store is empty."""

    def __init__(self, folder):
        self.ports = folder / "ports"
        self.ports.mkdir()
        (folder / "conf").write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{self.ports}"\n'
                                     f'jetstream {{store_dir: "{folder / "store"}"}}\n')
        self.log = open(folder / "server.log", "w")
        self.process = subprocess.Popen(["nats-server", "-c", str(folder / "conf")], stdout=self.log, stderr=self.log)

    def __enter__(self):
        for _ in range(500):
            for file in self.ports.glob("*.ports"):
                said = file.read_text()
                if said.strip():
                    return json.loads(said)["nats"][0]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit("nats-server does not start; apt-get install nats-server")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def through_nats(build, folder, seconds):
    with Nats(folder) as url:
        command = [str(build / "bench" / "bench_events_load"), "collector", "--folder", str(folder / "state"),
                   "--seconds", str(seconds), "--nats", url]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def libnats(build, folder, seconds, octets, ids=0):
    with Nats(folder) as url:
        command = [str(build / "bench" / "bench_jetstream"), url, "--seconds", str(seconds),
                   "--octets", str(octets), "--ids", str(ids)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


EVENT_OCTETS = 100
JETSTREAM = {
    "isochrone": lambda build, folder, seconds: through_nats(build, folder, seconds)["events_per_s"],
    "libnats": lambda *where: libnats(*where, EVENT_OCTETS)["messages_per_s"],
    "libnats, ids": lambda *where: libnats(*where, EVENT_OCTETS, ids=1)["messages_per_s"],
    "libnats, 1000 in one": lambda *where: BATCH * libnats(*where, BATCH * EVENT_OCTETS)["messages_per_s"],
}


def jetstream(build, options, where):
    """Events a second through JetStream, in turns with what libnats publishes of the same size."""
    rates = {}
    for number in range(options.rounds):
        for name, measure in JETSTREAM.items():
            print(f"\rround {number + 1} of {options.rounds}: {name} through JetStream   ", end="",
                  file=sys.stderr, flush=True)
            folder = where / f"jetstream-{number}"
            folder.mkdir()
            (folder / "state").mkdir()
            rates.setdefault(name, []).append(measure(build, folder, options.seconds))
            shutil.rmtree(folder)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    print(f"\nthrough JetStream, one server, acknowledged, events of {EVENT_OCTETS} octets")
    for name, values in rates.items():
        shares = [ours / value for ours, value in zip(rates["isochrone"], values)]
        beside = "" if name == "isochrone" else f"   isochrone / this: {spread(shares, 2)}"
        print(f"  {name:<22} {spread([v / 1000 for v in values]):>22} k/s{beside}")
    return rates


def run(build, options):
    where = pathlib.Path(tempfile.mkdtemp(prefix="isochrone-bench-", dir=options.data))
    rows = {}
    if options.only == ["jetstream"]:
        try:
            return {"jetstream": jetstream(build, options, where)}
        finally:
            shutil.rmtree(where, ignore_errors=True)
    contenders = {
        "isochrone": lambda folder: tool(build, "collector", folder, options.seconds),
        f"with {READERS} readers": lambda folder: tool(build, "collector", folder, options.seconds,
                                                       readers=READERS),
        "rocksdb": lambda folder: tool(build, "rocksdb", folder, options.seconds),
        "append": lambda folder: tool(build, "append", folder, options.seconds),
        "sqlite": lambda folder: sqlite(folder, options.seconds),
    }
    try:
        for number in range(options.rounds):
            for name, measure in contenders.items():
                print(f"\rround {number + 1} of {options.rounds}: {name}   ", end="",
                      file=sys.stderr, flush=True)
                folder = where / f"{name}-{number}"
                folder.mkdir()
                rows.setdefault(name, []).append(measure(folder))
                shutil.rmtree(folder)
            # At half of what it took, at half of what is wanted and beside the disk alone, and at what is
            # wanted with and without readers: how long an acknowledgement takes when there is room.
            half = rows["isochrone"][-1]["events_per_s"] / 2
            for name, what, rate, readers in (
                    ("isochrone at half", "collector", half, 0), ("isochrone at 200 k", "collector", 200_000, 0),
                    ("append at 200 k", "append", 200_000, 0), ("isochrone at 400 k", "collector", 400_000, 0),
                    (f"{READERS} readers, 400 k", "collector", 400_000, READERS)):
                folder = where / f"slow-{number}"
                folder.mkdir()
                rows.setdefault(name, []).append(tool(build, what, folder, options.seconds, rate, readers))
                shutil.rmtree(folder)
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
        show(rows)
        memory = json.loads(subprocess.run([str(build / "bench" / "bench_events_load"), "memory"],
                                           check=True, capture_output=True, text=True).stdout)
        print(f"\n  an estimate {memory['estimate_bytes']} B; {memory['paths']} paths "
              f"{memory['bytes'] / 1e6:.0f} MB")
        rows["memory"] = memory
        show_readers(rows)
        rows["jetstream"] = jetstream(build, options, where)
    finally:
        shutil.rmtree(where, ignore_errors=True)
    return rows


def show_readers(rows):
    """What readers cost the writer: pairs of one round, since rounds differ more than they do."""
    runs = rows[f"with {READERS} readers"]
    shares = [with_them["events_per_s"] / alone["events_per_s"]
              for alone, with_them in zip(rows["isochrone"], runs)]
    print(f"  {READERS} readers by Server-Sent Events: the writer's rate beside none "
          f"{spread(shares, 2)}; a reader costs {spread([r['bytes_per_reader'] for r in runs])} B "
          f"when it has come and {spread([r['bytes_per_reader_after'] for r in runs])} B under load; "
          f"{min(r['readers']['reached'] for r in runs)} of them got events, "
          f"{max(r['readers']['gone'] for r in runs)} were cut off")


def show(rows):
    print(f"\nbatches of {BATCH}, each acknowledged after it is on disk")
    print(f"  {'':<18} {'events/s (k)':>22} {'ack p50 ms':>20} {'ack p99 ms':>20}")
    for name, runs in rows.items():
        print(f"  {name:<18} {spread([r['events_per_s'] / 1000 for r in runs]):>22} "
              f"{spread([r['ack_p50_ms'] for r in runs], 1):>20} "
              f"{spread([r['ack_p99_ms'] for r in runs], 1):>20}")
