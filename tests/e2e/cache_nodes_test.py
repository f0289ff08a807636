"""Two nodes on one PostgreSQL and one Redis: what one writes the other shows, and what happens when Redis dies.

Run by with_postgres.py.
"""

import json
import os
import shutil
import subprocess
import time
import unittest

from harness import Platform, free_port

ANA = "ana.souza@example.com"
NAME = f"dict:entry:key:EMAIL:{ANA}"
BOUND = 10.0  # seconds; docs/invalidation.md: 3.5 s and one tick; the rest is what starting a program takes on a slow machine


class Redis:
    def __init__(self):
        self.port = free_port()

    def __enter__(self):
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def soon(seconds, look):
    """Asks until the answer is true; answers how long it took, or None."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if look():
            return time.monotonic() - begun
        time.sleep(0.02)
    return None


@unittest.skipUnless(os.environ.get("CHAVEIRO_E2E_POSTGRES"), "nodes share a PostgreSQL: run by with_postgres.py")
class TwoNodes(unittest.TestCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        settings = {"CACHE_L2_ENABLED": "true", "REDIS_ADDR": f"127.0.0.1:{self.redis.port}"}
        self.a = self.enterContext(Platform(environment=settings))
        self.b = Platform(environment={**settings, **{name: self.a.environment[name] for name in ("DATABASE_URL", "DATABASE_MAINTENANCE_URL")}})
        # Nodes of one installation have its key, from which the names in Redis are made.
        self.b.data.mkdir(mode=0o700)
        shutil.copy(self.a.data / "installation.key", self.b.data / "installation.key")
        self.enterContext(self.b)
        self.entry = self.a.cli("lookup", ANA)

    def name_at(self, node):
        return node.cli("lookup", ANA)["account_holder_name"]

    def entry_id(self, node):
        return next(each for each in node.cli("entries", "list")["keys"] if each["key"]["key_value"] == ANA)["key_id"]

    def rename(self, node, name):
        node.cli("entries", "update", self.entry_id(node), "--name", name)

    def level_at(self, node):
        return node.cli("cache", "explain", NAME)["answers"]

    def in_memory_of_b(self):
        self.name_at(self.b)
        return self.level_at(self.b) == "L1"

    def test_the_second_level_is_shared_and_writes_reach_the_other_node(self):
        # What A loads B finds in Redis, and then in its memory, while both hear each other; a node that does not neither reads nor fills them,
        # which on a busy machine comes and goes.
        def found():
            self.a.cli("cache", "invalidate", NAME)
            self.a.cli("lookup", ANA)
            got = self.b.run("cache", "get", NAME, "--json", check=None)
            return got.returncode == 0 and json.loads(got.stdout)["level"] == "L2"
        self.assertIsNotNone(soon(30, found), self.b.cli("cache", "explain", NAME))
        self.assertEqual(self.name_at(self.b), "Ana Souza")
        self.assertIsNotNone(soon(30, self.in_memory_of_b), self.b.cli("cache", "explain", NAME))
        for writer, reader, name in ((self.a, self.b, "Ana de Souza"), (self.b, self.a, "Ana Lima"), (self.a, self.b, "Ana Souza Lima")):
            self.name_at(reader)
            self.rename(writer, name)
            self.assertEqual(self.name_at(writer), name)
            took = soon(BOUND, lambda reader=reader, name=name: self.name_at(reader) == name)
            self.assertIsNotNone(took, "the other node goes on showing what was there before")
        # What an operator makes one node forget the other forgets too.
        for name in (NAME, f"dict:entry:id:{self.entry_id(self.a)}"):
            self.assertIsNotNone(soon(30, self.in_memory_of_b), self.b.cli("cache", "explain", NAME))
            self.a.cli("cache", "invalidate", name)
            self.assertIsNotNone(soon(BOUND, lambda: self.level_at(self.b) == "origin"), name)

    def test_look_ups_and_writes_go_on_when_redis_dies(self):
        self.name_at(self.b)
        self.redis.process.kill()
        self.redis.process.wait()
        for node in (self.a, self.b):
            begun = time.monotonic()
            self.assertEqual(self.name_at(node), "Ana Souza")
            self.assertLess(time.monotonic() - begun, 20, "nothing hangs")
            self.assertEqual(node.rest("GET", "/ready").status, 200)
        self.rename(self.a, "Ana de Souza")
        self.assertEqual(self.name_at(self.a), "Ana de Souza")
        self.assertIsNotNone(soon(BOUND, lambda: self.name_at(self.b) == "Ana de Souza"), "the database tells of it too")


@unittest.skipUnless(os.environ.get("CHAVEIRO_E2E_POSTGRES"), "nodes share a PostgreSQL: run by with_postgres.py")
class SharedThirdLevel(unittest.TestCase):
    """The third level lies in the database of both nodes: who was away empties it for nobody, who crashed does."""

    def setUp(self):
        settings = {"CACHE_L3_ENABLED": "true"}
        self.a = self.enterContext(Platform(environment=settings))
        self.b = Platform(environment={**settings, **{name: self.a.environment[name] for name in ("DATABASE_URL", "DATABASE_MAINTENANCE_URL")}})
        self.b.data.mkdir(mode=0o700)
        shutil.copy(self.a.data / "installation.key", self.b.data / "installation.key")

    def rename(self, node, name):
        listed = node.cli("entries", "list")["keys"]
        node.cli("entries", "update", next(each for each in listed if each["key"]["key_value"] == ANA)["key_id"], "--name", name)

    def test_a_node_that_is_new_or_was_away_believes_it_and_one_that_crashed_empties_it(self):
        self.assertIsNotNone(soon(20, lambda: self.a.cli("lookup", ANA) and self.kept() > 0), "the third level is never filled")
        self.enterContext(self.b)
        self.assertGreater(self.kept(), 0, "a new node empties it")
        self.assertEqual(self.b.cli("lookup", ANA)["account_holder_name"], "Ana Souza")
        self.b.stop()
        self.rename(self.a, "Ana Lima")
        self.a.cli("lookup", ANA)
        kept = self.kept()
        self.assertGreater(kept, 0)
        self.b.start()
        self.assertGreaterEqual(self.kept(), kept, "a node that was away empties it")
        self.assertEqual(self.b.cli("lookup", ANA)["account_holder_name"], "Ana Lima")
        self.assertNotIn("begin empty", self.b.log_text())
        self.b.kill()
        self.b.start()
        self.assertIn("did not end in order", self.b.log_text())
        self.assertEqual(self.b.cli("lookup", ANA)["account_holder_name"], "Ana Lima")

    def kept(self):
        words = ["psql", "-qAt", "-c", "SELECT count(*) FROM cache_value", self.a.environment["DATABASE_MAINTENANCE_URL"]]
        return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
