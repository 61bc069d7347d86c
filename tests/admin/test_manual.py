# SPDX-License-Identifier: Apache-2.0
"""The manual pages and the completion say everything that the programs have."""
import os
import re
import subprocess
from pathlib import Path

from daemon import BUILD, PENSTOCKD, Daemon, cli, config

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: BUILD / "man" / name for name in ("penstock.1", "penstock.conf.5", "penstockd.8")}


def plain(name):
    """A page's source without roff's escapes for letters and fonts."""
    text = PAGES[name].read_text(encoding="utf-8")
    return re.sub(r"\\f[BIRP]", "", text).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def missing(wanted, text):
    return [w for w in wanted if not re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", text)]


def pages(t, _folder):
    for name, path in PAGES.items():
        with t(f"{name}: mandoc finds no mistake"):
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(path)],
                                  capture_output=True, text=True, timeout=60, check=False)
            lines = [line for line in done.stdout.splitlines() if "missing date" not in line]
            assert not lines, lines
            assert not re.search(r"^@[A-Z]+@$", path.read_text(), re.M), "a part is missing"


def settings(t, _folder):
    good = ROOT / "tests/conf/good"
    conf = "".join((good / name).read_text() for name in ("every-key.conf", "http-every-key.conf", "tls-passthrough.conf", "tls-every-key.conf",
                                                              "tls-pools.conf"))
    conf = re.sub(r'"[^"]*"', '""', conf)
    used = set(re.findall(r"(\w+)\s*[=:]", conf))
    page = plain("penstock.conf.5").split("FORWARDING MODES")[0]
    named = set(re.findall(r"^\.TP\n(\w+)", page, re.M)) | {
        part for path in re.findall(r"^\.S[HS] ([a-z_.0-9]+)(?: = \(|:)", page, re.M)
        for part in path.split(".")}
    with t("every setting of a configuration that has them all is in penstock.conf(5)"):
        assert used and not used - named, used - named
    with t("every setting of penstock.conf(5) is in the configuration that has them all"):
        assert not named - used, named - used
    with t("conf/penstock.conf, http.conf, https.conf and tls-passthrough.conf have every setting"):
        example = "".join((ROOT / "conf" / name).read_text()
                          for name in ("penstock.conf", "http.conf", "https.conf", "tls-passthrough.conf"))
        assert not missing(used, example), missing(used, example)


def commands(t, _folder):
    usage = cli("--help").stdout
    names = set(re.findall(r"^  ([a-z]+)\b", usage, re.M))
    options = set(re.findall(r"--[a-z-]+", usage))
    page = plain("penstock.1")
    completion = (ROOT / "tools/completion/penstock.bash").read_text()
    readme = (ROOT / "README.md").read_text()
    with t("every command is in penstock(1)"):
        assert len(names) > 10 and not missing(names, page), missing(names, page)
    with t("every command and option is completed"):
        assert not missing(names | options, completion), missing(names | options, completion)
    with t("every option is in penstock(1)"):
        assert not missing(options - {"--help"}, page), missing(options, page)
    with t("every command is in the README"):
        assert not missing(names, readme), missing(names, readme)
    source = (ROOT / "cp/admin/command.c").read_text()
    objects = set(re.findall(r'\{ "(\w+)", show_\w+ \}', source)) | {"connections", "clients"}
    told = re.search(r'"object: must be one of (.*?)\)', source, re.S)[1]
    with t("everything that can be shown is named where something else is asked for"):
        assert set(re.findall(r"\w+", told)) == objects, (told, objects)
    with t("everything that can be shown is in penstock(1), completed, in --help and in the README"):
        assert "services" in objects, objects
        for text in (page, completion, usage, readme.split("## Commands")[1]):
            assert not missing(objects, text), missing(objects, text)


