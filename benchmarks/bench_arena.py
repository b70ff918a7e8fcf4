"""The rows for arenas: what is run, the targets, the tables."""

import os
import random
import re
import shutil
import tempfile

from bench_table import grid, short, title
from bench_targets import Target

LIDO = "arena_lido"
FLOOR = "floor"
OWN = ("lido_reset", "lido_acquire")
ROWS = "arena_request,arena_acquire,arena_reset,arena_grow"
RETENTION = (("arena_retention_one", "100 MiB at once"), ("arena_retention_many", "100 MiB in pieces"))
CALL_REQUESTS = 1000000


def programs_of(runner):
    return [program for program in runner.programs if program.startswith("arena_")]


# ---- Runs ----

def run(runner):
    programs = programs_of(runner)
    for number in range(runner.settings.rounds):
        order = list(programs)
        random.Random(runner.settings.seed + number).shuffle(order)
        for program in order:
            runner.progress.show(f"arenas, round {number + 1}", program)
            runner.run(program, runner.micro_arguments(ROWS), number)
    for program in programs:
        runner.progress.show("arenas, memory", program)
        for row, _ in RETENTION:
            runner.run(program, ["--rows", row], 0)
    count_calls(runner)


def count_calls(runner):
    """Warm requests make no call of the backing; and none of the system, if strace is here to tell."""
    if LIDO not in runner.programs:
        return
    runner.progress.show("arenas, calls", LIDO)
    runner.run(LIDO, ["--rows", "arena_calls", "--scale", CALL_REQUESTS], 0)
    none, all_of_them = system_calls(runner, 0), system_calls(runner, CALL_REQUESTS)
    if none is None or all_of_them is None:
        runner.missing["system calls of arenas"] = "strace is not installed, or may not trace"
        return
    runner.figures.add(LIDO, 0, {"row": "arena_calls", "subject": "system", "unit": "calls",
                                 "value": max(0, all_of_them - none), "samples": [none, all_of_them]})


def system_calls(runner, requests):
    if shutil.which("strace") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "calls")
        runner.programs["strace"] = shutil.which("strace")
        lines, _ = runner.once("strace", ["-f", "-c", "-o", report, runner.programs[LIDO], "--rows", "arena_calls",
                                          "--scale", requests])
        del runner.programs["strace"]
        if not lines or not os.path.exists(report):
            return None
        with open(report, encoding="utf-8") as file:
            total = re.search(r"^\s*100\.00\s+\S+\s+\S*?\s*(\d+)(?:\s+\d+)?\s+total$", file.read(), re.MULTILINE)
    return int(total.group(1)) if total else None


# ---- Targets ----

def value(row, subject):
    return LIDO, row, subject


def request_targets():
    floor = value("arena_request", FLOOR)
    yield Target("alloc in a request", "reset", value("arena_request", "lido_reset"), floor, at_most=1.3,
                 note="of the floor")
    yield Target("alloc in a request", "acquire", value("arena_request", "lido_acquire"), floor, at_most=1.3, aim=True,
                 note="of the floor")
    yield Target("alloc in a request", "reset", ("arena_apr", "arena_request", "apr_clear"),
                 value("arena_request", "lido_reset"), at_least=2.2, note="faster than APR")
    yield Target("alloc in a request", "acquire", ("arena_apr", "arena_request", "apr_create"),
                 value("arena_request", "lido_acquire"), at_least=2.2, aim=True,
                 note="faster than APR's create, destroy")


def short_targets():
    yield Target("acquire and release, warm", "class", value("arena_acquire", "lido"), value("arena_acquire", FLOOR),
                 at_most=12, note="allocs of the floor")
    for size, what in (("4k", "4 KiB"), ("64k", "64 KiB"), ("1m", "1 MiB")):
        yield Target(f"alloc of {what} and reset", "one block", value("arena_reset", f"lido_{size}"),
                     value("arena_reset", FLOOR), at_most=4, note="allocs of the floor")


