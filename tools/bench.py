#!/usr/bin/env python3
"""bench.py NAME [ARGUMENT…]: runs build/release/bench/NAME, hands its figures through, and keeps them in bench/RESULTS.md.

A benchmark writes its table for people to stderr and to stdout one JSON object a figure:
{"bench":…,"case":…,"value":…,"unit":…,"peer":…,"peer_value":…,"ratio":…}; a ratio above 1 means better than the peer."""

import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "RESULTS.md"
HEAD = """# Results

The last run of each benchmark, with the machine it ran on. Figures of different machines do not compare; ratios to a peer
that ran beside ours do. `./dev bench NAME` writes the section of NAME anew.
"""


def machine() -> str:
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return (f"{os.cpu_count()} × {cpu[1] if cpu else platform.machine()}, "
            f"{int(memory[1]) / 2**20 if memory else 0:.0f} GiB, Linux {platform.release()}")


def commit() -> str:
    run = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return run.stdout.strip() or "unknown"


def number(value) -> str:
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def section(name: str, command: str, figures: list[dict]) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = [f"## {name}", "", f"{now} · {machine()} · commit {commit()} · `{command}`", ""]
    lines += ["| case | value | unit | peer | its value | ratio |", "|---|--:|---|---|--:|--:|"]
    for f in figures:
        lines.append(f"| {f['case']} | {number(f.get('value'))} | {f.get('unit', '')} | {f.get('peer') or ''} | "
                     f"{number(f.get('peer_value'))} | {number(f.get('ratio'))} |")
    return "\n".join(lines) + "\n"


def keep(name: str, text: str) -> None:
    old = RESULTS.read_text() if RESULTS.exists() else HEAD
    parts = re.split(r"^(?=## )", old, flags=re.M)
    kept = {re.match(r"## (.+)", p)[1]: p for p in parts[1:]}
    kept[name] = text
    RESULTS.write_text(parts[0].rstrip() + "\n\n" + "\n".join(kept[n].rstrip() + "\n" for n in sorted(kept)))


def main() -> int:
    name, arguments = sys.argv[1], sys.argv[2:]
    figures = []
    with subprocess.Popen([str(ROOT / "build" / "release" / "bench" / name), *arguments], stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                figures.append(json.loads(line))
    if run.returncode:
        return run.returncode if run.returncode > 0 else 128 - run.returncode
    if not figures:
        print(f"./dev bench: {name} gave no figure", file=sys.stderr)
        return 1
    for title in dict.fromkeys(f.get("bench", name) for f in figures):  # a program may hold several benchmarks
        keep(title, section(title, " ".join(["./dev bench", name, *arguments]),
                            [f for f in figures if f.get("bench", name) == title]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
