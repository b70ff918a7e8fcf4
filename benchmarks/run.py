#!/usr/bin/env python3
"""Run the benchmarks and print the table. See README.md beside this file.

    run.py --build-dir build [--quick] [--rows pair,batch,lua] [--peers glibc,jemalloc] [--json FILE]

The programs are taken from the manifest that the build wrote. Each runs one repetition at a time; a round is
one repetition of every program, row by row, so that what is compared ran within seconds of each other.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import bench_arena
import bench_caches
import bench_control
import bench_handles
import bench_machine
import bench_metrics
import bench_objects
import bench_observers
import bench_parsers
import bench_policies
import bench_profile
import bench_server
import bench_table
import bench_targets
from bench_figures import Figures
from bench_targets import NONE

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

# Rows that share a process: allocators remember, so two-thread rows start from a fresh one.
GROUPS = {
    "pair": "pair,batch",
    "random": "random_10k,random_1m",
    "producer_consumer": "producer_consumer",
    "interleaved": "interleaved",
    "two_threads": "two_threads_pair,two_threads_batch",
    "aged": "aged_batch",
}
# What stands on pools and arenas: a module for each, and the title of its targets.
SUBJECTS = {
    "handles": (bench_handles, "Handles"),
    "caches": (bench_caches, "Caches"),
    "observers": (bench_observers, "Observers"),
    "objects": (bench_objects, "Object pools"),
    "profile": (bench_profile, "The heap profile"),
    "policies": (bench_policies, "Policies"),
    "metrics": (bench_metrics, "Metrics"),
    "control": (bench_control, "Managers"),
}
OTHER_STAGES = ("resident", "memory", "scale", "lua", "arena", *SUBJECTS, "parsers", "server")
LUA_SIZES = {"json": 2, "trees": 4, "text": 30, "queens": 40}  # about a third of a second each
LUA_ALLOCATORS = ("libc", "lido", "mimalloc", "jemalloc", "tcmalloc")
NOT_APPLICABLE = {"apr, in the rows for pools": "not applicable: its pools cannot free single objects",
                  "obstack, in the rows for pools": "not applicable: it cannot free single objects"}
FOREIGN_LIMIT = 0.15  # of one processor: more, used by other programs meanwhile, and a sample is taken again
PROGRAM_SECONDS = 120


class Progress:
    """One line on stderr that is written over; on something that is no terminal, a line per round."""

    def __init__(self):
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()
        self.last = None

    def seconds(self):
        return time.monotonic() - self.start

    def show(self, stage, detail):
        if self.live:
            sys.stderr.write(f"\r\033[K[{self.seconds():4.0f} s] {stage}: {detail}")
        elif stage != self.last:
            sys.stderr.write(f"[{self.seconds():4.0f} s] {stage}\n")
        self.last = stage
        sys.stderr.flush()

    def end(self):
        if self.live:
            sys.stderr.write("\r\033[K")


class Runner:
    """Runs programs, keeps what they print, knows what is missing."""

    def __init__(self, programs, settings, progress):
        self.programs, self.settings, self.progress = programs, settings, progress
        self.figures, self.missing = Figures(), {}
        self.environment, self.removed_environment = bench_machine.clean_environment()
        self.runs, self.repeats, self.disturbed = 0, 0, 0
        self.checksums = {}

    def run(self, program, arguments, round_number, rename=None):
        """One repetition, taken again while others kept the machine busy and there is time."""
        if program not in self.programs:
            return
        best, least = None, None
        for attempt in range(1 + self.settings.repeats):
            lines, foreign = self.once(program, arguments)
            if lines is None:
                return
            if best is None or foreign < least:
                best, least = lines, foreign
            if foreign <= FOREIGN_LIMIT or attempt == self.settings.repeats or not self.may_repeat():
                break
            self.repeats += 1
        self.runs += 1
        self.disturbed += least > FOREIGN_LIMIT
        for line in best:
            if "skipped" in line:
                self.missing[f"{program} {line['row']}"] = line["skipped"]
                continue
            line["foreign"] = round(least, 3)
            self.figures.add(program, round_number, rename(line) if rename else line)

    def may_repeat(self):
        """On a machine that is busy all the time, repeating helps nobody: at most a third more runs."""
        return self.repeats <= self.runs / 3 + 2 and self.progress.seconds() < self.settings.repeat_until

    def once(self, program, arguments):
        busy, own, start = bench_machine.busy_seconds(), bench_machine.children_seconds(), time.monotonic()
        try:
            done = subprocess.run([self.programs[program], *map(str, arguments)], capture_output=True, text=True,
                                  timeout=PROGRAM_SECONDS, env=self.environment, check=False)
        except subprocess.TimeoutExpired:
            return self.lost(program, arguments, f"took longer than {PROGRAM_SECONDS} s"), 0
        except OSError as error:
            return self.lost(program, arguments, str(error)), 0
        elapsed = time.monotonic() - start
        busy, own = bench_machine.busy_seconds() - busy, bench_machine.children_seconds() - own
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            why = words[-1] if words else f"ended with {done.returncode}"
            return self.lost(program, arguments, why), 0
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        # Below 0.2 s the kernel's clock ticks are too coarse to tell.
        return lines, max(0.0, (busy - own) / elapsed) if elapsed > 0.2 else 0.0

    def lost(self, program, arguments, why):
        rows = [word for word in arguments if isinstance(word, str) and not word.startswith("-")]
        self.missing[f"{program} {rows[0] if rows else ''}".strip()] = why

    # ---- Stages ----

    def micro_arguments(self, rows, least_ms=0):
        return ["--rows", rows, "--slices", self.settings.slices, "--slice-ms", max(self.settings.slice_ms, least_ms),
                "--seed", self.settings.seed]

    def micro_round(self, number, groups, programs):
        for group in groups:
            order = list(programs)
            random.Random(self.settings.seed + number).shuffle(order)
            for program in order:
                self.progress.show(f"round {number + 1}", f"{group}, {program}")
                self.run(program, self.micro_arguments(GROUPS[group]), number)

    def micro(self, groups, programs):
        """-> rounds done; fewer than asked for when the time is up."""
        last = 0.0  # not the longest: one round that others disturbed would cost two that they don't
        for number in range(self.settings.rounds):
            if self.progress.seconds() + last > self.settings.micro_until and number >= 3:
                return number
            start = self.progress.seconds()
            self.micro_round(number, groups, programs)
            last = self.progress.seconds() - start
        return self.settings.rounds

    def resident(self, programs):
        for program in programs:
            if program in (NONE, "micro_dpdk"):  # a mempool takes all its memory when it is made
                continue
            self.progress.show("memory of 2 M objects", program)
            self.run(program, ["--rows", "resident"], 0)

    def lido_alone(self, program, rounds):
        for number in range(rounds):
            self.progress.show(program, f"round {number + 1}")
            self.run(program, ["--slices", self.settings.slices, "--slice-ms", self.settings.slice_ms, "--seed",
                               self.settings.seed + number], number)

    def lua(self):
        for number in range(self.settings.lua_rounds):
            for script, size in LUA_SIZES.items():
                for allocator in LUA_ALLOCATORS[number % 2:] + LUA_ALLOCATORS[:number % 2]:
                    self.progress.show(f"Lua, round {number + 1}", f"{script}, {allocator}")
                    self.lua_job(script, max(1, size // self.settings.lua_divisor), allocator, number)

    def lua_job(self, script, size, allocator, number):
        program = f"lua_job_{allocator}"
        path = os.path.join(HERE, "lua", f"{script}.lua")

        def rename(line):
            if line.get("fact") == "checksum":
                self.compare_checksum(script, program, line["value"])
            return {**line, "row": f"{line['row']}:{script}"} if "row" in line else line

        self.run(program, [path, size, self.settings.seed], number, rename)

    def compare_checksum(self, script, program, checksum):
        expected = self.checksums.setdefault(script, checksum)
        if checksum != expected:
            self.missing[f"{program} {script}"] = f"WRONG RESULT: checksum {checksum} instead of {expected}"


# ---- Command line ----

def parse():
    parser = argparse.ArgumentParser(description="Lido's benchmarks: micro benchmarks against peers, memory, scale, Lua, "
                                                 "arenas, " + ", ".join(SUBJECTS) + ", parsers, a server.")
    parser.add_argument("--quick", action="store_true", help="a look in less than two minutes")
    parser.add_argument("--rows", help=f"only these: {', '.join([*GROUPS, *OTHER_STAGES])}")
    parser.add_argument("--peers", help="only these peers, comma separated; '' for none")
    parser.add_argument("--all-peers", action="store_true", help="DPDK too (needs a build with it)")
    parser.add_argument("--json", metavar="FILE", help="write every figure to FILE")
    parser.add_argument("--rounds", type=int, help="rounds of the micro benchmarks (7; quick: 5) and of the server (5; 1)")
    parser.add_argument("--seed", type=int, default=20240229, help="of every random choice")
    parser.add_argument("--build-dir", help="where Lido was built with LIDO_BENCHMARKS=ON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is not reached")
    return parser.parse_args()


class Settings:
    def __init__(self, options):
        quick = options.quick
        self.seed = options.seed
        self.rounds = options.rounds or (5 if quick else 7)
        self.slices = 3 if quick else 5
        self.slice_ms = 5 if quick else 20
        self.lua_rounds = 3 if quick else 5
        self.lua_divisor = 2 if quick else 1
        self.server_rounds = options.rounds or (1 if quick else 5)
        self.server_seconds = 1 if quick else 2
        self.micro_until = 105 if quick else float("inf")
        self.repeats = 1 if quick else 2
        self.repeat_until = 80 if quick else 400


def find_manifest(build_dir):
    folders = [build_dir] if build_dir else [os.path.join(ROOT, "build")]
    if not build_dir and os.path.isdir(folders[0]):
        folders += [entry.path for entry in os.scandir(folders[0]) if entry.is_dir()]
    found = [path for folder in folders for path in [os.path.join(folder, "benchmarks", "manifest.json")]
             if os.path.exists(path)]
    if not found:
        sys.exit("run.py: no benchmarks/manifest.json in the build: configure with -DLIDO_BENCHMARKS=ON and build, "
                 "or name the build with --build-dir")
    with open(max(found, key=os.path.getmtime), encoding="utf-8") as file:
        return json.load(file)


def choose(options, manifest):
    """-> the programs to run (name -> path), and what is missing with the reason."""
    missing = dict(NOT_APPLICABLE)
    missing.update(manifest["missing"])
    if options.all_peers and missing.get("dpdk") == "only with --all-peers":
        missing["dpdk"] = "not in this build: configure with -DLIDO_BENCHMARKS_ALL_PEERS=ON (package dpdk-dev)"
    programs = {}
    wanted = None if options.peers is None else [peer for peer in options.peers.split(",") if peer]
    for name, path in manifest["programs"].items():
        peer = name.split("_", 1)[1].removeprefix("job_")  # micro_glibc, lua_job_mimalloc
        ours = name.startswith("http_server") or peer.startswith("lido") or name.endswith("_job_libc")
        if not ours and wanted is not None and peer not in wanted:
            continue
        if os.access(path, os.X_OK):
            programs[name] = path
        else:
            missing[name] = "not built"
    for peer in wanted or []:
        if f"micro_{peer}" not in programs and f"arena_{peer}" not in programs and peer not in missing:
            missing[peer] = "no such peer"
    return programs, missing


def wanted_stages(options):
    if options.rows is None:
        return list(GROUPS), list(OTHER_STAGES)
    names = options.rows.split(",")
    aliases = {row: group for group, rows in GROUPS.items() for row in rows.split(",")}
    unknown = [name for name in names if name not in GROUPS and name not in OTHER_STAGES and name not in aliases]
    if unknown:
        sys.exit(f"run.py: no such rows: {', '.join(unknown)}")
    groups = [group for group in GROUPS if group in names or group in [aliases.get(name) for name in names]]
    return groups, [stage for stage in OTHER_STAGES if stage in names]


def run_all(runner, groups, stages):
    """-> rounds of the micro benchmarks, or without them, of the arenas'."""
    micro = [program for program in runner.programs if program.startswith("micro_")]
    if "memory" in stages:
        runner.lido_alone("memory_lido", 3)
    if "scale" in stages:
        runner.lido_alone("scale_lido", 3)
    if "resident" in stages:
        runner.resident(micro)
    if "arena" in stages:
        bench_arena.run(runner)
    for name, (module, _) in SUBJECTS.items():
        if name in stages:
            module.run(runner)
    if "lua" in stages:
        runner.lua()
    if "parsers" in stages:
        bench_parsers.run(runner)
    if "server" in stages:
        bench_server.run(runner)
    if groups:
        return runner.micro(groups, micro)
    return runner.settings.rounds if {"arena", *SUBJECTS} & set(stages) else 0


