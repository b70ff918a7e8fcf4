"""The rows for handles: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "handles_lido"
ROWS = ("handle_get_1k", "handle_get_1m", "handle_guard_1k", "handle_guard_two", "handle_acquire", "handle_acquire_1k",
        "handle_pair", "handle_cleanup")


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            if row == "handle_acquire_1k":  # with handle_acquire
                continue
            runner.progress.show(f"handles, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row), number)
        add_difference(runner.figures, number)
    runner.progress.show("handles, memory", LIDO)
    runner.run(LIDO, ["--rows", "handle_memory"], 0)


def add_difference(figures, number):
    """What a cleanup costs beyond the life and death of a counted object."""
    lines = [figures.rounds.get((LIDO, "handle_cleanup", subject), {}).get(number) for subject in ("cleanup", "counted")]
    if all(lines):
        with_cleanup, without = lines
        figures.add(LIDO, number, {**with_cleanup, "subject": "added", "value": with_cleanup["value"] - without["value"],
                                   "samples": [a - b for a, b in zip(with_cleanup["samples"], without["samples"])]})


# ---- Targets ----

def value(row, subject):
    return LIDO, row, subject


def targets():
    few, many, acquire = "handle_get_1k", "handle_get_1m", "handle_acquire"
    yield Target("get, 1,000 objects", "get", value(few, "get"), value(few, "raw"), at_most=1.1, note="of the raw pointer")
    yield Target("get, a million", "get", value(many, "get"), value(many, "raw"), at_most=1.9, note="of the raw pointer")
    for row, what in ((few, "1,000 in a chain"), (many, "a million in a chain")):
        yield Target(f"get, {what}", "get", value(row, "get_chain"), value(row, "raw_chain"), note="of the raw pointer")
    for subject, what in (("lido_by_handle", "released by handle"), ("lido", "released by object")):
        yield Target(f"acquire, {what}", "lido", value(acquire, subject), value(acquire, "bare"), at_most=1.2,
                     note="of a bare CAS and fetch_sub")
        yield Target(f"acquire, {what}", "weak_ptr", value(acquire, "weak_ptr"), value(acquire, subject), at_least=1,
                     note="of Lido's")
    yield Target("acquire, one of 1,000", "lido", value("handle_acquire_1k", "lido"), value("handle_acquire_1k", "bare"),
                 note="of a bare CAS and fetch_sub")
    guard = "handle_guard_1k"
    yield Target("guarded get, 64 a guard", "lido", value(guard, "guarded"), value(guard, "raw"), at_most=1.15,
                 note="of the raw pointer")
    yield Target("guarded get, 1 a guard", "lido", value(guard, "guarded_each"), value(guard, "raw"),
                 note="of the raw pointer")
    yield Target("raw pointer, 64 a section", "urcu", value(guard, "urcu"), value(guard, "raw"), note="of the raw pointer")
    yield Target("raw pointer, 1 a section", "urcu", value(guard, "urcu_each"), value(guard, "raw"),
                 note="of the raw pointer")
    yield Target("guarded get, two threads", "lido", value("handle_guard_two", "guarded"), at_least=1.95,
                 note="of one thread")
    yield Target("pair, no handle made", "free", value("handle_pair", "free"), value("handle_pair", "plain"), at_most=1.7,
                 note="of a pool without handles")
    for subject in ("release", "make"):
        yield Target(f"pair, {subject}", subject, value("handle_pair", subject), value("handle_pair", "plain"),
                     note="of a pool without handles")
    yield Target("2 M objects, no handle made", "more", value("handle_memory", "more"), at_most=17, unit="bytes each",
                 note="than without handles: 16, and the rest of a huge page")
    yield Target("adding and running a cleanup", "lido", value("handle_cleanup", "added"), value("handle_cleanup", "floor"),
                 at_most=15, note="floor pairs")
    for subject, what in (("counted", "alloc, first count, death"), ("cleanup", "the same with a cleanup")):
        yield Target(what, "lido", value("handle_cleanup", subject), value("handle_cleanup", "floor"), note="floor pairs")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "Handles, nanoseconds (two threads: throughput in that of one)")
