#!/usr/bin/env python3
"""Shows that every command of ./dev explains itself, that a wrong word ends it with a reason, that what a new machine lacks
is asked for, and that figures are kept."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import bench  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = "setup build test check run bench fuzz up down clean".split()


def dev(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(ROOT / "dev"), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


class Dev(unittest.TestCase):
    def test_every_command_explains_itself_and_is_listed(self):
        listed = dev("--help").stdout
        for command in COMMANDS:
            with self.subTest(command):
                self.assertIn(f"\n  {command}", listed.replace(", down NAME", "\n  down"))
                asked = dev(command, "--help")
                self.assertEqual((0, ""), (asked.returncode, asked.stderr))
                self.assertIn(f"./dev {command}", asked.stdout)

    def test_a_wrong_word_ends_it_with_a_reason(self):
        for words in (["dance"], ["build", "fast"], ["test", "--fast"], ["check", "--fast"], ["bench", "no-such"],
                      ["fuzz", "no-such"], ["up"], ["up", "no-such"], ["setup", "no-such"]):
            with self.subTest(words):
                asked = dev(*words)
                self.assertNotEqual(0, asked.returncode)
                self.assertNotEqual("", asked.stderr + asked.stdout)


class Setup(unittest.TestCase):
    @unittest.skipUnless('VERSION="12 (bookworm)"' in Path("/etc/os-release").read_text(), "packages are known on Debian 12 alone")
    def test_a_machine_that_never_heard_of_a_package_gets_it(self):
        """As on a new machine: dpkg-query knows git only, says so with its exit code too, and apt-get is asked for the rest."""
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            (here / "tools").mkdir()
            (here / "programs").mkdir()
            shutil.copy(ROOT / "tools" / "setup.sh", here / "tools")
            programs = {"dpkg-query": "echo 'git installed'; exit 1", "apt-get": f'echo "$@" >>{here}/asked', "sudo": 'shift; "$@"'}
            for name, does in programs.items():
                program = here / "programs" / name
                program.write_text(f"#!/bin/sh\n{does}\n")
                program.chmod(0o755)
            path = f"{here}/programs:{os.environ['PATH']}"
            done = subprocess.run([str(here / "tools" / "setup.sh"), "check"], env={**os.environ, "PATH": path},
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
            self.assertEqual(0, done.returncode, done.stderr)
            asked = (here / "asked").read_text().split()
        self.assertIn("clang-format-19", asked)
        self.assertNotIn("git", asked)


class Bench(unittest.TestCase):
    FIGURE = {"bench": "cache", "case": "get/1M/2", "value": 24.5, "unit": "M/s", "peer": "moka", "peer_value": 0.9, "ratio": 27.2}

    def test_a_section_is_written_anew_and_the_others_stay(self):
        with tempfile.TemporaryDirectory() as folder:
            bench.RESULTS = Path(folder) / "RESULTS.md"
            bench.keep("lookup", "## lookup\n\nfirst\n")
            bench.keep("cache", bench.section("cache", "./dev bench cache", [self.FIGURE]))
            bench.keep("lookup", "## lookup\n\nsecond\n")
            text = bench.RESULTS.read_text()
        self.assertNotIn("first", text)
        self.assertLess(text.index("## cache"), text.index("## lookup\n\nsecond"))
        self.assertIn("| get/1M/2 | 24.5 | M/s | moka | 0.9 | 27.2 |", text)

    def test_a_figure_without_peer_leaves_its_columns_empty(self):
        text = bench.section("cache", "./dev bench cache", [{"case": "metadata_bytes", "value": 22, "unit": "B"}])
        self.assertIn("| metadata_bytes | 22 | B |  |  |  |", text)


if __name__ == "__main__":
    result = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=0, buffer="--quiet" in sys.argv).result
    sys.exit(0 if result.wasSuccessful() else 1)
