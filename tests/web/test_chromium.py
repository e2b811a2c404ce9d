#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real browser measures three sites on loopback whose delays are known.

usage: test_chromium.py ISOCHRONE [VIEWS]

Each site answers a request so long after it has it, and the first of a connection 80 ms later still, as TLS and a cold
server would be; how long it really took is noted, and that is the truth. Every other view of the page has no
beacon. Fails unless, in each view with one: every site is measured, in the right order, within 10 % or 3 ms; no site
is reported through itself; and nothing is asked of the beacon before the page has loaded. Prints how long pages
took to load with and without. Exit status 77 where there is no Chromium.
"""
import asyncio
import json
import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

DELAYS = {"fra": 0.020, "iad": 0.050, "sin": 0.110}
COLD = 0.080
PATIENCE = 60
SKIPPED = 77
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
OPEN = "Access-Control-Allow-Origin: *\r\nTiming-Allow-Origin: *\r\nCache-Control: no-store\r\n"
PAGE = """<!doctype html><title>page</title>{script}{images}
<script>
addEventListener("load", () => setTimeout(async () => {{
  const took = performance.getEntriesByType("navigation")[0].loadEventEnd;
  await fetch("/loaded?{view}=" + took);
  await fetch("/judge?{view}");
  const asked = performance.getEntriesByType("resource").find((entry) => entry.name.includes("/beacon/task"));
  const next = await (await fetch("/next?{view}=" + (asked ? asked.startTime - took : 0))).text();
  if (next) location = next;
}}, 0));
</script>"""


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return method, target, headers, body


def answer(status, body=b"", kind="text/plain", more=""):
    return (f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n").encode() + body


async def serve(handle):
    """Serves on a free port of loopback; `handle` makes the answer of each request of each connection."""
    async def connection(reader, writer):
        try:
            count = 0
            while True:
                request = await read_request(reader)
                count += 1
                writer.write(await handle(count, *request))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def ask(port, method, target, headers="", body=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    reply = await reader.read()
    writer.close()
    return reply


class World:
    def __init__(self):
        self.truths = {site: [] for site in DELAYS}  # of this view, seconds, one per answer
        self.reports = []  # (through which site, of which sites)
        self.door = 0
        self.tasks = 0
        self.loads = {}  # by view, milliseconds

    def site(self, name):
        async def handle(count, method, target, headers, body):
            began = time.monotonic()
            if method == "OPTIONS":
                return answer(204, more=OPEN + "Access-Control-Allow-Headers: *\r\n")
            if target.startswith("/report"):
                self.reports.append((name, {result["site"] for result in json.loads(body)["results"]}))
                passed = f"X-Forwarded-For: 127.0.0.1\r\nOrigin: {headers.get('origin', '')}\r\n"
                return await ask(self.door, "POST", "/v1/beacon/report", passed, body)
            await asyncio.sleep(DELAYS[name] + (COLD if count == 1 else 0))
            self.truths[name].append(time.monotonic() - began)
            return answer(200, GIF, "image/gif", OPEN)
        return handle

    def beacon(self):
        """Hands on to the collector's doors, and counts tasks."""
        async def handle(count, method, target, headers, body):
            if target.startswith("/v1/beacon/task"):
                self.tasks += 1
            passed = "".join(f"{k}: {headers[k]}\r\n" for k in ("origin", "content-type") if k in headers)
            reply = await ask(self.door, method, target, passed + "X-Forwarded-For: 127.0.0.1\r\n", body)
            return reply.replace(b"Connection: close\r\n", b"")
        return handle


async def start_collector(isochrone, folder, ports):
    secret = folder / "secret"
    secret.write_text("s" * 64)
    secret.chmod(0o600)
    sites = "".join(f"    - {{site: {s}, object: 'http://127.0.0.1:{p}/o', report: 'http://127.0.0.1:{p}/report'}}\n"
                    for s, p in ports.items())
    config = folder / "c.yaml"
    config.write_text(
        f"node: {{name: c1, state-dir: {folder}/state}}\ncollector: {{listen: 127.0.0.1@0}}\n"
        "beacon:\n  listen: 127.0.0.1@0\n  secret-file: secret\n  origins: '*'\n  trusted-proxies: 127.0.0.0/8\n"
        f"  max-per-client: 1000\n  max-per-prefix: 1000\n  sites:\n{sites}"
        "sites: [" + ", ".join(f"{{name: {s}, addresses: 192.0.2.{i + 1}}}" for i, s in enumerate(ports)) + "]\n")
    process = await asyncio.create_subprocess_exec(isochrone, "run", "--config", str(config),
                                                   stderr=asyncio.subprocess.PIPE)
    said = ""
    while " ready " not in said:
        line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode()
        if not line:
            raise RuntimeError("isochrone did not start: " + said)
        said += line
    port = lambda role: int(re.search(role + r"=127\.0\.0\.1@(\d+)", said).group(1))
    return process, port("collector"), port("beacon")


