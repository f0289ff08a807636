#!/usr/bin/env python3
"""Shows for every rule of tools/check.py that it is silent about a clean tree and fails where it should."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check  # noqa: E402

ARROWS = "# Rooms\n```arrows\nbase:\ncache: base\nclients/redis: base cache\nclients/redis/wire: base\napp: base clients/*\n```\n"
HEADER = "// cache/tier.h\n//\n// One level of the cache.\n#pragma once\n"


def faults(rule, files: dict[str, str]) -> list[str]:
    """What a rule says about a checkout that holds just these files."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        subprocess.run(["git", "-C", folder, "init", "-q"], check=True)
        return [f"{f.path}:{f.line} {f.text}" for f in rule(check.Tree(root))]


class RuleTest(unittest.TestCase):
    def silent(self, rule, files):
        self.assertEqual([], faults(rule, files))

    def speaks(self, rule, files, *words):
        found = faults(rule, files)
        self.assertEqual(1, len(found), found)
        for word in words:
            self.assertIn(word, found[0])


class Arrows(RuleTest):
    def tree(self, path, include, *others):
        return {"ARCHITECTURE.md": ARROWS, path: f'#include "{include}"\n', **{o: "" for o in others}}

    def test_an_allowed_arrow_is_silent(self):
        self.silent(check.arrows, self.tree("src/cache/a.cpp", "base/clock.h", "src/base/clock.h"))

    def test_a_star_means_all_rooms_inside(self):
        self.silent(check.arrows, self.tree("src/app/a.cpp", "clients/redis/wire/b.h", "src/clients/redis/wire/b.h"))

    def test_an_arrow_that_nobody_allowed(self):
        tree = self.tree("src/base/a.cpp", "cache/tier.h", "src/cache/tier.h")
        self.speaks(check.arrows, tree, "src/base/a.cpp:1", "no arrow leads from base to cache")

    def test_an_inner_room_is_not_its_outer_one(self):
        tree = self.tree("src/clients/redis/wire/a.cpp", "clients/redis/b.h", "src/clients/redis/b.h")
        self.speaks(check.arrows, tree, "from clients/redis/wire to clients/redis")

    def test_an_include_that_is_not_written_from_src(self):
        self.speaks(check.arrows, self.tree("src/base/a.cpp", "clock.h", "src/base/clock.h"), "no file below src/")

    def test_only_tests_see_the_folder_tests(self):
        self.silent(check.arrows, self.tree("src/base/a_test.cpp", "tests/contract/s.h", "tests/contract/s.h"))
        self.speaks(check.arrows, self.tree("src/base/a.cpp", "tests/contract/s.h", "tests/contract/s.h"), "no file below")

    def test_a_room_that_nobody_named(self):
        self.speaks(check.arrows, {"ARCHITECTURE.md": ARROWS, "src/attic/a.cpp": ""}, "stands in no room")

    def test_a_missing_block(self):
        self.speaks(check.arrows, {"ARCHITECTURE.md": "# Rooms\n"}, "no block")


class Circles(RuleTest):
    def test_no_circle(self):
        self.silent(check.circles, {"ARCHITECTURE.md": ARROWS})

    def test_a_circle_is_told_with_its_way(self):
        self.speaks(check.circles, {"ARCHITECTURE.md": "```arrows\na: b\nb: c\nc: a\n```\n"}, "a → b → c → a")

    def test_an_arrow_to_nowhere(self):
        self.speaks(check.circles, {"ARCHITECTURE.md": "```arrows\na: b\n```\n"}, "which is no room")


class Fences(RuleTest):
    def tree(self, path, include):
        return {"ARCHITECTURE.md": ARROWS + "```fences\nlibpq-fe.h: clients/redis\n.pb.h: app\n```\n", path: include}

    def test_inside_the_fence(self):
        self.silent(check.fences, self.tree("src/clients/redis/a.cpp", "#include <libpq-fe.h>\n"))

    def test_outside_the_fence(self):
        self.speaks(check.fences, self.tree("src/cache/a.cpp", "#include <libpq-fe.h>\n"), "stops at clients/redis")

    def test_a_generated_header_outside_the_fence(self):
        self.speaks(check.fences, self.tree("src/cache/a.h", '#include "dict.pb.h"\n'), "stops at app")


