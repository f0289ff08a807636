#!/usr/bin/env python3
"""The rules of the house, as far as a machine can judge them. `./dev check` runs this; tools/check_test.py shows for every
rule that it can fail. A rule is a function that takes a Tree and yields Faults; its docstring is what --help prints."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, NamedTuple


class Fault(NamedTuple):
    path: str
    line: int  # 0: the file as a whole
    text: str


class Tree:
    """The files of a checkout that git tracks or would track, read once."""

    def __init__(self, root: Path):
        self.root = root
        try:
            listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                                    capture_output=True, check=True).stdout.decode().split("\0")
        except (OSError, subprocess.CalledProcessError):  # no checkout, or one that belongs to somebody else
            listed = [str(p.relative_to(root)) for p in root.rglob("*")]
            listed = [f for f in listed if not f.startswith((".git/", ".cache/", "build/", "data/"))]
        self.files = sorted({f for f in listed if f and (root / f).is_file()})
        self._texts: dict[str, str] = {}

    def text(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self._texts[path]

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        return enumerate(self.text(path).split("\n"), 1)

    def sources(self, *tops: str) -> list[str]:
        return [f for f in self.files if f.endswith((".h", ".cpp")) and f.startswith(tops or ("",))]

    def block(self, language: str) -> list[tuple[int, str, list[str]]]:
        """Lines `name: word word` of the fenced block of that language in ARCHITECTURE.md."""
        rows, inside = [], False
        for number, line in self.lines("ARCHITECTURE.md") if "ARCHITECTURE.md" in self.files else []:
            if line.startswith("```"):
                inside = line.strip() == "```" + language
            elif inside and ":" in line:
                name, _, words = line.partition(":")
                rows.append((number, name.strip(), words.split()))
        return rows


def is_test(path: str) -> bool:
    return path.endswith(("_test.cpp", "_test.h"))


class Rooms:
    """Who may include whom, as the block `arrows` says."""

    def __init__(self, tree: Tree):
        self.rows = tree.block("arrows")
        self.names = [name for _, name, _ in self.rows]
        self.allowed = {name: self.expand(words) for _, name, words in self.rows}

    def expand(self, words: list[str]) -> set[str]:
        rooms: set[str] = set()
        for word in words:
            if word.endswith("/*"):
                top = word[:-2]
                rooms.update(n for n in self.names if n == top or n.startswith(top + "/"))
            else:
                rooms.add(word)
        return rooms

    def of(self, path: str) -> str | None:
        """The innermost room that a path below src/ stands in."""
        inside = [n for n in self.names if path.startswith(n + "/")]
        return max(inside, key=len) if inside else None


INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def arrows(tree: Tree) -> Iterator[Fault]:
    """a room includes only itself and the rooms that the block `arrows` in ARCHITECTURE.md allows"""
    rooms = Rooms(tree)
    if not rooms.names:
        yield Fault("ARCHITECTURE.md", 0, "holds no block ```arrows")
        return
    for path in tree.sources("src/"):
        here = rooms.of(path.removeprefix("src/"))
        if here is None:
            yield Fault(path, 0, "stands in no room that the block `arrows` of ARCHITECTURE.md names")
            continue
        for number, line in tree.lines(path):
            found = INCLUDE.match(line)
            if not found or found[1] == "<" or found[2].endswith(".pb.h"):
                continue
            target = found[2]
            if "src/" + target not in tree.files:
                if not (is_test(path) and target.startswith("tests/") and target in tree.files):
                    yield Fault(path, number, f'"{target}" is no file below src/ (includes are written from there)')
                continue
            there = rooms.of(target)
            if there != here and there not in rooms.allowed[here]:
                yield Fault(path, number, f"no arrow leads from {here} to {there}")


def circles(tree: Tree) -> Iterator[Fault]:
    """the arrows of ARCHITECTURE.md name known rooms and never lead back to where they began"""
    rooms = Rooms(tree)
    state: dict[str, str] = {}

    def visit(name: str, way: list[str]) -> Iterator[str]:
        if state.get(name) == "open":
            yield " → ".join(way[way.index(name):] + [name])
        if name in state:
            return
        state[name] = "open"
        for other in sorted(rooms.allowed.get(name, ())):
            if other != name:
                yield from visit(other, way + [name])
        state[name] = "done"

    for number, name, words in rooms.rows:
        for other in sorted(rooms.expand(words) - set(rooms.names)):
            yield Fault("ARCHITECTURE.md", number, f"{name} points to {other}, which is no room")
        for circle in visit(name, []):
            yield Fault("ARCHITECTURE.md", number, f"circle: {circle}")


def fences(tree: Tree) -> Iterator[Fault]:
    """an outside library is included only where the block `fences` in ARCHITECTURE.md allows it"""
    rooms = Rooms(tree)
    rows = [(prefix, rooms.expand(words)) for _, prefix, words in tree.block("fences")]
    for path in tree.sources("src/"):
        here = rooms.of(path.removeprefix("src/"))
        if is_test(path) or here is None:
            continue
        for number, line in tree.lines(path):
            found = INCLUDE.match(line)
            for prefix, allowed in rows if found else ():
                hit = found[2].endswith(prefix) if prefix.startswith(".") else found[2].startswith(prefix)
                if hit and here not in allowed:
                    yield Fault(path, number, f"{found[2]} stops at {', '.join(sorted(allowed))}")


def contracts(tree: Tree) -> Iterator[Fault]:
    """a header under src/ begins with its path and a paragraph that says what it is and promises, then #pragma once"""
    for path in tree.sources("src/"):
        if not path.endswith(".h"):
            continue
        lines = tree.text(path).split("\n")
        name = "// " + path.removeprefix("src/")
        if lines[0] != name:
            yield Fault(path, 1, f"the first line must be `{name}`")
        elif len(lines) < 3 or lines[1] != "//" or not re.match(r"// \S+ \S+", lines[2]):
            yield Fault(path, 2, "after the path come `//` and a paragraph that says what this is and promises")
        if "\n#pragma once\n" not in tree.text(path):
            yield Fault(path, 0, "lacks #pragma once")


