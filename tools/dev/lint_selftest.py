# SPDX-License-Identifier: Apache-2.0
"""The lint's own test: each rule must refuse each of its bad samples, at the line that is bad,
and must be silent about the good tree. A rule without a bad sample fails."""
import shutil
import subprocess
import tempfile
from pathlib import Path

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
INTRO = "/* A sample of a header; nobody owns it, any thread may read it, always true. */\n"
TOP = Path(__file__).resolve().parents[2]

GOOD_HEADER = SPDX + INTRO + """#ifndef LIB_GOOD_H
#define LIB_GOOD_H

#include <stdint.h>

void good_log(int a, int b, int c, int d, const char *format, ...);
int good_sum(uint32_t a, uint32_t b, uint32_t c, uint32_t d, int (*f)(int, int, int));

#endif
"""
GOOD_SOURCE = SPDX + """#include "lib/good.h"

static const int table[] = { 1, 2, 3 };
static const char *const names[] = { "a, b", "{" };

/* f(a, b, c, d, e, f); in a comment { is no function. */
int
good_sum(uint32_t a, uint32_t b, uint32_t c, uint32_t d, int (*f)(int, int, int))
{
	b = a ? b : c, c = d ? b : a; /* not nested */
	if (a >= 3 || names[0][0] == '{')
		return -1;
	return f(table[a], (int)(b + c), (int)d);
}
"""


def padded(lines):
    return SPDX + "\n" * (lines - 1)


def function_of(lines):
    """A function of that many lines from its name to its last brace."""
    return SPDX + "int f(int a);\nint\nf(int a)\n{\n" + "\ta++;\n" * (lines - 4) + \
        "\treturn a;\n}\n"


def branches(count):
    return SPDX + "int f(int a);\nint\nf(int a)\n{\n" + \
        "".join(f"\tif (a == {i})\n\t\treturn {i};\n" for i in range(count)) + "\treturn a;\n}\n"