# ---- Report ----

def header(manifest, machine, runner, rounds, settings):
    state = bench_machine.commit(ROOT)
    commit = (state["commit"] or "no commit")[:12] + (" with changes" if state["modified"] else "")
    lines = [
        f"Lido {manifest['version']} ({commit}), checks: {manifest['checks']}",
        f"{machine['processor']}, {machine['processors']} processors, {machine['system']}, Linux {machine['kernel']}, "
        f"{manifest['compiler']}, {manifest['build_type']} ({manifest['flags']})",
        f"{rounds} rounds, {settings.slices} slices of {settings.slice_ms} ms, seed {settings.seed}, "
        f"{runner.progress.seconds():.0f} s; of {runner.runs} runs {runner.repeats} were repeated and {runner.disturbed} "
        f"kept although other programs used more than {FOREIGN_LIMIT:.0%} of a processor",
    ]
    if manifest["build_type"] != "Release":
        lines.append("NOT A RELEASE BUILD: the targets do not apply")
    if rounds and rounds < 5:
        lines.append("FEWER THAN FIVE ROUNDS: the targets are for medians of at least five")
    return lines


def report(runner, targets, scripts_run):
    figures = runner.figures
    lines = bench_table.figures_table(figures)
    lines += bench_table.variants_table(figures)
    lines += bench_table.floor_table(figures)
    lines += bench_table.targets_table("Against the targets", targets["micro"])
    lines += bench_table.targets_table("Memory", targets["memory"])
    lines += bench_table.targets_table("Scale", targets["scale"])
    lines += bench_arena.tables(figures)
    lines += bench_table.targets_table("Arenas", targets["arena"])
    for name, (module, words) in SUBJECTS.items():
        lines += module.table(figures)
        lines += bench_table.targets_table(words, targets[name])
    lines += bench_table.targets_table("For information", targets["information"])
    lines += bench_table.resident_table(figures)
    lines += bench_table.lua_table(figures, LUA_SIZES, LUA_ALLOCATORS)
    lines += bench_parsers.table(figures)
    lines += bench_server.table(figures)
    lines += bench_table.targets_table("The server", targets["server"])
    lines += bench_table.missing_table(runner.missing)
    lines += bench_table.losses(figures) if targets["micro"] else []
    lines += bench_table.lua_losses(figures, LUA_SIZES, LUA_ALLOCATORS) if scripts_run else []
    return lines