def grow_targets():
    moves = "arena_grow_moves"
    yield Target("grow to 1 MiB", "contiguous", value(moves, "lido_contiguous"), at_most=0, unit="moves")
    yield Target("grow to 1 MiB", "blocks", value(moves, "lido_blocks"), value(moves, "blocks"), at_most=1,
                 note="moves a block")
    for subject in ("lido_contiguous", "lido_blocks"):
        yield Target("grow to 1 MiB", subject.removeprefix("lido_"), value("arena_grow", subject),
                     value("arena_grow", "libc"), note="of libc's realloc")


def memory_targets():
    for row, what in RETENTION:
        yield Target(f"{what}, 1,000 requests later", "reserved", value(row, "reserved"), at_most=256 << 10,
                     unit="bytes")
        yield Target(f"{what}, 1,000 requests later", "resident", value(row, "lido_reset"), at_most=256 << 10, aim=True,
                     unit="bytes")
    for subject in ("backing", "misses", "system"):
        yield Target("a million warm requests", subject, value("arena_calls", subject), at_most=0, unit="calls")


def targets():
    yield from request_targets()
    yield from short_targets()
    yield from grow_targets()
    yield from memory_targets()


# ---- Tables ----

def faster_peers(figures):
    """-> (subject, spread of peer/Lido's reset) of the peers that serve a request faster."""
    found = []
    for program, subject in figures.subjects("arena_request"):
        ratio = figures.ratio((program, "arena_request", subject), value("arena_request", "lido_reset"))
        if program != LIDO and subject != FLOOR and ratio and ratio.median < 1:
            found.append((subject, ratio))
    return found


def request_rows(figures):
    """Lido's program first, with its floor, then the others by their time."""
    subjects = [(program, subject) for program, subject in figures.subjects("arena_request")
                if subject != FLOOR or program == LIDO]
    subjects.sort(key=lambda pair: (pair[0] != LIDO, figures.spread(pair[0], "arena_request", pair[1]).median))
    for program, subject in subjects:
        key = (program, "arena_request", subject)
        time = figures.spread(*key)
        own_floor, lido = (figures.ratio(key, (program, "arena_request", FLOOR)),
                           figures.ratio(key, value("arena_request", "lido_reset")))
        kept = [figures.spread(program, row, subject) for row, _ in RETENTION]
        yield [subject, short(time.median), f"{short(time.least)} .. {short(time.greatest)}",
               short(own_floor.median) if own_floor else "-", short(lido.median) if lido else "-",
               *[f"{spread.median / 2**20:.1f}" if spread else "-" for spread in kept]]


def request_table(figures):
    rows = list(request_rows(figures))
    if not rows:
        return []
    heads = ["allocator", "ns", "least .. greatest", "of its floor", "of Lido's reset",
             *[what for _, what in RETENTION]]
    lines = title("Requests of 64 pieces: nanoseconds for each, and MiB resident 1,000 requests after a huge one")
    lines += grid(rows, heads, {1, 2, 3, 4, 5, 6})
    lines += title("Peers faster than an arena that is reset")
    lines += [f"  {subject} needs {ratio.median:.2f} of its time ({ratio.least:.2f} .. {ratio.greatest:.2f})"
              for subject, ratio in faster_peers(figures)] or ["  none"]
    return lines


def other_table(figures):
    rows = []
    for row in ("arena_acquire", "arena_reset", "arena_grow"):
        for program, subject in figures.subjects(row):
            time = figures.spread(program, row, subject)
            if program == LIDO:
                rows.append([row.removeprefix("arena_"), subject, short(time.median),
                             f"{short(time.least)} .. {short(time.greatest)}"])
    if not rows:
        return []
    heads = ["row", "subject", "ns", "least .. greatest"]
    return title("Other rows of arenas, nanoseconds") + grid(rows, heads, {2, 3})


def tables(figures):
    return request_table(figures) + other_table(figures)
