# SPDX-License-Identifier: Apache-2.0
"""Lint rules that read the sources themselves."""
import ast
import re
import subprocess

# ---- the bounds -----------------------------------------------------------------------------
FILE_WARN, FILE_FAIL = 500, 800
FUNCTION_WARN, FUNCTION_FAIL = 60, 100
PARAMETERS = 5
COMPLEXITY = 25

# The dp/ headers that are made for the control side.
DP_HEADERS_FOR_CP = {
    "dp/snapshot.h", "dp/worker.h", "dp/drops.h", "dp/stats.h", "dp/port.h", "dp/handoff.h",
    "dp/l4/connection_memory.h",
    "dp/capture.h", "dp/l7/http.h", "dp/l7/record.h", "dp/l7/settings.h", "dp/proxy/proxy.h", "dp/tcp/tcp.h",
    "dp/l7/route.h", "dp/l7/route_table.h", "dp/proxy/server_names.h", "dp/tls/jobs.h", "dp/tls/tls.h",
    "dp/packet.h",  # the private area of the packet buffers that ports.c makes
}
# Whose project headers each folder may include; cp/ gets the list above on top.
LAYERS = {
    "lib": ("lib/",),
    "dp": ("lib/", "dp/"),
    "cp": ("lib/", "cp/"),
    "tools": ("lib/", "tools/"),
}
GENERATED_HEADERS = {"version.h"}
# Libraries that a folder must not know.
FOREIGN = {
    "lib": r"rte_|jansson|libconfig|libmnl|microhttpd|mbedtls/|psa/|linux/|sys/socket",
    "dp": r"jansson|libconfig|libmnl|microhttpd|mbedtls/|psa/",
    "tools": r"rte_|libconfig|libmnl|microhttpd|mbedtls/|psa/",
}
# Functions whose parameters a library dictates: "file:function".
PARAMETERS_ALLOWED = {"cp/admin/metrics_server.c:on_request", "cp/tls/handshake.c:on_secret",
                      "cp/tls/arithmetic_openssl.c:mbedtls_rsa_rsassa_pss_sign_no_mode_check"}

C_FOLDERS = ("lib/", "dp/", "cp/", "tools/", "tests/", "bench/")
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "case", "typeof",
            "__typeof__", "_Alignas", "alignas", "_Static_assert", "static_assert", "defined",
            "__attribute__", "_Generic", "__aligned"}


def blank(text):
    """The text with comments, strings and preprocessor lines as spaces: same lines, same columns."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", spaces, text,
                  flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", spaces, text, flags=re.M)


def closing(text, at, pair):
    """The index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] == pair[0]:
            depth += 1
        elif text[i] == pair[1]:
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def count_parameters(inside):
    """How many; a format's arguments (... or their va_list) do not count."""
    inside = inside.strip()
    if inside in ("", "void"):
        return 0
    depth = commas = 0
    for char in inside:
        depth += char in "([{"
        depth -= char in ")]}"
        commas += char == "," and depth == 0
    return commas + 1 - bool(re.search(r",\s*(\.\.\.|va_list\s+\w+)\s*$", inside))


def functions(text):
    """Yield (name, line, parameters, lines, is_definition) of what stands at file scope."""
    code = blank(text)
    at = 0
    token = re.compile(r"[{]|\b([A-Za-z_]\w*)\s*\(")
    while True:
        match = token.search(code, at)
        if not match:
            return
        if match.group(0) == "{":
            at = closing(code, match.start(), "{}") + 1
            continue
        name, open_paren = match.group(1), match.end() - 1
        close = closing(code, open_paren, "()")
        at = close + 1
        if name in KEYWORDS or name.isupper():
            continue
        tail = re.match(r"(?:\s|__\w+(?:\([^)]*\))*|\bconst\b)*([{;])", code[at:])
        if not tail:
            continue
        line = code.count("\n", 0, match.start()) + 1
        parameters = count_parameters(code[open_paren + 1:close])
        if tail.group(1) == ";":
            yield name, line, parameters, 0, False
            continue
        end = closing(code, at + tail.end() - 1, "{}")
        yield name, line, parameters, code.count("\n", match.start(), end) + 1, True
        at = end + 1


