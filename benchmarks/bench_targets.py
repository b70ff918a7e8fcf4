"""What Lido is to reach, and whether this run did. Verdicts are by the median of the rounds' ratios."""

LIDO, NONE = "micro_lido", "micro_lido_checks_none"
MIB = 1 << 20


class Target:
    """A line of the table: a ratio (or a value) and its bound. Without a bound it is information."""

    def __init__(self, what, subject, over, under=None, at_most=None, at_least=None, aim=False, note="", unit="x"):
        self.what, self.subject, self.over, self.under = what, subject, over, under
        self.at_most, self.at_least, self.aim, self.note, self.unit = at_most, at_least, aim, note, unit
        self.spread = None

    def judge(self, figures):
        self.spread = figures.ratio(self.over, self.under) if self.under else figures.spread(*self.over)

    @property
    def bound(self):
        if self.at_most is not None:
            return f"<= {number(self.at_most)}"
        return f">= {number(self.at_least)}" if self.at_least is not None else ""

    @property
    def verdict(self):
        if not self.spread:
            return "missing"
        if not self.bound:
            return "information"
        value = self.spread.median
        reached = value <= self.at_most if self.at_most is not None else value >= self.at_least
        if self.aim:
            return "aim reached" if reached else "aim not reached"
        return "reached" if reached else "NOT REACHED"

    def as_json(self):
        found = {"what": self.what, "subject": self.subject, "over": self.over, "under": self.under, "note": self.note,
                 "at_most": self.at_most, "at_least": self.at_least, "verdict": self.verdict}
        found.update(self.spread.as_json() if self.spread else {})
        return found


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def against_floor(row, typed, dynamic):
    for subject, bound in (("typed", typed), ("dynamic", dynamic)):
        yield Target(row, subject, (LIDO, row, subject), (LIDO, row, "floor"), at_most=bound, note="of the floor")


def micro_targets():
    yield from against_floor("pair", 0.8, 1.3)
    yield from against_floor("batch", 1.7, 2.6)
    yield from against_floor("random_10k", 1.45, 1.7)
    for subject, bound in (("typed", 0.7), ("dynamic", 0.8)):
        figure = (LIDO, "random_1m", subject)
        yield Target("random_1m", subject, figure, (LIDO, "random_1m", "glibc"), at_most=bound, note="of glibc")
        yield Target("random_1m", subject, figure, ("micro_jemalloc", "random_1m", "jemalloc"), at_most=1, aim=True,
                     note="of jemalloc")
    for subject in ("typed", "dynamic"):
        woven = f"{subject}_woven"
        yield Target("interleaved", subject, (LIDO, "interleaved", woven), (NONE, "interleaved", woven), at_most=1.35,
                     note="of no checks")
    for subject, bound in (("typed", 3.5), ("dynamic", 3)):
        yield Target("producer_consumer", subject, ("micro_mimalloc", "producer_consumer", "mimalloc"),
                     (LIDO, "producer_consumer", subject), at_least=bound, note="faster than mimalloc")
    for row in ("two_threads_pair", "two_threads_batch"):
        for subject in ("typed", "dynamic"):
            yield Target(row, subject, (LIDO, row, subject), at_least=1.9, note="of one thread")


def interleaved_information():
    for subject in ("typed", "dynamic"):
        woven, spread = f"{subject}_woven", f"{subject}_spread"
        shuffled, apart = "interleaved_shuffled", "interleaved_apart"
        yield Target("interleaved", subject, (LIDO, "interleaved", woven), (LIDO, apart, woven), note="of halves apart")
        yield Target(apart, subject, (LIDO, apart, woven), (NONE, apart, woven), note="of no checks")
        yield Target(shuffled, subject, (LIDO, shuffled, woven), (NONE, shuffled, woven), note="of no checks")
        for row in ("interleaved", shuffled):
            yield Target(f"{row}, spread", subject, (LIDO, row, spread), (NONE, row, woven), note="of no checks")


