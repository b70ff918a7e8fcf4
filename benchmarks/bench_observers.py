"""The rows for observers: what is run, the targets, the table."""

from bench_table import subjects_table
from bench_targets import Target

LIDO = "observers_rows"
ROWS = ("observer_next_1k", "observer_next_1", "observer_next_none", "observer_subscribe")


def run(runner):
    for number in range(runner.settings.rounds):
        for row in ROWS:
            runner.progress.show(f"observers, round {number + 1}", row)
            runner.run(LIDO, runner.micro_arguments(row), number)


# ---- Targets ----

def targets():
    few, one = "observer_next_1k", "observer_next_1"
    for under, what in (("walk", "lido_release"), ("walk_by_handle", "lido_weak_release")):
        yield Target("next, 1,000 observers", "lido", (LIDO, few, "next"), (LIDO, few, under), at_most=2,
                     note=f"of a bare walk with {what}")
    yield Target("next, one observer", "lido", (LIDO, one, "next"), (LIDO, one, "walk"), note="of a bare walk")
    yield Target("subscribe, unsubscribe and wait", "lido", (LIDO, "observer_subscribe", "sync"),
                 (LIDO, "observer_subscribe", "unsubscribe"), note="of subscribe and unsubscribe")


# ---- Table ----

def table(figures):
    return subjects_table(figures, ROWS, "Observers, nanoseconds for each")