async def measurements(api):
    reply = await ask(api, "GET", "/v1/channels/measurement/events?limit=10000")
    body = reply.partition(b"\r\n\r\n")[2].decode()
    return [json.loads(line) for line in body.splitlines() if line.startswith("{")]


class Page:
    def __init__(self, world, api, views):
        self.world, self.api, self.views = world, api, views
        self.seen, self.faults, self.errors = 0, [], []
        self.done = asyncio.Event()

    async def handle(self, count, method, target, headers, body):
        path, _, query = target.partition("?")
        if path == "/page":
            view = int(query)
            for truths in self.world.truths.values():
                truths.clear()
            script = f'<script async src="http://127.0.0.1:{self.beacon}/v1/beacon.js"></script>' if view % 2 else ""
            images = "".join(f'<img src="/image?{view}.{i}">' for i in range(20))
            page = PAGE.format(script=script, images=images, view=view)
            return answer(200, page.encode(), "text/html", "Cache-Control: no-store\r\n")
        if path == "/image":
            await asyncio.sleep(0.01)
            return answer(200, GIF, "image/gif", "Cache-Control: no-store\r\n")
        if path == "/loaded":
            view, took = query.split("=")
            self.world.loads[int(view)] = float(took)
            return answer(200)
        if path == "/judge":
            if int(query) % 2:
                await self.judge(int(query))
            return answer(200)
        if path == "/next":
            view, waited = int(query.split("=")[0]), float(query.split("=")[1])
            if waited < 0:
                self.faults.append(f"view {view}: asked for a task {-waited:.1f} ms before the page had loaded")
            if view + 1 < self.views and not self.faults:
                return answer(200, f"/page?{view + 1}".encode())
            self.done.set()
            return answer(200)
        return answer(404)

    async def judge(self, view):
        """Waits until everything of this view is in, and compares."""
        deadline = time.monotonic() + PATIENCE
        fresh = []
        while len(fresh) < len(DELAYS):
            if time.monotonic() > deadline:
                self.faults.append(f"view {view}: after {PATIENCE} s {len(fresh)} of {len(DELAYS)} sites are measured")
                return
            await asyncio.sleep(0.1)
            fresh = (await measurements(self.api))[self.seen:]
        self.seen += len(fresh)
        rtts = {event["site"]: (event.get("rtt_us") or 0) / 1e6 for event in fresh}
        # The last three answers are those of the open connection.
        truths = {site: min(all_of[-3:]) for site, all_of in self.world.truths.items()}
        if sorted(rtts, key=rtts.get) != sorted(truths, key=truths.get):
            self.faults.append(f"view {view}: the order is {rtts}, truly {truths}")
        for site, truth in truths.items():
            error = rtts.get(site, 0) - truth
            self.errors.append(error)
            if abs(error) > max(0.003, truth / 10):
                self.faults.append(f"view {view}: {site} took {truth * 1e3:.2f} ms and was measured {error * 1e3:+.2f} ms off")


async def run(isochrone, views, chromium):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = pathlib.Path(scratch)
        world = World()
        ports = {site: await serve(world.site(site)) for site in DELAYS}
        collector, api, world.door = await start_collector(isochrone, folder, ports)
        page = Page(world, api, views)
        page.beacon = await serve(world.beacon())
        port = await serve(page.handle)
        browser = await asyncio.create_subprocess_exec(
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={folder}/profile", f"http://127.0.0.1:{port}/page?0",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True)
        try:
            await asyncio.wait_for(page.done.wait(), PATIENCE + 10 * views)
        except asyncio.TimeoutError:
            page.faults.append(f"after {len(world.loads)} of {views} views nothing more happened")
        finally:
            for process in (browser, collector):
                if process.returncode is None:
                    process.terminate()
                await process.wait()
    return page


def judge(page, views):
    world, faults = page.world, page.faults
    faults += [f"{through} was reported through itself" for through, of in world.reports if through in of]
    with_beacon = sum(view % 2 for view in world.loads)
    if world.tasks != with_beacon:
        faults.append(f"{world.tasks} tasks for {with_beacon} views with a beacon")
    load = {kind: statistics.median([world.loads[v] for v in world.loads if v % 2 == kind and v > 1] or [0]) for kind in (0, 1)}
    off = sorted(abs(error) * 1e3 for error in page.errors) or [0]
    print(f"{len(world.loads)} views, half with a beacon; {len(page.errors)} paths measured: off by p50 "
          f"{statistics.median(off):.2f} ms, at most {off[-1]:.2f} ms, always in the right order")
    print(f"load of the page, medians: {load[0]:.1f} ms without, {load[1]:.1f} ms with the beacon")
    print(f"{len(world.reports)} reports, each through a site that it does not tell of")
    return faults


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        print("skipped: no chromium here; apt-get install chromium")
        return SKIPPED
    views = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    page = asyncio.run(run(sys.argv[1], views, chromium))
    faults = judge(page, views)
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