def information():
    for subject in ("typed", "dynamic"):
        for row in ("random_10k", "random_1m"):
            yield Target(row, subject, (LIDO, row, subject), (LIDO, row, "floor_whole"), note="of the unfolded floor")
        yield Target("random_1m", subject, (LIDO, "random_1m", subject), (LIDO, "random_1m", "floor"), note="of the floor")
        for row in ("pair", "batch", "random_10k", "random_1m"):
            yield Target(row, subject, (LIDO, row, subject), (NONE, row, subject), note="of no checks")
    yield from interleaved_information()
    for row in ("two_threads_pair", "two_threads_batch"):
        yield Target(row, "floor", (LIDO, row, "floor"), note="of one thread")
    for subject in ("typed", "dynamic"):
        yield Target("aged_two_threads_batch", subject, (LIDO, "aged_two_threads_batch", subject), note="of one thread")


def memory_targets():
    def value(row, subject):
        return "memory_lido", row, subject

    yield Target("2 M objects", "resident", value("memory_fill", "resident"), at_most=68, unit="bytes each")
    yield Target("2 M objects", "reserved", value("memory_fill", "reserved"), at_most=68, unit="bytes each")
    for row, what in (("memory_sparse", "9 of 10 freed, trim"), ("memory_thin", "999 of 1,000 freed, trim")):
        yield Target(what, "slabs kept", value(row, "slabs"), value(row, "slabs_needed"), at_most=1,
                     note="of those with live objects")
        yield Target(what, "reserved", value(row, "reserved"), value(row, "reserved_needed"), at_most=1,
                     note="of what live slabs need")
        yield Target(what, "reserved", value(row, "reserved"), unit="bytes")
        yield Target(what, "resident", value(row, "resident"), unit="bytes")
        yield Target(what, "live", value(row, "live"), unit="bytes")
    yield Target("all freed, trim", "reserved", value("memory_empty", "reserved"), at_most=MIB, unit="bytes")
    yield Target("all freed, trim", "resident", value("memory_empty", "resident"), at_most=MIB, unit="bytes")


def scale_targets():
    def value(row, subject):
        return "scale_lido", row, subject

    yield Target("10,000 pools", "dynamic", value("scale_crowd", "crowd"), value("scale_crowd", "first"),
                 at_most=1.2, note="of the first pool")
    yield Target("10,000 pools, bursts", "dynamic", value("scale_pools", "many"), value("scale_pools", "one"),
                 note="of one pool")
    yield Target("10,000 pools, round robin", "dynamic", value("scale_round_robin", "many"),
                 value("scale_round_robin", "one"), note="of one pool")
    yield Target("10^7 live objects", "dynamic", value("scale_live", "many"), value("scale_live", "few"), at_most=1.1,
                 note="of 10^3")


def judged(targets, figures):
    targets = list(targets)
    for target in targets:
        target.judge(figures)
    return targets


# ---- Peers against the dynamic pool ----

SPEED_ROWS = ("pair", "batch", "random_10k", "random_1m", "producer_consumer", "interleaved", "two_threads_pair_time",
              "two_threads_batch_time", "aged_batch", "aged_two_threads_batch_time")


def lido_subject(row):
    return "dynamic_woven" if row.startswith("interleaved") else "dynamic"


def peers_of(figures, row):
    """-> (program, subject) of every peer in a row: neither Lido's program nor the floor."""
    return [(program, subject) for program, subject in figures.subjects(row)
            if program.startswith("micro_") and program not in (LIDO, NONE) and not subject.startswith("floor")]


def faster_peers(figures):
    """-> (row, subject, spread of peer/dynamic) wherever a peer is faster than the dynamic pool."""
    found = []
    for row in SPEED_ROWS:
        for program, subject in peers_of(figures, row):
            ratio = figures.ratio((program, row, subject), (LIDO, row, lido_subject(row)))
            if ratio and ratio.median < 1:
                found.append((row, subject, ratio))
        own = figures.ratio((LIDO, row, "glibc"), (LIDO, row, lido_subject(row)))
        if own and own.median < 1:
            found.append((row, "glibc (in Lido's program)", own))
    return found
