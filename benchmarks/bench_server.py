"""The HTTP server of examples/http_server under load: the same source on Lido and on malloc.

Each sample starts both servers anew, one after the other, in turns that change with the round; `wrk` asks for one route at
a time. Server and wrk have a processor each where there are two. What is counted of the allocator is what the server
says of itself on /metrics: see its README.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.request

from bench_table import grid, short, title
from bench_targets import Target

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "server_load.lua")
KINDS = {"lido": "http_server", "malloc": "http_server_malloc"}
ROUTES = {
    "one": "/characters/0041",
    "search": "/characters?name=ARROW&limit=50",
    "blocks": "/blocks",
    "largest": "/blocks/CJK%20Compatibility%20Ideographs",
}
CONNECTIONS = 32
ALLOCATOR_CALLS = "http_allocator_calls_total"
REQUESTS = "http_requests_total"


def why_not(programs):
    """Why the stage can't run, or None."""
    absent = [program for program in KINDS.values() if program not in programs]
    if absent:
        return f"not built: {', '.join(absent)} (libuv1-dev libhttp-parser-dev libsqlite3-dev libyajl-dev unicode-data)"
    return None if shutil.which("wrk") else "wrk is not installed"


def processors():
    """-> for the server, for the load."""
    own = sorted(os.sched_getaffinity(0))
    return ({own[0]}, {own[1]}) if len(own) > 1 else (set(own), set(own))


class Server:
    """A running server; as a context it ends with it."""

    def __init__(self, path, environment):
        self.path, self.environment = path, environment

    def __enter__(self):
        place = processors()[0]
        self.process = subprocess.Popen([self.path, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, env=self.environment,
                                        preexec_fn=lambda: os.sched_setaffinity(0, place))
        words = self.process.stdout.readline().split()
        if not words:
            raise RuntimeError("the server did not start")
        self.address = f"http://{words[-1]}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def metric(self, name):
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE))

    def resident(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s*(\d+) kB", file.read()).group(1)) * 1024


def load(server, path, seconds):
    """-> what wrk found: requests, seconds, errors, p50, p99, p999 (microseconds)."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", SCRIPT, server.address + path]
    place = processors()[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, place))
    return json.loads(done.stdout.splitlines()[-1])


def sample(path, environment, route, seconds):
    """One server, one route -> figures by name."""
    with Server(path, environment) as server:
        for _ in range(200):  # caches, prepared statements, what arenas learn
            urllib.request.urlopen(server.address + ROUTES[route], timeout=10).close()
        calls, requests = server.metric(ALLOCATOR_CALLS), server.metric(REQUESTS)
        found = load(server, ROUTES[route], seconds)
        calls, requests = server.metric(ALLOCATOR_CALLS) - calls, server.metric(REQUESTS) - requests
        if found["errors"] != 0:
            raise RuntimeError(f"{route}: {found['errors']} answers failed")
        return {
            "requests": (found["requests"] / found["seconds"], "1/s"),
            "p50": (found["p50"], "us"),
            "p99": (found["p99"], "us"),
            "p99.9": (found["p999"], "us"),
            "resident": (server.resident(), "bytes"),
            "calls": (calls / max(requests, 1), "calls"),
        }


def run(runner):
    """The stage: every route, both kinds, some rounds."""
    reason = why_not(runner.programs)
    if reason:
        runner.missing["server"] = reason
        return
    for number in range(runner.settings.server_rounds):
        kinds = list(KINDS)[number % 2:] + list(KINDS)[:number % 2]
        for route in ROUTES:
            for kind in kinds:
                runner.progress.show(f"server, round {number + 1}", f"{route}, {kind}")
                one(runner, number, route, kind, runner.settings.server_seconds)


def one(runner, number, route, kind, seconds):
    program = KINDS[kind]
    try:
        found = sample(runner.programs[program], runner.environment, route, seconds)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        runner.missing[f"{program} {route}"] = str(error)
        return
    for name, (value, unit) in found.items():
        line = {"row": f"server_{name}:{route}", "subject": kind, "unit": unit, "value": value, "samples": [value]}
        runner.figures.add(program, number, line)


# ---- Targets and table ----

def figure(name, route, kind):
    return KINDS[kind], f"server_{name}:{route}", kind


def targets():
    for route in ROUTES:
        yield Target(f"allocator calls, {route}", "malloc", figure("calls", route, "malloc"), figure("calls", route, "lido"),
                     at_least=20, note="of Lido's")
    for route in ROUTES:
        yield Target(f"requests/s, {route}", "lido", figure("requests", route, "lido"), figure("requests", route, "malloc"),
                     at_least=1, note="of malloc's")
        yield Target(f"p99, {route}", "lido", figure("p99", route, "lido"), figure("p99", route, "malloc"),
                     at_most=1, note="of malloc's")


def table_rows(figures):
    for route in ROUTES:
        for kind in KINDS:
            spreads = [figures.spread(*figure(name, route, kind))
                       for name in ("requests", "p50", "p99", "p99.9", "resident", "calls")]
            if all(spreads):
                medians = [spread.median for spread in spreads]
                medians[4] /= 1 << 20
                yield [ROUTES[route], kind, *[short(value) for value in medians]]


def table(figures):
    rows = list(table_rows(figures))
    if not rows:
        return []
    heads = ["route", "memory", "requests/s", "p50 us", "p99 us", "p99.9 us", "resident MiB", "allocator calls a request"]
    return title(f"HTTP server, {CONNECTIONS} connections") + grid(rows, heads, set(range(2, len(heads))))
