#!/usr/bin/env python3
"""Install Lido into an empty prefix and use it as a stranger would.

Checked, for the static or the shared library:
  - programs in C and C++ build with find_package(lido) and with pkg-config, and run;
  - libc (and libstdc++) stand before mimalloc in what the dynamic linker reads, and the program's
    malloc and operator new are not mimalloc's;
  - a program compiled with another LIDO_CHECKS does not link, and the linker names the guard;
  - the shared library exports nothing but lido_ names and can't be unloaded.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEVELS = ["none", "default", "full"]


def run(command, fails=False, **options):
    """Run a command; its output. Exits unless it succeeds (or, with fails, unless it fails)."""
    command = [str(word) for word in command]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if (result.returncode != 0) != fails:
        print("$", shlex.join(command))
        print(result.stdout)
        sys.exit(f"FAILED: {'should have failed' if fails else f'status {result.returncode}'}")
    return result.stdout


def require(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")
    print("ok:", text)


class Installation:
    """Lido in a prefix of its own."""

    def __init__(self, args):
        self.args = args
        self.prefix = args.work / "prefix"
        header = (args.source / "include/lido/version.h").read_text()
        self.version = ".".join(re.findall(r"#define LIDO_VERSION_\w+ (\d+)", header))

    def configure(self, source, build, *definitions):
        args = self.args
        run([args.cmake, "-S", source, "-B", build, "-G", args.generator, f"-DCMAKE_C_COMPILER={args.cc}",
             f"-DCMAKE_CXX_COMPILER={args.cxx}", *definitions])

    def install(self):
        args = self.args
        build = args.work / "build"
        shutil.rmtree(self.prefix, ignore_errors=True)
        self.configure(args.source, build, f"-DLIDO_SHARED={'ON' if args.kind == 'shared' else 'OFF'}",
                       "-DLIDO_TESTS=OFF", "-DLIDO_EXAMPLES=OFF", f"-DLIDO_CHECKS={args.checks}",
                       f"-DLIDO_MIMALLOC={'ON' if args.mimalloc else 'OFF'}")
        run([args.cmake, "--build", build])
        run([args.cmake, "--install", build, "--prefix", self.prefix])

    def has_part(self, name):
        return any(self.prefix.rglob(f"lido_{name}.pc"))

    def run_program(self, program, *arguments):
        run([program, *arguments], env=dict(os.environ, LD_LIBRARY_PATH=str(self.library().parent)))

    def flags(self, package="lido"):
        """What pkg-config says, compile and link flags apart."""
        files = list(self.prefix.rglob(f"{package}.pc"))
        require(len(files) == 1, f"{package}.pc is installed")
        environment = dict(os.environ, PKG_CONFIG_PATH=str(files[0].parent))
        # Of what a part needs only the shared library is wanted: the static ones' needs are not all there.
        static = ["--static"] if self.args.kind == "static" and package == "lido" else []
        words = [run(["pkg-config", *static, what, package], env=environment).split() for what in ("--cflags", "--libs")]
        require(run(["pkg-config", "--modversion", package], env=environment).strip() == self.version,
                f"pkg-config knows the version of {package}")
        return words

    def library(self):
        name = "liblido.so" if self.args.kind == "shared" else "liblido.a"
        return next(self.prefix.rglob(name))


def needed_libraries(program):
    return re.findall(r"\(NEEDED\).*\[(.*?)\]", run(["readelf", "-d", program]))


def check_program(installation, program):
    libraries = needed_libraries(program)
    position = {name.split(".so")[0]: index for index, name in enumerate(libraries)}
    if "libmimalloc" in position:
        for first in ("libc", "libstdc++"):
            if first in position:
                require(position[first] < position["libmimalloc"], f"{program.name}: {first} before mimalloc")
        require("libc" in position, f"{program.name}: libc is named")
    wanted = installation.args.kind == "static" and installation.args.mimalloc
    require(("libmimalloc" in position) == bool(wanted), f"{program.name}: mimalloc is {'' if wanted else 'not '}named")
    installation.run_program(program, installation.version, installation.args.mimalloc)
    print("ok:", program.name, "runs;", " ".join(libraries))


def check_find_package(installation):
    build = installation.args.work / "find_package"
    shutil.rmtree(build, ignore_errors=True)
    installation.configure(HERE / "consumer", build, f"-DCMAKE_PREFIX_PATH={installation.prefix}")
    run([installation.args.cmake, "--build", build])
    for name in ("consumer_c", "consumer_cxx"):
        check_program(installation, build / name)
    if installation.has_part("exporter"):
        installation.run_program(build / "consumer_exporter")
        print("ok: find_package finds the part exporter")


def check_pkg_config(installation):
    args = installation.args
    cflags, libs = installation.flags()
    folder = args.work / "pkg_config"
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "malloc_owner.o"
    run([args.cc, "-c", HERE / "consumer/malloc_owner.c", "-o", owner])
    for compiler, source in ((args.cc, "consumer_c.c"), (args.cxx, "consumer_cxx.cpp")):
        program = folder / source.split(".")[0]
        run([compiler, HERE / "consumer" / source, owner, *cflags, "-o", program, *libs])
        check_program(installation, program)
    return libs


def check_part(installation):
    """With pkg-config; find_package is above."""
    if not installation.has_part("exporter"):
        print("not checked: the part exporter, which was not built")
        return
    args = installation.args
    cflags, libs = installation.flags("lido_exporter")
    program = args.work / "pkg_config/consumer_exporter"
    run([args.cc, HERE / "consumer/consumer_exporter.c", *cflags, "-o", program, *libs])
    installation.run_program(program)
    print("ok: pkg-config knows the part exporter")


def check_guard(installation, libs):
    args = installation.args
    other = next(level for level in reversed(LEVELS) if level != args.checks)
    command = [args.cc, HERE / "consumer/consumer_c.c", args.work / "pkg_config/malloc_owner.o",
               f"-I{installation.prefix}/include", f"-DLIDO_CHECKS={LEVELS.index(other)}",
               "-o", args.work / "wrong_level", *libs]
    output = run(command, fails=True)
    require(f"lido_built_with_checks_{other}" in output,
            f"a program with LIDO_CHECKS={other} does not link, and the linker says why")


def check_exports(installation):
    library = installation.library()
    symbols = [line.split()[-1].split("@")[0] for line in run(["nm", "-D", "--defined-only", library]).splitlines()]
    strangers = [name for name in symbols if not name.startswith("lido_")]
    require(symbols and not strangers, f"the shared library exports only lido_ names {strangers or ''}")
    require("NODELETE" in run(["readelf", "-d", library]), "the shared library stays loaded")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kind", choices=["static", "shared"], required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--checks", choices=LEVELS, default="default")
    parser.add_argument("--mimalloc", type=int, default=1)
    args = parser.parse_args()

    installation = Installation(args)
    installation.install()
    check_find_package(installation)
    libs = check_pkg_config(installation)
    check_part(installation)
    check_guard(installation, libs)
    if args.kind == "shared":
        check_exports(installation)


if __name__ == "__main__":
    main()
