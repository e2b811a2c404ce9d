// SPDX-License-Identifier: Apache-2.0
//
// The beacon: has the browser that shows a page measure a few sites, after the page is done.
//
//   <script async src="https://beacon.example.com/v1/beacon.js"></script>
//
// It asks for a task, downloads a small object of each site twice, the second time over the connection that
// is open by then, takes from Resource Timing how long the first octet of that took, and reports each site
// through another one. What fails is reported too. With Save-Data, in a hidden page and for pages that the
// rate leaves out it does nothing at all. It sets no cookie, reads none and stores nothing.
//
// Served by a collector, the rate is filled in; served from elsewhere, data-rate on the tag says it.

interface Site {
  site: string;
  object: string;
}
interface Reporter {
  site: string;
  url: string;
}
interface Task {
  token: string;
  timeout_ms: number;
  sites: Site[];
  report: Reporter[];
  host?: string;
}
type Failure = "timeout" | "network" | "status" | "timing";
type Result = { site: string; rtt_us: number } | { site: string; error: Failure };

// Downloads over the warm connection: of three the least is within a queue's noise of the path.
const WARM = 3;
const MARK = "isochrone=";
const RATE = "@RATE@";

const script = document.currentScript as HTMLScriptElement | null;

const savesData = (): boolean =>
  !!(navigator as { connection?: { saveData?: boolean } }).connection?.saveData;

const isChosen = (): boolean => {
  const rate = parseFloat(script?.dataset.rate ?? RATE);
  return Math.random() < (isNaN(rate) ? 1 : rate);
};

// Resolves once the page has loaded and the browser has nothing better to do.
const whenIdle = (): Promise<void> =>
  new Promise((resolve) => {
    const idle = (): void => {
      if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: 10_000 });
      else setTimeout(resolve, 1_000);
    };
    // One turn later, so that what the page does when it has loaded goes first.
    const loaded = (): unknown => setTimeout(idle, 0);
    if (document.readyState === "complete") loaded();
    else addEventListener("load", loaded, { once: true });
  });

// A name of its own each time, so that no cache answers and its timing can be told from the others'.
const fresh = (url: string): string =>
  url + (url.includes("?") ? "&" : "?") + MARK + Math.random().toString(36).slice(2);

// Observed, not looked up: the page's own buffer may be full.
const seen = new Map<string, PerformanceResourceTiming>();
const observe = (): void =>
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name.includes(MARK)) seen.set(entry.name, entry as PerformanceResourceTiming);
    }
  }).observe({ type: "resource" });

const timingOf = async (url: string): Promise<PerformanceResourceTiming | undefined> => {
  // The entry is queued once the body has been read; a turn or two later it is there.
  for (let i = 0; i < 20 && !seen.has(url); ++i) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return seen.get(url);
};

// One download; milliseconds to its first octet, or the name of what went wrong.
const download = async (object: string, timeout: number): Promise<number | Failure> => {
  const url = fresh(object);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  try {
    const response = await fetch(url, {
      mode: "cors",
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: abort.signal,
    });
    await response.arrayBuffer();
    if (!response.ok) return "status";
  } catch {
    return abort.signal.aborted ? "timeout" : "network";
  } finally {
    clearTimeout(timer);
  }
  const timing = await timingOf(url);
  // Without Timing-Allow-Origin these are zero.
  if (!timing || !timing.requestStart || !timing.responseStart) return "timing";
  return timing.responseStart - timing.requestStart;
};

const measure = async ({ site, object }: Site, timeout: number): Promise<Result> => {
  // Name, connection and TLS are paid for by the first.
  const first = await download(object, timeout);
  if (typeof first !== "number") return { site, error: first };
  let least = Infinity;
  for (let i = 0; i < WARM; ++i) {
    const took = await download(object, timeout);
    if (typeof took !== "number") return { site, error: took };
    least = Math.min(least, took);
  }
  return { site, rtt_us: Math.max(1, Math.round(least * 1_000)) };
};

const post = async (url: string, body: string): Promise<boolean> => {
  try {
    // text/plain: a browser asks nobody first (Fetch, CORS-safelisted).
    const response = await fetch(url, {
      method: "POST",
      mode: "cors",
      credentials: "omit",
      keepalive: true,
      referrerPolicy: "no-referrer",
      headers: { "content-type": "text/plain" },
      body,
    });
    return response.status < 500;
  } catch {
    return false;
  }
};

// Each result through a site that it does not tell of, as few posts as that takes; when one does not get
// through, through the next, and last through the collector itself.
const report = async (task: Task, results: Result[], base: string): Promise<void> => {
  let left = results;
  for (const { site, url } of [...task.report, { site: "", url: base + "report" }]) {
    const mine = left.filter((result) => result.site !== site);
    if (mine.length && (await post(url, JSON.stringify({ token: task.token, results: mine })))) {
      left = left.filter((result) => result.site === site);
    }
    if (!left.length) return;
  }
};

const run = async (): Promise<void> => {
  if (!script || savesData() || !isChosen()) return;
  const base = new URL("beacon/", script.src).href;
  await whenIdle();
  if (document.visibilityState !== "visible") return;
  observe();
  const given = await fetch(base + "task", { credentials: "omit", cache: "no-store" });
  if (given.status !== 200) return;
  const task = (await given.json()) as Task;
  if (task.host) {
    // To be looked up is all that this name is for; what answers does not matter.
    fetch(`${location.protocol}//${task.host}/`, {
      mode: "no-cors",
      credentials: "omit",
      referrerPolicy: "no-referrer",
    }).catch(() => {});
  }
  // One after the other, in any order, so that they neither share a line nor favour the first.
  const sites = task.sites.sort(() => Math.random() - 0.5);
  const results: Result[] = [];
  for (const site of sites) results.push(await measure(site, task.timeout_ms));
  // A browser that reaches nobody tells of itself.
  if (results.some((result) => "rtt_us" in result)) await report(task, results, base);
};

run().catch(() => {});
