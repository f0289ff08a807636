"""Two servers on one PostgreSQL database (with_postgres.py runs them): what one changes the other one shows within about a second, and the
rest of its memory stays."""

import json
import shutil
import time
import unittest

from harness import Platform, postgres_environment

ANA = "ana.souza@example.com"


class Nodes(unittest.TestCase):
    def wait_until(self, what, is_so, seconds=60):
        end = time.monotonic() + seconds
        while not is_so():
            self.assertLess(time.monotonic(), end, f"not in time: {what}")
            time.sleep(0.05)

    def metric(self, platform, name):
        text = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
        return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[-1])

    def answers(self, platform, key):
        return platform.cli("cache", "explain", platform.cli("cache", "key", key)["name"])["answers"]

    def tailed(self, platform):
        """The aggregates of which the node's own log tells."""
        events = platform.cli("events", "tail", "--limit", "1000").get("events", [])
        return {json.loads(event["body"])["aggregate_id"] for event in events}

    def created(self, platform):
        account = platform.rest("GET", "/api/v1/accounts", token=platform.token("operator")).json["accounts"][0]["id"]
        return platform.cli("entries", "create", "--account", account)["key_id"]

    def test_one_node_relays_events_of_both_and_the_other_takes_over_when_it_is_killed(self):
        database = postgres_environment()
        self.assertTrue(database, "run it by with_postgres.py")
        with Platform(environment=database) as one:
            other = Platform(environment=database)
            other.data.mkdir(mode=0o700)
            shutil.copy(one.data / "installation.key", other.data)
            with other:
                by_one, by_other = self.created(one), self.created(other)
                self.wait_until("events of both nodes leave by one of them",
                                lambda: {by_one, by_other} <= self.tailed(one) or {by_one, by_other} <= self.tailed(other))
                relay, heir = (one, other) if by_one in self.tailed(one) else (other, one)
                self.assertFalse({by_one, by_other} & self.tailed(heir))
                relay.kill()
                after = self.created(heir)
                self.wait_until("the other node relays", lambda: after in self.tailed(heir))
                self.wait_until("nothing waits", lambda: self.metric(heir, "events_outbox_depth") == 0)

    def test_a_change_on_one_node_is_shown_by_the_other_which_keeps_the_rest_in_memory(self):
        database = postgres_environment()
        self.assertTrue(database, "run it by with_postgres.py")
        with Platform(environment=database) as one:
            other = Platform(environment=database)
            other.data.mkdir(mode=0o700)
            shutil.copy(one.data / "installation.key", other.data)
            with other:
                self.wait_until("the node hears", lambda: self.metric(other, "database_hears_others") == 1)
                self.wait_until("the months are counted", lambda: self.metric(other, "database_months_ahead") >= 2)
                entries = {e["key"]: e["id"] for e in one.rest("GET", "/api/v1/entries", token=one.token("operator")).json["entries"]}
                kept = next(key for key in entries if key != ANA)
                before = other.cli("entries", "get", ANA)["status"]
                def held(key):
                    other.cli("lookup", key)
                    return self.answers(other, key) == "L1"
                for key in (ANA, kept):
                    self.wait_until("the node holds it in memory", lambda key=key: held(key))
                one.cli("entries", "block", entries[ANA], "--order", "process 4711")
                self.wait_until("the block is seen", lambda: other.cli("entries", "get", ANA)["status"] != before)
                self.assertEqual(self.answers(other, kept), "L1")
                one.cli("entries", "delete", entries[kept])
                self.wait_until("the deletion is seen", lambda: other.run("lookup", kept).returncode != 0)


if __name__ == "__main__":
    unittest.main()
