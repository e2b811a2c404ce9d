#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the compiler cannot: who includes whom, which library has which door, how long files are.

usage: check_tree.py layers|doors|budgets|licence|disabled|rfcs ROOT
"""
import pathlib
import re
import sys

# Who may include whom: a folder sees itself and what stands to the right of it.
LAYERS = {
    "base": {"base"},
    "routing": {"routing", "base"},
    "event": {"event", "routing", "base"},
    "dns": {"dns", "event", "routing", "base"},
    "prober": {"prober", "event", "routing", "base"},
    "collector": {"collector", "event", "routing", "base"},
    "lab": {"lab", "base"},
    "app": {"app", "lab", "dns", "prober", "collector", "event", "routing", "base"},
}

# The only files that may include a library's headers.
DOORS = {
    r"ldns/": {"dns/ldns.h"},
    r"uv\.h": {"base/loop.cc"},
    r"maxminddb": {"routing/geo.cc"},
    r"boost/accumulators": {"collector/window.cc"},
    r"yaml-cpp": {"app/config.cc"},
    r"CLI/": {"app/main.cc"},
    r"spdlog": {"base/log.cc"},
    r"event\.pb\.h": {"event/codec.cc"},
    r"dnstap\.pb\.h": {"dns/tap_messages.cc"},
    r"fstrm": {"dns/tap_control.cc"},
    r"rocksdb/": {"collector/rocksdb.h", "collector/rocksdb.cc"},
    r"microhttpd": {"base/http_server.cc", "base/http_exchange.h", "base/http_exchange.cc"},
    r"nats/": {"collector/nats.cc"},
    r"curl/": {"base/http_client.cc"},
    r"prometheus/": {"base/metrics.cc"},
    r"openssl/": {"base/sha256.cc", "dns/hmac.cc", "dns/tls.cc"},
    r"gnutls/": {"base/http_tls.cc"},
    r"sys/capability\.h": {"app/privileges.cc"},
    r"zlib\.h": {"lab/text_file.cc"},
    r"bpf/": {"dns/xdp_hook.cc"},
    r"xdp/": {"dns/xdp_socket.cc"},
}

# Types from libraries stay in sources.
SOURCES_ONLY = [r"nlohmann/(?!json_fwd)", r"fmt/"]

HEADER_LINES = 150
SOURCE_LINES = 400

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def sources(root):
    for folder in LAYERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def layers(root):
    for path in sources(root):
        folder = path.relative_to(root).parts[0]
        for number, target in includes(path):
            other = target.split("/")[0]
            if other in LAYERS and other not in LAYERS[folder]:
                yield f"{path.relative_to(root)}:{number}: {folder} must not include {target}"


def doors(root):
    for path in sources(root):
        name = str(path.relative_to(root))
        for number, target in includes(path):
            for pattern, allowed in DOORS.items():
                if re.match(pattern, target) and name not in allowed:
                    yield f"{name}:{number}: {target} is included only by {', '.join(sorted(allowed))}"
            if path.suffix == ".h" and any(re.match(p, target) for p in SOURCES_ONLY):
                yield f"{name}:{number}: {target} belongs in sources, not in headers"


def budgets(root):
    for path in sources(root):
        count = len(path.read_text().splitlines())
        limit = HEADER_LINES if path.suffix == ".h" else SOURCE_LINES
        if count > limit:
            yield f"{path.relative_to(root)}: {count} lines, the budget is {limit}: split it by idea"


def licence(root):
    for folder in [*LAYERS, "tests", "fuzz", "bench", "scripts", "cmake"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc", ".py", ".sh", ".cmake", ".proto"):
                if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:300]:
                    yield f"{path.relative_to(root)}: no SPDX-License-Identifier"


def disabled(root):
    marks = re.compile(r"DISABLED_|GTEST_SKIP|PROPERTIES.*\bDISABLED\b|WILL_FAIL")
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix in (".cc", ".h", ".py", ".txt") and path.name != pathlib.Path(__file__).name:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if marks.search(line):
                    yield f"{path.relative_to(root)}:{number}: a disabled test tests nothing"


def rfcs(root):
    """Tests that docs/rfcs.md names exist."""
    made = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")
    known = {f"{suite}.{name}" for path in sorted((root / "tests").rglob("*.cc"))
             for suite, name in made.findall(path.read_text())}
    for number, line in enumerate((root / "docs/rfcs.md").read_text().splitlines(), 1):
        for named in re.findall(r"`([A-Z]\w+\.[A-Z]\w+)`", line):
            if named not in known:
                yield f"docs/rfcs.md:{number}: there is no test {named}"


def main():
    checks = {f.__name__: f for f in (layers, doors, budgets, licence, disabled, rfcs)}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        print(__doc__, file=sys.stderr)
        return 2
    faults = list(checks[sys.argv[1]](pathlib.Path(sys.argv[2])))
    print("\n".join(faults) if faults else f"{sys.argv[1]}: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
