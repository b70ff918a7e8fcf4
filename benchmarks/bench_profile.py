"""The rows for the heap profile: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "heap_profile_rows"
SLICE_MS = 30  # each slice begins a profile of its own; shorter ones would measure that
ROWS = tuple(f"profile_{kind}_{loop}" for kind in ("typed", "dynamic") for loop in ("pair", "batch", "random"))


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            runner.progress.show(f"heap profile, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row, SLICE_MS), number)


# ---- Targets ----

def targets():
    for row in ROWS:
        yield Target(f"{row.removeprefix('profile_').replace('_', ' ')}, profile on", "lido", (LIDO, row, "on"),
                     (LIDO, row, "off"), at_most=1.02, note="of the loop with the profile off")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "The heap profile, nanoseconds for each alloc and free")
