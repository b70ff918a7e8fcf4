"""What the figures were measured on: processor, kernel, compiler, packages, commit."""

import os
import platform
import re
import shutil
import subprocess

PACKAGES = [
    "libc6", "libmimalloc2.0", "libjemalloc2", "libtcmalloc-minimal4", "libgoogle-perftools4", "libglib2.0-0",
    "libtalloc2", "liblua5.4-0", "libapr1", "libexpat1", "zlib1g", "libyajl2", "iso-codes", "shared-mime-info",
    "dpdk", "dpdk-dev", "gcc", "gcc-12", "clang-14",
]

# Variables by which an allocator or the dynamic linker would behave otherwise than by default.
TUNING = re.compile(r"^(MALLOC_|MIMALLOC_|TCMALLOC_|GLIBC_TUNABLES$|G_SLICE$|G_DEBUG$|TALLOC_|LD_PRELOAD$|LUA_INIT|LIDO_)")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def processor():
    match = re.search(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo") or "", re.MULTILINE)
    return match.group(1) if match else platform.processor() or "unknown"


def caches():
    found = {}
    folder = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        level, size = read(f"{folder}/{index}/level"), read(f"{folder}/{index}/size")
        kind = read(f"{folder}/{index}/type")
        if level and size and kind != "Instruction":
            found[f"L{level}"] = size
    return found


def memory_bytes():
    match = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo") or "", re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def packages():
    if shutil.which("dpkg-query") is None:
        return {}
    found = {}
    for name in PACKAGES:
        status = output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name) or ""
        if status.startswith("installed "):
            found[name] = status.split(" ", 1)[1]
    return found


def describe():
    return {
        "processor": processor(),
        "caches": caches(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": memory_bytes(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": (re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release") or "", re.MULTILINE) or [None, None])[1],
        "transparent_huge_pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average_before": os.getloadavg()[0],
        "packages": packages(),
    }


def commit(folder):
    head = output("git", "-C", folder, "rev-parse", "--verify", "-q", "HEAD")
    changes = output("git", "-C", folder, "status", "--porcelain")
    return {"commit": head or None, "modified": bool(changes)}


def clean_environment():
    """-> the environment for the programs, and what was taken out of it."""
    removed = {name: value for name, value in os.environ.items() if TUNING.match(name)}
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    return kept, removed


TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """Processor time that all programs of this machine have used, on all processors."""
    line = (read("/proc/stat") or "cpu").splitlines()[0].split()[1:]
    fields = [int(field) for field in line]
    if len(fields) < 8:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS


def children_seconds():
    times = os.times()
    return times.children_user + times.children_system + times.user + times.system