def c_files(tree):
    return tree.select(".c", ".h", under=C_FOLDERS)


def file_lines(tree, found):
    """A file has at most 800 lines; from 500 it is told."""
    for name in tree.select(".c", ".h", ".py", ".sh"):
        lines = tree.text(name).count("\n")
        if lines > FILE_FAIL:
            found.error(name, lines, f"{lines} lines, the bound is {FILE_FAIL}")
        elif lines > FILE_WARN:
            found.warn(name, lines, f"{lines} lines; aim below {FILE_WARN}")


def function_lines(tree, found):
    """A function has at most 100 lines; from 60 it is told."""
    for name in c_files(tree):
        for function, line, _, lines, _ in functions(tree.text(name)):
            if lines > FUNCTION_FAIL:
                found.error(name, line, f"{function} has {lines} lines, the bound is {FUNCTION_FAIL}")
            elif lines > FUNCTION_WARN:
                found.warn(name, line, f"{function} has {lines} lines; aim below {FUNCTION_WARN}")


def parameters(tree, found):
    """A function has at most 5 parameters (... not counted); more want a context struct."""
    for name in c_files(tree):
        for function, line, count, _, _ in functions(tree.text(name)):
            stands_for_another = function.startswith("__wrap_")  # ld's --wrap
            if count > PARAMETERS and not stands_for_another and f"{name}:{function}" not in PARAMETERS_ALLOWED:
                found.error(name, line, f"{function} has {count} parameters, "
                                        f"the bound is {PARAMETERS}")


def complexity(tree, found):
    """The cyclomatic complexity of a function is at most 25 (pmccabe)."""
    files = c_files(tree)
    if not files:
        return
    out = subprocess.run(["pmccabe", *files], cwd=tree.root, capture_output=True, text=True)
    for row in out.stdout.splitlines():
        match = re.match(r"\d+\s+(\d+)\s+\d+\s+\d+\s+\d+\s+(.+)\((\d+)\): (\S+)", row)
        if match and int(match[1]) > COMPLEXITY:
            found.error(match[2], int(match[3]),
                        f"{match[4]} has complexity {match[1]}, the bound is {COMPLEXITY}")
    if out.returncode != 0:
        found.error("pmccabe", 0, out.stderr.strip() or "failed")


def layering(tree, found):
    """lib/ knows nobody, dp/ uses lib/, cp/ uses lib/ and listed dp/ headers, tools/ uses lib/."""
    for name in tree.select(".c", ".h", under=[f"{layer}/" for layer in LAYERS]):
        layer = name.split("/")[0]
        for number, row in enumerate(tree.text(name).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', row)
            if not match:
                continue
            kind, header = match.groups()
            if kind == "<":
                if layer in FOREIGN and re.match(FOREIGN[layer], header):
                    found.error(name, number, f"{layer}/ must not know <{header}>")
                continue
            allowed = header in GENERATED_HEADERS or header.startswith(LAYERS[layer]) or (
                layer == "cp" and header in DP_HEADERS_FOR_CP)
            if not allowed:
                found.error(name, number, f'{layer}/ must not include "{header}"')


def nested_ternary(tree, found):
    """No conditional expression inside a conditional expression."""
    for name in c_files(tree):
        code = blank(tree.text(name))
        for match in re.finditer(r"\?", code):
            depth = 0
            for char in code[match.end():match.end() + 2000]:
                depth += char in "([{"
                depth -= char in ")]}"
                if depth < 0 or (depth == 0 and char in ",;"):
                    break
                if char == "?":
                    found.error(name, code.count("\n", 0, match.start()) + 1, "nested ternary")
                    break


def conditional_code(tree, found):
    """A feature is a flag or a file, never an #if inside a function."""
    for name in tree.select(".c", ".h", under=[f"{layer}/" for layer in LAYERS]):
        text = tree.text(name)
        bodies = [(line, line + lines) for _, line, _, lines, is_body in functions(text) if is_body]
        for number, row in enumerate(text.splitlines(), 1):
            # The byte order is no feature.
            if re.match(r"\s*#\s*if(?!.*__BYTE_ORDER__)", row) and any(
                    a < number < b for a, b in bodies):
                found.error(name, number, "#if inside a function")


def leftovers(tree, found):
    """No marks of unfinished work, and no paths of one person's machine."""
    marks = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME")) + r")\b")
    paths = re.compile(r"(?<![\w.$}{)/-])/(?:work|home|root|Users|tmp/ps)/\w+")
    for name in tree.files:
        data = (tree.root / name).read_bytes()
        if b"\0" in data:
            continue
        for number, row in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if marks.search(row):
                found.error(name, number, f"mark of unfinished work: {marks.search(row)[0]}")
            if paths.search(row):
                found.error(name, number, f"path of one machine: {paths.search(row)[0]}")


