"""The rows for caches and interning: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO, GO = "caches_lido", "unique_go"
ROWS = ("cache_hit", "cache_hit_100k", "cache_two", "cache_evict", "cache_create", "intern")


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            runner.progress.show(f"caches, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row), number)
        runner.run(GO, runner.micro_arguments("intern"), number)
    runner.progress.show("caches, memory", LIDO)
    runner.run(LIDO, ["--rows", "cache_memory"], 0)


# ---- Targets ----

def value(row, subject, program=LIDO):
    return program, row, subject


def targets():
    floor = "of hash, acquire and release"
    hit = "cache_hit"
    yield Target("hit, 1,000 values", "hit", value(hit, "hit"), value(hit, "floor"), at_most=2.5, note=floor)
    yield Target("hit, 1,000 kept values", "kept", value(hit, "kept"), value(hit, "floor"), at_most=2.5, note=floor)
    yield Target("hit, keys of 64 bytes", "long", value(hit, "long"), value(hit, "long_floor"), note=floor)
    yield Target("hit, 100,000 values", "hit", value("cache_hit_100k", "hit"), value("cache_hit_100k", "floor"), note=floor)
    yield Target("two threads, halves of the keys", "hit", value("cache_two", "hit_apart"), at_least=1.8,
                 note="of one thread")
    for subject, what in (("floor_apart", "halves, floor"), ("hit_same", "the same keys"),
                          ("floor_same", "the same keys, floor")):
        yield Target(f"two threads, {what}", subject, value("cache_two", subject), note="of one thread")
    yield Target("an eviction", "evict", value("cache_evict", "evict"), value("cache_evict", "hit"), at_most=1,
                 note="of a hit")
    yield Target("intern of a present string", "glib", value("intern", "glib"), value("intern", "lido"), at_least=1.5,
                 note="of Lido's, which also releases")
    yield Target("intern of a present string", "go", value("intern", "go", GO), value("intern", "lido"), at_least=1.2,
                 note="of Lido's, which also releases")
    yield Target("create, keep, evict, die", "create", value("cache_create", "create"), unit="ns")
    yield Target("entries left of a million", "lido", value("cache_memory", "entries"), at_most=0, unit="entries")
    yield Target("memory of entries left", "lido", value("cache_memory", "reserved"), at_most=65536, unit="bytes",
                 note="an empty pool's own")
    yield Target("grown by the second million", "lido", value("cache_memory", "grown"), at_most=1, unit="bytes",
                 note="resident, for each key; what Lido holds is the same to the byte (tests)")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "Caches, nanoseconds (two threads: throughput in that of one)")
