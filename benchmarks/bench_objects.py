"""The rows for object pools: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "objects_lido"
ROWS = ("object_pair", "object_dynamic", "object_batch", "object_two", "object_trim", "object_malloc")
CALLBACKS = (("", "get and put"), ("_reset", "with reset"), ("_sized", "with reset and size"),
             ("_counted", "with bytes counted"))


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            runner.progress.show(f"object pools, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row), number)


def value(row, subject):
    return LIDO, row, subject


def targets():
    for ending, what in CALLBACKS:
        yield Target(what, "typed", value("object_pair", f"typed{ending}"),
                     value("object_pair", "pool"), at_most=2 if ending != "_counted" else None,
                     note="of a typed pool")
    pool, called = value("object_dynamic", "pool"), value("object_dynamic", "pool_called")
    yield Target("get and put", "dynamic", value("object_dynamic", "dynamic"), pool, at_most=2, note="of a typed pool")
    for ending, what in CALLBACKS[1:3]:
        for under, note in ((pool, "of a typed pool"), (called, "of a typed pool and a call of reset")):
            yield Target(what, "dynamic", value("object_dynamic", f"dynamic{ending}"), under, note=note)
    for subject in ("typed", "dynamic"):
        yield Target("128 gets, 128 puts", subject, value("object_batch", subject), value("object_batch", "pool"),
                     note="of a typed pool")
    yield Target("get and put, two threads", "typed", value("object_two", "typed"), note="of one thread")
    yield Target("buffers of 4 KiB", "malloc", value("object_malloc", "malloc"), value("object_malloc", "typed"),
                 note="of a typed object pool")


def table(figures):
    return subjects_table(figures, ROWS, "Object pools, nanoseconds (two threads: throughput in that of one)")