# rule: [ ({file: text}, file that is refused, line) ]
BAD = {
    "file-lines": [({"lib/a.c": padded(801)}, "lib/a.c", 801),
                   ({"tests/a.py": "# SPDX-License-Identifier: Apache-2.0\n" * 801},
                    "tests/a.py", 801)],
    "function-lines": [({"dp/a.c": function_of(101)}, "dp/a.c", 4)],
    "parameters": [
        ({"cp/a.h": SPDX + INTRO + "int f(int a, int b, int c,\n      int d, int e, int g);\n"},
         "cp/a.h", 3),
        ({"cp/a.c": SPDX + "static inline int __attribute__((unused))\n"
                           "f(int a, int b, int c, int d, int e, int (*g)(int))\n{\n"
                           "\treturn a + b + c + d + g(e);\n}\n"}, "cp/a.c", 3)],
    "complexity": [({"dp/a.c": branches(25)}, "dp/a.c", 4)],
    "layering": [
        ({"lib/a.c": SPDX + '#include "dp/x.h"\n'}, "lib/a.c", 2),
        ({"lib/a.h": SPDX + "#include <rte_mbuf.h>\n"}, "lib/a.h", 2),
        ({"dp/l4/a.c": SPDX + '#include "lib/x.h"\n#include "cp/x.h"\n'}, "dp/l4/a.c", 3),
        ({"dp/a.c": SPDX + "#include <jansson.h>\n"}, "dp/a.c", 2),
        ({"cp/config/a.c": SPDX + '#include "dp/l4/parse.h"\n'}, "cp/config/a.c", 2),
        ({"cp/a.c": SPDX + '#include "tools/x.h"\n'}, "cp/a.c", 2),
        ({"tools/a.c": SPDX + '#include "cp/x.h"\n'}, "tools/a.c", 2),
        ({"cp/a.c": SPDX + '#include "a.h"\n'}, "cp/a.c", 2)],
    "nested-ternary": [
        ({"lib/a.c": SPDX + "int f(int a);\nint\nf(int a)\n{\n"
                     "\treturn a ? (a > 1 ? 2 : 3) : 4;\n}\n"}, "lib/a.c", 6)],
    "ifdef": [({"dp/a.c": SPDX + "int f(int a);\nint\nf(int a)\n{\n#ifdef X\n\ta++;\n#endif\n"
                                 "\treturn a;\n}\n"}, "dp/a.c", 6)],
    "leftovers": [({"README.md": "one\nTO" + "DO: two\n"}, "README.md", 2),
                  ({"lib/a.c": SPDX + "/* FIX" + "ME */\n"}, "lib/a.c", 2),
                  ({"tests/a.py": "x = '/home/" + "me/x'\n"}, "tests/a.py", 1)],
    "spdx": [({"lib/a.c": "int x;\n"}, "lib/a.c", 1), ({"tools/a.sh": "ls\n"}, "tools/a.sh", 1)],
    "header-intro": [({"dp/a.h": SPDX + "#ifndef A\n#define A\n#endif\n"}, "dp/a.h", 2)],
    "scripts": [({"tests/a.py": "x = 1\ndef f(:\n"}, "tests/a.py", 2),
                ({"tools/a.sh": "if true; then\n"}, "tools/a.sh", 2)],
    "mutants": [({"tests/sim/mutants/a.sed": "# what: x\n# file: dp/a.c\ns/seven/8/\n", "dp/a.c": SPDX}, "tests/sim/mutants/a.sed", 1),
                ({"tests/sim/mutants/a.sed": "# what: x\n# file: dp/gone.c\ns/a/b/\n"}, "tests/sim/mutants/a.sed", 1)],
    "mutable-data": [
        ({"lib/a.c": SPDX + "int g(void);\nint\ng(void)\n{\n\tstatic int n;\n\treturn ++n;\n}\n"},
         "lib/a.c", None),
        ({"dp/a.c": SPDX + "extern int counter;\nint counter = 4;\n"}, "dp/a.c", 3),
        ({"dp/a.c": SPDX + "extern __thread int each;\n__thread int each;\n"}, "dp/a.c", None)],
    "constructors": [
        ({"cp/a.c": SPDX + "extern int x;\nvoid f(void);\n"
                        "__attribute__((constructor)) void\nf(void)\n{\n\tx++;\n}\n"},
         "cp/a.c", 1)],
    "header-alone": [({"lib/a.h": SPDX + INTRO + "uint32_t f(void);\n"}, "lib/a.h", 3)],
    "clang-format": [({"lib/a.c": SPDX + "int f( void );\n"}, "lib/a.c", 2)],
    "clang-tidy": [
        ({"lib/a.c": SPDX + "#include <string.h>\nint f(const char *s);\nint\nf(const char *s)\n{\n"
                     "\tchar *p = 0;\n\tif (s)\n\t\treturn *p;\n\treturn 0;\n}\n"}, "lib/a.c", 9)],
    "cppcheck": [
        ({"lib/a.c": SPDX + "int f(void);\nint\nf(void)\n{\n\tint a[2] = { 0, 0 };\n"
                     "\treturn a[2];\n}\n"}, "lib/a.c", 7)],
}


def write_tree(root, files):
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(TOP / name, root / name)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        obj = root / "build" / "obj" / (name[:-2] + ".o")
        if name.endswith(".c"):
            obj.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-g", "-O2", "-I.", "-c", name, "-o", str(obj)], cwd=root,
                           capture_output=True)


def check(rule, files, context):
    tree_class, run_rule = context
    with tempfile.TemporaryDirectory(prefix="lint-") as scratch:
        root = Path(scratch)
        write_tree(root, files)
        return run_rule(rule, tree_class(root, cflags=["-std=gnu11", "-I."]))


def main(tree_class, run_rule, rules):
    passed = failed = 0
    context = (tree_class, run_rule)

    def verdict(good, text):
        nonlocal passed, failed
        passed += good
        failed += not good
        if not good:
            print(f"lint self-test: {text}")

    good_tree = {"lib/good.h": GOOD_HEADER, "lib/good.c": GOOD_SOURCE}
    for rule in rules:
        found = check(rule, good_tree, context)
        verdict(not found.errors, f"{rule} refuses the good sample: {found.errors}")
        verdict(rule in BAD, f"{rule} has no bad sample")
        for files, name, line in BAD.get(rule, []):
            errors = check(rule, files, context).errors
            hit = any(e[0] == name and line in (None, e[1]) for e in errors)
            verdict(hit, f"{rule} lets a bad {name}:{line} pass; found {errors}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