class Contracts(RuleTest):
    def test_a_header_with_its_contract(self):
        self.silent(check.contracts, {"src/cache/tier.h": HEADER})

    def test_the_path_is_missing_or_wrong(self):
        self.speaks(check.contracts, {"src/cache/tier.h": "#pragma once\n\n#pragma once\n"}, "must be `// cache/tier.h`")
        self.speaks(check.contracts, {"src/cache/level.h": HEADER}, "must be `// cache/level.h`")

    def test_the_paragraph_is_missing(self):
        self.speaks(check.contracts, {"src/cache/tier.h": "// cache/tier.h\n\n#pragma once\n"}, "a paragraph")
        self.speaks(check.contracts, {"src/cache/tier.h": "// cache/tier.h\n//\n// Tier.\n#pragma once\n"}, "a paragraph")

    def test_the_guard_is_missing(self):
        self.speaks(check.contracts, {"src/cache/tier.h": HEADER.replace("#pragma once\n", "")}, "#pragma once")


class Links(RuleTest):
    def test_links_that_lead_somewhere(self):
        text = "# Top\n## The 2nd part\n[a](docs/b.md) [b](docs) [c](#the-2nd-part) [d](https://example.org/x) `[e](f)`\n"
        self.silent(check.links, {"README.md": text, "docs/b.md": "# B\n[up](../README.md#top)\n"})

    def test_a_link_to_nowhere(self):
        self.speaks(check.links, {"README.md": "# A\n\n[b](docs/b.md)\n"}, "README.md:3", "docs/b.md leads nowhere")

    def test_a_link_to_a_heading_that_is_not_there(self):
        self.speaks(check.links, {"README.md": "[b](b.md#part)\n", "b.md": "# B\n"}, "no heading #part")


class Environment(RuleTest):
    ROWS = 'Row rows[] = {{"HTTP_PORT", SettingKind::number, "8080"},\n {"JWT_SECRET", SettingKind::secret, ""}};\n'

    def test_code_and_example_agree(self):
        told = "# the port\nHTTP_PORT=8080\n#JWT_SECRET=\n#JWT_SECRET_FILE=\n"
        self.silent(check.environment, {check.SETTINGS: self.ROWS, ".env.example": told})

    def test_read_and_not_told(self):
        self.speaks(check.environment, {check.SETTINGS: self.ROWS, ".env.example": "HTTP_PORT=8080\n"}, "JWT_SECRET is read here")

    def test_told_and_not_read(self):
        told = "HTTP_PORT=8080\n#JWT_SECRET=\nGRPC_PORT=9090\n"
        self.speaks(check.environment, {check.SETTINGS: self.ROWS, ".env.example": told}, ".env.example:3", "GRPC_PORT")

    def test_only_a_secret_comes_from_a_file(self):
        told = "HTTP_PORT=8080\n#HTTP_PORT_FILE=/a\n#JWT_SECRET=\n#JWT_SECRET_FILE=/b\n"
        self.speaks(check.environment, {check.SETTINGS: self.ROWS, ".env.example": told}, "HTTP_PORT_FILE")

    def test_a_default_that_differs(self):
        rows = '{"HTTP_PORT", SettingKind::number,\n "8080", "port"}, {"LOG_FILE", SettingKind::path, "", "file"}\n'
        self.silent(check.environment, {check.SETTINGS: rows, ".env.example": "HTTP_PORT=8080\n#LOG_FILE=/var/log/a\n"})
        self.speaks(check.environment, {check.SETTINGS: rows, ".env.example": "HTTP_PORT=80\n#LOG_FILE=\n"}, "'8080'")
        self.speaks(check.environment, {check.SETTINGS: rows, ".env.example": "HTTP_PORT=8080\nLOG_FILE=a\n"}, "comment it")

    def test_a_room_that_reads_the_environment(self):
        self.speaks(check.environment, {"src/cache/a.cpp": 'auto x = std::getenv("X");\n'}, "in app/ only")