def spdx(tree, found):
    """Each source file names its licence in its first three lines."""
    sources = tree.select(".c", ".h", ".py", ".sh") + [f for f in tree.files if f == "Makefile"]
    for name in sources:
        text = tree.text(name)
        if text.strip() and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(
                text.splitlines()[:3]):
            found.error(name, 1, "no SPDX-License-Identifier: Apache-2.0")


def header_intro(tree, found):
    """A header of the programs begins with a comment that says what the thing is."""
    for name in tree.select(".h", under=[f"{layer}/" for layer in LAYERS]):
        body = re.sub(r"\A/\* SPDX[^\n]*\n\s*", "", tree.text(name))
        comment = re.match(r"/\*(.*?)\*/", body, flags=re.S)
        if not comment or len(comment[1].split()) < 8:
            found.error(name, 2, "begins without saying what it is, who owns it, on which thread")


def scripts(tree, found):
    """Python and shell scripts parse."""
    for name in tree.select(".py"):
        try:
            ast.parse(tree.text(name), filename=name)
        except SyntaxError as error:
            found.error(name, error.lineno or 1, error.msg)
    shell = tree.select(".sh") + [f for f in tree.files if f == ".ci/run"]
    for name in shell:
        out = subprocess.run(["bash", "-n", name], cwd=tree.root, capture_output=True, text=True)
        if out.returncode != 0:
            line = re.search(r"line (\d+)", out.stderr)
            found.error(name, int(line[1]) if line else 1, out.stderr.strip())


def mutants(tree, found):
    """Each mutant of the TCP simulation still changes the file that it names (make sim-mutants says whether that is noticed)."""
    for name in tree.select(".sed", under=["tests/sim/mutants/"]):
        file = re.search(r"^# file: (\S+)$", tree.text(name), flags=re.M)
        if not file or file[1] not in tree.files:
            found.error(name, 1, "names no file that is there")
            continue
        out = subprocess.run(["sed", "-f", name, file[1]], cwd=tree.root, capture_output=True, text=True)
        if out.returncode != 0:
            found.error(name, 1, out.stderr.strip())
        elif out.stdout == tree.text(file[1]):
            found.error(name, 1, f"changes nothing in {file[1]} any more")


RULES = {
    "file-lines": file_lines,
    "function-lines": function_lines,
    "parameters": parameters,
    "complexity": complexity,
    "layering": layering,
    "nested-ternary": nested_ternary,
    "ifdef": conditional_code,
    "leftovers": leftovers,
    "spdx": spdx,
    "header-intro": header_intro,
    "scripts": scripts,
    "mutants": mutants,
}
