#!/usr/bin/env python3
"""Do the checkers see what they are there to see? Each test plants one fault in a small, clean tree."""

import argparse
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
COMPILER = "cc"

CLEAN = {
    "tools/rooms.txt": "0 base lib/base\n2 mem lib/mem\n4 pools pools\n4 arenas arenas\n"
                       "8 adapters lib/adapters +public\n",
    "tools/forbidden_words.txt": "# a comment\nSECRET\\w+\n",
    "include/lido/pool.h": "#ifndef POOL_H\n#define POOL_H\nint lido_pool_create(void);\n#endif\n",
    "include/lido/inline/atomic_inline.h":
        "#define lido_load_acquire(f) __atomic_load_n(f, __ATOMIC_ACQUIRE)\n"
        "#define lido_load_relaxed(f) __atomic_load_n(f, __ATOMIC_RELAXED)\n"
        "#define lido_store_release(f, v) __atomic_store_n(f, v, __ATOMIC_RELEASE)\n",
    "lib/base/atomic.h": '#include "lido/inline/atomic_inline.h"\n',
    "lib/base/bits.h": "int lido_bits(void);\n",
    "lib/base/bits.c": '#include "lib/base/bits.h"\n\nint lido_bits(void) { return 1; }\n',
    "lib/mem/region.h": "int lido_region(void);\n",
    "lib/mem/region.c": '#include "lib/mem/region.h"\n\n#include "lib/base/bits.h"\n\n'
                        "int lido_region(void) { return lido_bits(); }\n",
    "pools/slab.h": "int lido_slab(void);\n",
    "pools/slab.c": '#include "pools/slab.h"\n\n#include <string.h>\n\n#include "lib/mem/region.h"\n\n'
                    "int lido_slab(void) { return lido_region(); }\n",
    "pools/pool.c": '#include "lido/pool.h"\n\n#include "pools/slab.h"\n\n'
                    "int lido_pool_create(void) { return lido_slab(); }\n",
    "arenas/block.h": "int lido_block(void);\n",
    "arenas/block.c": '#include "arenas/block.h"\n\nint lido_block(void) { return 0; }\n',
    "lib/adapters/lua.c": '#include "lido/pool.h"\n\nint lido_lua(void);\n'
                          "int lido_lua(void) { return lido_pool_create(); }\n",
    "pools/README.md": "Read slab.c first.\n",
    "arenas/README.md": "Read block.c first.\n",
}


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        for name, text in CLEAN.items():
            self.write(name, text)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, name, text):
        self.write(name, CLEAN[name] + text)

    def run_tool(self, tool, *words):
        result = subprocess.run([sys.executable, TOOLS / tool, *map(str, words)], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        return result.returncode, result.stdout

    def passes(self, tool):
        status, output = self.run_tool(tool, "--root", self.root)
        self.assertEqual(status, 0, output)

    def fails(self, tool, *expected):
        status, output = self.run_tool(tool, "--root", self.root)
        self.assertEqual(status, 1, output)
        for text in expected:
            self.assertIn(text, output)


class Rooms(Tree):
    def fails(self, *expected):
        super().fails("check_rooms.py", *expected)

    def test_clean_tree_passes(self):
        self.passes("check_rooms.py")

    def test_room_without_a_rank(self):
        self.write("lib/attic/old.c", '#include "lib/base/bits.h"\n')
        self.fails("lib/attic/old.c:1: R1")

    def test_upward_include(self):
        self.append("lib/base/bits.c", '#include "lib/mem/region.h"\n')
        self.fails('lib/base/bits.c:4: R2: base (rank 0) includes "lib/mem/region.h" of mem (rank 2)')

    def test_include_of_a_sibling(self):
        self.append("pools/slab.c", '#include "arenas/block.h"\n')
        self.fails("pools/slab.c:8: R2", "arenas (rank 4)")

    def test_adapter_that_looks_inside(self):
        self.append("lib/adapters/lua.c", '#include "pools/slab.h"\n')
        self.fails("lib/adapters/lua.c:5: R2: adapters sees public headers only")

    def test_public_header_that_includes_a_private_one(self):
        self.append("include/lido/pool.h", '#include "lib/base/bits.h"\n')
        self.fails("include/lido/pool.h:5: R3")

    def test_include_that_is_not_from_the_root(self):
        self.append("pools/slab.c", '#include "slab.h"\n')
        self.fails("pools/slab.c:8: R4")

    def test_own_header_in_angle_brackets(self):
        self.append("pools/slab.c", "#include <lido/pool.h>\n")
        self.fails("pools/slab.c:8: R4")

    def test_own_header_second(self):
        self.write("lib/mem/region.c", '#include "lib/base/bits.h"\n#include "lib/mem/region.h"\n')
        self.fails("lib/mem/region.c:1: R5")

    def test_include_in_a_comment_is_none(self):
        self.append("lib/base/bits.c", '/*\n#include "lib/mem/region.h"\n*/\n')
        self.passes("check_rooms.py")

    def test_two_files_of_one_name(self):
        self.write("lib/mem/slab.h", "")
        self.fails("R6")

    def test_forbidden_word(self):
        self.append("pools/README.md", "SECRETLY\n")
        self.fails("pools/README.md:2: R7: forbidden: SECRETLY")

    def test_bare_atomics(self):
        self.append("pools/slab.c", "int x = __atomic_load_n(&y, 0);\n#include <stdatomic.h>\n/* __atomic_load_n */\n")
        self.fails("pools/slab.c:8: R8", "pools/slab.c:9: R8", "2 problems")

    def test_pthreads(self):
        self.append("pools/slab.c", "void f(void) { pthread_self(); }\n")
        self.fails("pools/slab.c:8: R9")

    def test_environment(self):
        self.append("pools/slab.c", 'const char *f(void) { return getenv("X"); }\n')
        self.fails("pools/slab.c:8: R10")


class Links(Tree):
    def link(self):
        lines = []
        for source in [*self.root.glob("lib/*/*.c"), *self.root.glob("pools/*.c"), *self.root.glob("arenas/*.c")]:
            target = source.with_suffix(".o")
            subprocess.run([COMPILER, "-fPIC", f"-I{self.root}", f"-I{self.root}/include", "-c", source, "-o", target],
                           check=True)
            lines.append(f"{source.parent.name}\t{target}\n")
        self.write("objects.txt", "".join(lines))
        return self.run_tool("check_room_links.py", "--rooms", self.root / "tools/rooms.txt", "--objects",
                             self.root / "objects.txt", "--cc", COMPILER)

    def test_clean_tree_passes(self):
        status, output = self.link()
        self.assertEqual(status, 0, output)

    def test_upward_call_behind_a_hand_written_declaration(self):
        self.append("lib/base/bits.c", "int lido_slab(void);\nint lido_up(void);\n"
                                       "int lido_up(void) { return lido_slab(); }\n")
        self.passes("check_rooms.py")  # the includes do not show it
        status, output = self.link()
        self.assertEqual(status, 1, output)
        self.assertIn("base (rank 0): lido_up() needs lido_slab", output)

    def test_call_of_a_sibling(self):
        self.append("pools/slab.c", "int lido_block(void);\nint lido_side(void);\n"
                                    "int lido_side(void) { return lido_block(); }\n")
        status, output = self.link()
        self.assertEqual(status, 1, output)
        self.assertIn("pools (rank 4): lido_side() needs lido_block", output)


class Labels(Tree):
    PAIR = ("/* RELEASE slab.ready: why */\nvoid f(int *x) { lido_store_release(x, 1); }\n"
            "/* ACQUIRE slab.ready: why */\nint g(int *x) { return lido_load_acquire(x); }\n")

    def fails(self, *expected):
        super().fails("check_labels.py", *expected)

    def test_pair_passes(self):
        self.append("pools/slab.c", self.PAIR)
        self.passes("check_labels.py")

    def test_acquire_without_a_release(self):
        self.append("pools/slab.c", self.PAIR.replace("RELEASE slab.ready", "RELEASE slab.other"))
        self.fails("L2: ACQUIRE slab.ready has no RELEASE", "L2: RELEASE slab.other has no ACQUIRE")

    def test_operation_without_a_label(self):
        self.append("pools/slab.c", self.PAIR + "\n\n\n\nint h(int *x) { return lido_load_acquire(x); }\n")
        self.fails("pools/slab.c:16: L1: lido_load_acquire")

    def test_label_of_the_wrong_kind(self):
        self.append("pools/slab.c", self.PAIR.replace("RELEASE slab", "ACQUIRE slab"))
        self.fails("pools/slab.c:9: L1: lido_store_release")

    def test_label_in_a_string_is_none(self):
        self.append("pools/slab.c", 'const char *s = "ACQUIRE a.b:";\nint g(int *x) { return lido_load_acquire(x); }\n')
        self.fails("L1")

    def test_other_functions_may_end_in_release(self):
        self.append("pools/slab.c", "void f(void) { lido_arena_release(); }\n")
        self.passes("check_labels.py")

    def test_relaxed_with_a_reason(self):
        self.append("pools/slab.c", "int g(int *x) {\n  /* RELAXED: statistic */\n  return lido_load_relaxed(x);\n}\n")
        self.passes("check_labels.py")

    def test_relaxed_without_a_reason(self):
        filler = "".join(f"int filler_{number}(void);\n" for number in range(8))
        self.append("pools/slab.c", "/* RELAXED: too far away */\n" + filler +
                    "int g(int *x) {\n  return lido_load_relaxed(x);\n}\n")
        self.fails("pools/slab.c:18: L3: lido_load_relaxed")


class Sizes(Tree):
    def test_short_functions_pass(self):
        self.passes("check_sizes.py")

    def test_long_function(self):
        self.append("pools/slab.c", "int long_one(int x) {\n" + "  x++;\n" * 79 + "  return x;\n}\n")
        self.fails("check_sizes.py", "pools/slab.c:8: long_one() has 82 lines")

    def test_long_table_is_no_function(self):
        self.append("pools/slab.c", "static const int table[] = {\n" + "  1,\n" * 100 + "};\n")
        self.passes("check_sizes.py")

    def test_long_file(self):
        self.append("pools/slab.c", "int x;\n" * 600)
        self.fails("check_sizes.py", "607 lines, more than 600")

    def test_long_line(self):
        self.append("pools/slab.c", "/* " + "x" * 115 + " */\n")
        self.fails("check_sizes.py", "pools/slab.c:8: 121 columns, more than 120")

    def test_line_that_just_fits(self):
        self.append("pools/slab.c", "/* " + "x" * 114 + " */\n")
        self.passes("check_sizes.py")


class Headers(Tree):
    def setUp(self):
        super().setUp()
        (self.root / "include/lido/inline/atomic_inline.h").unlink()

    def test_clean_header_passes(self):
        self.passes("check_headers.py")

    def test_header_that_needs_another_first(self):
        self.write("include/lido/zoo.h", "#ifndef ZOO_H\n#define ZOO_H\nsize_t lido_zoo(void);\n#endif\n")
        self.fails("check_headers.py", "lido/zoo.h alone")

    def test_header_that_is_not_cpp(self):
        self.write("include/lido/zoo.h", "#ifndef ZOO_H\n#define ZOO_H\n"
                                         "static inline int *lido_zoo(void) { void *p = 0; return p; }\n#endif\n")
        self.fails("check_headers.py", "lido/zoo.h alone, g++")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default=COMPILER)
    known, rest = parser.parse_known_args()
    COMPILER = known.cc
    unittest.main(argv=[sys.argv[0], *rest])