def links(tree: Tree) -> Iterator[Fault]:
    """a relative link in a Markdown file leads to a file, and its #part to a heading there"""
    def headings(path: str) -> set[str]:
        found = re.findall(r"^#+ +(.+?)\s*$", tree.text(path), re.M)
        return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in found}

    for path in tree.files:
        if not path.endswith(".md"):
            continue
        fenced = False
        for number, line in tree.lines(path):
            fenced ^= line.lstrip().startswith("```")
            if fenced:
                continue
            for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                file, _, part = target.partition("#")
                there = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
                if not (tree.root / there).exists():
                    yield Fault(path, number, f"the link {target} leads nowhere")
                elif part and there.endswith(".md") and part not in headings(there):
                    yield Fault(path, number, f"{there} has no heading #{part}")


SETTINGS = "src/app/settings.cpp"
NOT_OURS = {"HOME", "PATH", "USER", "TERM", "TMPDIR", "COLUMNS", "NO_COLOR", "NOTIFY_SOCKET", "XDG_DATA_HOME", "XDG_CONFIG_HOME"}


def environment(tree: Tree) -> Iterator[Fault]:
    """the settings of src/app/settings.cpp and .env.example name the same variables and defaults; nobody else reads the environment"""
    for path in tree.sources("src/"):
        if path.startswith("src/app/") or is_test(path):
            continue
        for number, line in tree.lines(path):
            if re.search(r"\b(secure_)?getenv\s*\(", line):
                yield Fault(path, number, "the environment is read in app/ only, which hands options to the rooms")
    if SETTINGS not in tree.files or ".env.example" not in tree.files:
        return
    read: dict[str, int] = {}
    for number, line in tree.lines(SETTINGS):
        for name in re.findall(r'(?:\{\s*|getenv\s*\(\s*)"([A-Z][A-Z0-9_]{2,})"', line):
            read.setdefault(name, number)
    told: dict[str, int] = {}
    for number, line in tree.lines(".env.example"):
        if found := re.match(r"#?([A-Z][A-Z0-9_]{2,})=", line):
            told.setdefault(found[1], number)
    for name in sorted(read.keys() - told.keys() - NOT_OURS):
        yield Fault(SETTINGS, read[name], f"{name} is read here and missing in .env.example")
    rows = re.findall(r'\{\s*"([A-Z][A-Z0-9_]{2,})",\s*SettingKind::(\w+),\s*"([^"]*)"', tree.text(SETTINGS))
    secrets = {name for name, kind, _ in rows if kind == "secret"}  # these alone can come from a file, as NAME_FILE
    for name, _, value in rows:
        line = f"{name}={value}" if value else f"#{name}="
        if name in told and not re.search(rf"^{re.escape(line)}{'$' if value else ''}", tree.text(".env.example"), re.M):
            yield Fault(".env.example", told[name], f"the default of {name} is {repr(value) if value else 'empty: comment it out'}")
    for name in sorted(told.keys() - read.keys()):
        if name.removesuffix("_FILE") not in secrets:
            yield Fault(".env.example", told[name], f"{name} is told here and no row of {SETTINGS} reads it")