def judge(figures, groups, stages):
    def ran(target):
        return target.spread or any(target.over[1] in GROUPS[group].split(",") for group in groups)

    judged = bench_targets.judged
    return {
        "micro": [target for target in judged(bench_targets.micro_targets(), figures) if ran(target)],
        "memory": judged(bench_targets.memory_targets(), figures) if "memory" in stages else [],
        "scale": judged(bench_targets.scale_targets(), figures) if "scale" in stages else [],
        "arena": judged(bench_arena.targets(), figures) if "arena" in stages else [],
        **{name: judged(module.targets(), figures) if name in stages else [] for name, (module, _) in SUBJECTS.items()},
        "server": judged(bench_server.targets(), figures) if "server" in stages else [],
        "information": [target for target in judged(bench_targets.information(), figures) if target.spread],
    }


def summary(targets):
    bounded = [target for part in ("micro", "memory", "scale", "arena", *SUBJECTS, "server")
               for target in targets[part] if target.bound]
    short_of = [target for target in bounded if target.verdict == "NOT REACHED"]
    lines = bench_table.title("Targets not reached")
    lines += [f"  {target.what}, {target.subject}: {bench_table.short(target.spread.median)} {target.note}, "
              f"target {target.bound}" for target in short_of] or ["  none"]
    absent = [f"{target.what}, {target.subject}" for target in bounded if target.verdict == "missing"]
    if absent:
        lines.append("  not measured: " + "; ".join(absent))
    return (lines if bounded else []), bool(short_of or absent)


