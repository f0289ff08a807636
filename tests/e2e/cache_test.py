"""The caches of a running server, as an operator meets them: what is held, why, how to make it forget, and what survives a restart."""

import json
import time
import unittest

from harness import Platform

ANA = "ana.souza@example.com"
NAME = f"dict:entry:key:EMAIL:{ANA}"


class Caches(unittest.TestCase):
    @staticmethod
    def seen(warmed):
        """How many entries were brought in or were there: fields that are 0 are left out."""
        return int(warmed.get("loaded", 0)) + int(warmed.get("present", 0))

    def until(self, is_so, seconds=60):
        end = time.monotonic() + seconds
        while not is_so():
            self.assertLess(time.monotonic(), end, "not in time")

    def test_a_look_up_is_held_explained_and_forgotten_on_demand(self):
        with Platform() as platform:
            platform.cli("lookup", ANA)
            name = platform.cli("cache", "key", "EMAIL", ANA)
            self.assertEqual(name["name"], NAME)
            self.assertNotIn(ANA, name["wire_key"])
            self.assertEqual(name["ttl_seconds"], 300)
            self.assertEqual(platform.cli("cache", "key", ANA)["wire_key"], name["wire_key"])
            held = platform.cli("cache", "get", NAME)
            self.assertEqual((held["level"], held["wire_key"]), ("L1", name["wire_key"]))
            self.assertEqual(json.loads(held["value"])["key"], ANA)
            self.assertEqual(platform.cli("cache", "get", name["wire_key"])["level"], "L1")
            told = platform.cli("cache", "explain", NAME)
            self.assertEqual((told["cache"], told["answers"]), ("entries", "L1"))
            self.assertEqual(told["levels"][0]["state"], "fresh")
            self.assertLess(told["levels"][0]["ttl_left_seconds"], 300)
            self.assertIn("write-through", told["strategy"])
            self.assertEqual(platform.cli("cache", "invalidate", NAME)["reached"], "everywhere")
            self.assertEqual(platform.cli_error("cache", "get", NAME)["reason"], "NotCached")
            self.assertEqual(platform.cli("cache", "explain", NAME)["answers"], "origin")

    def test_stats_and_metrics_count_the_same_hits(self):
        with Platform() as platform:
            for _ in range(5):
                platform.cli("lookup", ANA)
            rows = platform.cli("cache", "stats", "entries")["levels"]
            memory = next(row for row in rows if row["level"] == "L1")
            self.assertGreaterEqual(int(memory["hits"]), 4)
            metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
            for family in ("hits_total", "misses_total", "promotions_total", "evictions_total", "errors_total", "size_bytes",
                           "hit_rate", "latency_seconds_count"):
                self.assertIn(f'integration_gateway_cache_{family}{{', metrics)
            line = next(line for line in metrics.splitlines()
                        if line.startswith("integration_gateway_cache_hits_total{") and 'endpoint="entries"' in line and 'level="L1"' in line)
            self.assertIn('connector="directory"', line)
            self.assertGreaterEqual(float(line.split()[-1]), 4)

    def test_warming_brings_everything_in_page_by_page(self):
        with Platform() as platform:
            platform.cli("cache", "invalidate", "--all")
            first = platform.cli("cache", "warm", "--limit", "1")
            self.assertEqual(self.seen(first), 1)
            rest = platform.cli("cache", "warm", "--next", first["next"])
            self.assertNotIn("next", rest)
            again = platform.cli("cache", "warm")
            self.assertNotIn("loaded", again)
            self.assertEqual(int(again["present"]), 1 + self.seen(rest))

    def test_only_operators_and_admins_may_and_it_is_in_the_audit(self):
        with Platform() as platform:
            platform.cli("lookup", ANA)
            for role in ("user", "auditor"):
                self.assertEqual(platform.cli_error("cache", "get", NAME, token=platform.token(role))["code"], "forbidden")
            platform.cli("cache", "get", NAME, token=platform.token("operator"))
            other = platform.token("operator", ispb="87654321")
            hidden = platform.cli("cache", "get", NAME, "--ispb", "87654321", token=other)
            self.assertNotIn("value", hidden)
            self.assertTrue(hidden["value_hidden"])
            platform.cli("cache", "invalidate", "--all")
            seen = json.dumps(platform.cli("audit", "list", "--operation", "get_cached"))
            self.assertIn("get_cached", seen)
            self.assertNotIn(ANA, seen)
            self.assertIn("invalidate_cached", json.dumps(platform.cli("audit", "list", "--operation", "invalidate_cached")))

    def test_a_third_level_outlives_the_process_and_never_what_changed(self):
        with Platform(environment={"CACHE_L3_ENABLED": "true"}) as platform:
            def at_l3():
                levels = platform.cli("cache", "explain", NAME)["levels"]
                return next(each["state"] for each in levels if each["level"] == "L3") == "fresh"

            # A busy machine may pass over the level: it has 50 ms for a call.
            def filled():
                platform.cli("cache", "invalidate", NAME)
                platform.cli("lookup", ANA)
                return at_l3()
            self.until(filled)
            platform.restart()
            self.until(at_l3)
            self.assertEqual(platform.cli("cache", "explain", NAME)["levels"][0]["state"], "absent", "it is not in memory")
            self.assertEqual(platform.cli("lookup", ANA)["account_holder_name"], "Ana Souza")
            platform.kill()
            platform.start()
            self.assertEqual(platform.cli("cache", "explain", NAME)["answers"], "origin", "after a crash nothing of it is believed")

    def test_without_memory_the_store_answers(self):
        with Platform(environment={"CACHE_L1_ENABLED": "false"}) as platform:
            self.assertEqual(platform.cli("lookup", ANA)["source"], "LOOKUP_SOURCE_STORE")
            self.assertEqual(platform.cli_error("cache", "stats")["reason"], "NoSuchCache")

    def test_a_policy_that_the_regulator_forbids_is_refused_at_start(self):
        with self.assertRaises(Exception) as refused:
            Platform(environment={"CACHE_FOREIGN_TTL": "10m"}).__enter__()
        self.assertIn("foreign_ttl", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