ATOMICS = ("src/base/", "src/cache/", "src/clients/redis/wire/", "src/clients/pulsar/wire/")


def atomics(tree: Tree) -> Iterator[Fault]:
    """bare std::atomic stands in base/, cache/ and the wires of redis and pulsar only; elsewhere it is Guarded<T>"""
    for path in tree.sources("src/"):
        if path.startswith(ATOMICS) or is_test(path):
            continue
        for number, line in tree.lines(path):
            if re.search(r"\bstd::atomic\b|\bstd::atomic_|include <atomic>", line.split("//")[0]):
                yield Fault(path, number, "bare atomic outside base/ and cache/: use Guarded<T>")


def length(tree: Tree) -> Iterator[Fault]:
    """no file under src/ is longer than 700 lines (100 to 300 is what we aim at)"""
    for path in tree.sources("src/"):
        count = tree.text(path).count("\n")
        if count > 700:
            yield Fault(path, 0, f"{count} lines: this is asking to be two files")


def drawers(tree: Tree) -> Iterator[Fault]:
    """no file or folder is called utils, common, helpers, manager or misc (proto/ aside: there names are the contract)"""
    for path in tree.files:
        if path.startswith("proto/"):
            continue
        for part in Path(path).parts:
            if re.fullmatch(r"(utils?|common|helpers?|managers?|misc)", part.split(".")[0], re.I):
                yield Fault(path, 0, f"`{part}` says nothing about what is inside")


def leftovers(tree: Tree) -> Iterator[Fault]:
    """no note to oneself is left in the code"""
    for path in tree.files:
        if not (path.endswith((".h", ".cpp", ".py", ".sh", ".cmake", ".proto", ".sql", ".yaml", ".yml")) or path == "dev"):
            continue
        for number, line in tree.lines(path):
            if re.search(r"\b(TO" r"DO|FIX" r"ME)\b", line):
                yield Fault(path, number, "do it or leave it; open work does not live in the code")


def held_locks(tree: Tree) -> Iterator[Fault]:
    """a range-for names the lock that it walks under: one that has no name is given back before the first step (C++20)"""
    for path in tree.files:
        if path.endswith((".h", ".cpp")):
            for number, line in tree.lines(path):
                header = re.search(r"\bfor \([^;:]*(?:::[^;:]*)*[^:]:[^:](.*)", line)
                if header and re.match(r"[*\w.>()\[\]-]*\block\(\)", header[1].strip()):
                    yield Fault(path, number, "the lock is given back before the first step: name it, or use with()")