def write_json(path, options, manifest, machine, runner, targets, rounds):
    document = {
        "schema": 1,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "source": bench_machine.commit(ROOT),
        "machine": machine,
        "build": {name: manifest[name] for name in ("version", "compiler", "build_type", "flags", "checks")},
        "options": vars(options),
        "settings": {name: value for name, value in vars(runner.settings).items() if value != float("inf")},
        "rounds": rounds,
        "seconds": round(runner.progress.seconds(), 1),
        "runs": {"all": runner.runs, "repeated": runner.repeats, "disturbed": runner.disturbed},
        "environment_removed": runner.removed_environment,
        "programs": runner.figures.facts,
        "checksums": runner.checksums,
        "missing": runner.missing,
        "figures": runner.figures.as_json(),
        "targets": {part: [target.as_json() for target in part_targets] for part, part_targets in targets.items()},
        "faster_peers": [{"row": row, "subject": subject, **ratio.as_json()}
                         for row, subject, ratio in bench_targets.faster_peers(runner.figures)] +
                        [{"row": "arena_request", "subject": subject, **ratio.as_json()}
                         for subject, ratio in bench_arena.faster_peers(runner.figures)],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def main():
    options = parse()
    manifest = find_manifest(options.build_dir)
    groups, stages = wanted_stages(options)
    machine = bench_machine.describe()
    programs, missing = choose(options, manifest)
    runner = Runner(programs, Settings(options), Progress())
    runner.missing.update(missing)
    rounds = run_all(runner, groups, stages)
    runner.progress.end()
    machine["load_average_after"] = os.getloadavg()[0]
    targets = judge(runner.figures, groups, stages)
    shortfall, short = summary(targets)
    for line in header(manifest, machine, runner, rounds, runner.settings) + report(runner, targets, "lua" in stages) + shortfall:
        print(line)
    if options.json:
        write_json(options.json, options, manifest, machine, runner, targets, rounds)
    return 1 if options.strict and short else 0


if __name__ == "__main__":
    sys.exit(main())
