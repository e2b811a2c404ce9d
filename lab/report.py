# SPDX-License-Identifier: Apache-2.0
"""What the demo tells: progress for people, claims with their bounds, and all of it as JSON."""

import json
import sys
import time


class Report:
    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.started = time.monotonic()
        self.claims = []
        self.facts = {}
        self.last_progress = 0.0

    def colour(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.is_terminal else text

    def step(self, text):
        self.clear()
        print(self.colour("1", f"\n[{time.monotonic() - self.started:5.1f} s] {text}"), flush=True)

    def say(self, text=""):
        self.clear()
        print(text, flush=True)

    def progress(self, share, text):
        """A bar that is redrawn on a terminal, a line every few seconds elsewhere."""
        filled = int(30 * min(1, share))
        line = f"  [{'#' * filled}{'.' * (30 - filled)}] {text}"
        now = time.monotonic()
        if self.is_terminal:
            print("\r" + line.ljust(110), end="", flush=True)
        elif now - self.last_progress > 3:
            print(line, flush=True)
            self.last_progress = now

    def clear(self):
        if self.is_terminal:
            print("\r" + " " * 110 + "\r", end="")

    def claim(self, holds, what, measured, bound):
        self.clear()
        verdict = self.colour("32", "ok    ") if holds else self.colour("31;1", "FAILED")
        print(f"  {verdict}  {what:<58} {measured:>20}   bound {bound}", flush=True)
        self.claims.append(
            {"ok": bool(holds), "claim": what, "measured": measured, "bound": bound})

    def fact(self, name, value):
        self.facts[name] = value

    def holds(self):
        return bool(self.claims) and all(claim["ok"] for claim in self.claims)

    def write(self, file):
        with open(file, "w") as out:
            json.dump({"ok": self.holds(), "seconds": round(time.monotonic() - self.started, 1),
                       "claims": self.claims, "facts": self.facts}, out, indent=1)
            out.write("\n")