def decisions(tree: Tree) -> Iterator[Fault]:
    """a file in docs/decisions has a number of its own, a line in the README there, and the parts Context, Decision and Price"""
    index = "docs/decisions/README.md"
    numbers: dict[str, str] = {}
    for path in tree.files:
        if not path.startswith("docs/decisions/") or path.endswith("README.md"):
            continue
        found = re.fullmatch(r"docs/decisions/(\d{4})-[a-z0-9-]+\.md", path)
        if not found:
            yield Fault(path, 0, "is not called NNNN-what-it-is-about.md")
            continue
        if found[1] in numbers:
            yield Fault(path, 0, f"has the number of {numbers[found[1]]}")
        numbers[found[1]] = path
        if f"]({Path(path).name})" not in (tree.text(index) if index in tree.files else ""):
            yield Fault(path, 0, f"is missing in {index}")
        for part in ("Context", "Decision", "Price"):
            if f"\n## {part}\n" not in tree.text(path):
                yield Fault(path, 0, f"lacks the part `## {part}`")


def scripts(tree: Tree) -> Iterator[Fault]:
    """shell and Python scripts can at least be read by their interpreters"""
    for path in tree.files:
        first = tree.text(path).split("\n", 1)[0] if path.endswith((".sh", ".py")) or "." not in Path(path).name else ""
        if path.endswith(".py"):
            try:
                compile(tree.text(path), path, "exec")
            except SyntaxError as fault:
                yield Fault(path, fault.lineno or 0, str(fault.msg))
        elif first.startswith("#!") and "bash" in first:
            run = subprocess.run(["bash", "-n", str(tree.root / path)], capture_output=True, text=True)
            if run.returncode:
                yield Fault(path, 0, run.stderr.strip())


def format(tree: Tree) -> Iterator[Fault]:
    """clang-format-19 would change nothing"""
    style = (tree.root / ".clang-format").read_bytes() if (tree.root / ".clang-format").exists() else b""
    memory = tree.root / ".cache" / "check" / "formatted"  # digests of what was found in order before
    known = set(memory.read_text().split()) if memory.exists() else set()
    digest = {f: hashlib.sha256(style + b"\0" + tree.text(f).encode()).hexdigest() for f in tree.sources()}
    fresh = [f for f in digest if digest[f] not in known]

    def judge(path: str) -> str:
        run = subprocess.run(["clang-format-19", "--dry-run", "--Werror", path], cwd=tree.root, capture_output=True, text=True)
        return "" if run.returncode == 0 else run.stderr or "clang-format-19 failed"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = dict(zip(fresh, pool.map(judge, fresh)))
    for path, answer in answers.items():
        if answer:
            found = re.search(r":(\d+):\d+: ", answer)
            yield Fault(path, int(found[1]) if found else 0, "differs from clang-format-19 (clang-format-19 -i does it)")
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text("\n".join(sorted(d for f, d in digest.items() if not answers.get(f))) + "\n")


RULES = [arrows, circles, fences, contracts, links, environment, atomics, length, drawers, leftovers, held_locks, decisions, scripts, format]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev check", description="Checks the rules of the house, in seconds:",
                                     epilog="\n".join(f"  {r.__name__:12} {r.__doc__}" for r in RULES),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rules", nargs="*", help="only these rules")
    wanted = parser.parse_args().rules
    if unknown := set(wanted) - {r.__name__ for r in RULES}:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    tree = Tree(Path(__file__).resolve().parent.parent)
    faults = [(rule.__name__, fault) for rule in RULES if not wanted or rule.__name__ in wanted for fault in rule(tree)]
    for name, fault in faults:
        print(f"{fault.path}{':' + str(fault.line) if fault.line else ''}: [{name}] {fault.text}")
    print(f"check: {len(wanted) or len(RULES)} rules, {len(tree.files)} files, {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