class Smaller(RuleTest):
    def test_an_atomic_where_it_may_stand(self):
        self.silent(check.atomics, {"src/cache/a.h": "std::atomic<int> n;\n", "src/app/a.cpp": "// no std::atomic here\n"})

    def test_an_atomic_elsewhere(self):
        self.speaks(check.atomics, {"src/directory/a.h": "std::atomic<int> n;\n"}, "bare atomic")

    def test_a_long_file(self):
        self.silent(check.length, {"src/base/a.cpp": "\n" * 700})
        self.speaks(check.length, {"src/base/a.cpp": "\n" * 701}, "701 lines")

    def test_a_drawer(self):
        self.silent(check.drawers, {"src/base/commonality.h": ""})
        self.silent(check.drawers, {"proto/dict/common/v1/common.proto": ""})
        self.speaks(check.drawers, {"src/base/utils.h": ""}, "utils.h")
        self.speaks(check.drawers, {"src/common/a.h": ""}, "common")

    def test_a_note_to_oneself(self):
        self.silent(check.leftovers, {"src/base/a.cpp": "// what to do next\n"})
        self.speaks(check.leftovers, {"src/base/a.cpp": "int a;\n// TO" "DO: more\n"}, "a.cpp:2")

    def test_a_lock_that_nobody_holds(self):
        self.silent(check.held_locks, {"src/base/a.cpp": "const auto held = all.lock();\nfor (auto& it : *held) if (auto one = it.lock()) use(one);\n"})
        self.speaks(check.held_locks, {"src/base/a.cpp": "for (auto& it : *all.lock()) {\n"}, "a.cpp:1")
        self.speaks(check.held_locks, {"src/base/a.cpp": "for (auto& it : all->lock()->list) use(it);\n"}, "a.cpp:1")

    INDEX = {"docs/decisions/README.md": "[1](0001-a.md) [2](0001-b.md)\n"}
    WHOLE = "# A\n\n## Context\n\n## Decision\n\n## Price\n"

    def test_a_decision_without_price(self):
        self.silent(check.decisions, {**self.INDEX, "docs/decisions/0001-a.md": self.WHOLE})
        priceless = self.WHOLE.replace("## Price\n", "")
        self.speaks(check.decisions, {**self.INDEX, "docs/decisions/0001-a.md": priceless}, "`## Price`")
        self.speaks(check.decisions, {**self.INDEX, "docs/decisions/1-a.md": ""}, "NNNN")

    def test_a_decision_that_the_index_does_not_know(self):
        self.speaks(check.decisions, {"docs/decisions/0001-a.md": self.WHOLE}, "is missing in")

    def test_two_decisions_of_one_number(self):
        two = {"docs/decisions/0001-a.md": self.WHOLE, "docs/decisions/0001-b.md": self.WHOLE}
        self.speaks(check.decisions, {**self.INDEX, **two}, "has the number")

    def test_a_script_that_cannot_be_read(self):
        self.silent(check.scripts, {"dev": "#!/usr/bin/env bash\ntrue\n", "tools/a.py": "a = 1\n"})
        self.speaks(check.scripts, {"dev": "#!/usr/bin/env bash\nif true\n"}, "syntax error")
        self.speaks(check.scripts, {"tools/a.py": "a = (\n"}, "tools/a.py")

    def test_format(self):
        style = {".clang-format": "BasedOnStyle: Google\n"}
        self.silent(check.format, {**style, "src/a.cpp": "int a;\n"})
        self.speaks(check.format, {**style, "src/a.cpp": "int a;\nint   b;\n"}, "src/a.cpp:2")


class Proof(unittest.TestCase):
    def test_every_rule_is_seen_to_fail(self):
        text = Path(__file__).read_text()
        for rule in check.RULES:
            self.assertIn(f"speaks(check.{rule.__name__},", text)


if __name__ == "__main__":
    quiet = "--quiet" in sys.argv
    result = unittest.main(argv=[sys.argv[0]], exit=False, verbosity=0, buffer=quiet).result
    sys.exit(0 if result.wasSuccessful() else 1)