def daemon_page(t, folder):
    usage = subprocess.run([PENSTOCKD, "--help"], capture_output=True, text=True, timeout=60,
                           check=True).stdout
    options = set(re.findall(r"--[a-z]+", usage))
    page = plain("penstockd.8")
    completion = (ROOT / "tools/completion/penstock.bash").read_text()
    with t("every option of penstockd is in its page and completed"):
        assert not missing(options, page), missing(options, page)
        assert not missing(options, completion), missing(options, completion)
    source = "\n".join(p.read_text() for p in sorted((ROOT / "cp").rglob("*.c")))
    events = set(re.findall(r'log_event\(\s*LOG_LEVEL_\w+,\s*"([a-z-]+)"', source))
    events |= set(re.findall(r'"((?:backend|pool|log)-[a-z-]+)"', source))
    with t("every event of the log is in penstockd(8)"):
        assert len(events) > 10 and not missing(events, page), missing(events, page)
    with Daemon(folder, config()) as d:
        with t("every drop reason is in penstock(1)"):
            reasons = [row["reason"] for row in d.show("drops")]
            drops = plain("penstock.1").split("DROP REASONS")[1]
            assert not missing(reasons, drops), missing(reasons, drops)
    with t("a part of the manual that there is not: wrong usage"):
        done = subprocess.run([PENSTOCKD, "--manual", "nonsense"], capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == 2


def installed(t, folder):
    """What is built already is installed: nothing is built again, nothing outside the folder is touched."""
    to, log = folder / "to", folder / "log"
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    with t("make install: programs, manual, service unit, completion, where PREFIX and DESTDIR say"):
        with open(log, "w", encoding="utf-8") as out:
            done = subprocess.run(["make", "-s", "-o", "all", "-C", str(ROOT), "install", f"B={BUILD}", f"DESTDIR={to}", "PREFIX=/opt/ps"],
                                  env=env, stdout=out, stderr=out, timeout=60, check=False)
        assert done.returncode == 0, log.read_text()
        files = {str(p.relative_to(to)) for p in to.rglob("*") if p.is_file()}
        wanted = {"opt/ps/sbin/penstockd", "opt/ps/bin/penstock", "lib/systemd/system/penstock.service",
                  "opt/ps/share/bash-completion/completions/penstock"}
        wanted |= {f"opt/ps/share/man/man{name[-1]}/{name}" for name in PAGES}
        assert wanted <= files, wanted - files
        assert {f.split("/share/doc/")[0] for f in files - wanted} == {"opt/ps"}, files - wanted
    with t("the service unit starts what was installed"):
        unit = (to / "lib/systemd/system/penstock.service").read_text()
        assert "\nExecStart=/opt/ps/sbin/penstockd " in unit and not re.search("@[A-Z]+@", unit), unit
        assert "/etc/penstock/penstock.conf" in unit and (to / "etc/penstock").is_dir(), unit
    with t("the tool finds the daemon beside it"):
        done = subprocess.run([to / "opt/ps/bin/penstock", "check", ROOT / "conf/nat.conf"], env={**env, "PATH": "/nonexistent"},
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


COMPLETE = """
_init_completion() { words=("${typed[@]}"); cword=$((${#words[@]} - 1))
	cur=${words[cword]} prev=${words[cword - 1]}; }
_filedir() { COMPREPLY=(a-file); }
source "$0"; typed=("$@")
"_$1"; printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*typed):
    """What bash offers for the last word."""
    done = subprocess.run(["bash", "-c", COMPLETE, str(ROOT / "tools/completion/penstock.bash"),
                           *typed], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr, done
    return set(done.stdout.split())


def completion(t, _folder):
    usage = cli("--help").stdout
    names = set(re.findall(r"^  ([a-z]+)\b", usage, re.M))
    with t("completion in bash: commands, the options of each, what can be shown"):
        assert names <= complete("penstock", ""), names - complete("penstock", "")
        assert complete("penstock", "ro") == {"rollback"}
        for name in names - {"show"}:
            assert "--socket" in complete("penstock", name, "-"), name
        assert {"services", "clients", "history"} <= complete("penstock", "show", "")
        assert "--limit" in complete("penstock", "show", "clients", "--")
        assert complete("penstock", "--socket", "x", "ch") == {"check"}
        assert complete("penstock", "apply", "") == {"a-file"}
        assert {"--dry-run", "--confirm"} <= complete("penstock", "apply", "f", "--")
        assert complete("penstockd", "--fo") == {"--foreground"}
        assert complete("penstockd", "--manual", "") == {"settings", "metrics", "drops"}


TESTS = (completion, pages, settings, commands, daemon_page, installed)
