"""What happened, as others are told of it: events leave every commit, stay over a restart and a kill, and hide personal data."""

import json
import time
import unittest

from harness import Platform

KEYS = "persistent://dict/events/key-events"


class Events(unittest.TestCase):
    def created(self, platform):
        account = platform.rest("GET", "/api/v1/accounts", token=platform.token("operator")).json["accounts"][0]["id"]
        return platform.cli("entries", "create", "--account", account)["key_id"]

    def tailed(self, platform, wanted, *flags):
        """The events once those wanted are among them: the relay publishes in the background."""
        for _ in range(1200):
            events = platform.cli("events", "tail", "--limit", "1000", *flags).get("events", [])
            bodies = [json.loads(event["body"]) for event in events]
            if wanted <= {body["aggregate_id"] for body in bodies}:
                return bodies
            time.sleep(0.05)
        raise AssertionError(f"{wanted} never came:\n{platform.log_text()[-3000:]}")

    def test_a_new_entry_is_told_once_and_stays_over_restart_and_kill(self):
        with Platform() as platform:
            first = self.created(platform)
            self.tailed(platform, {first})
            platform.restart()
            told = [(body["aggregate_id"], body["version"]) for body in self.tailed(platform, {first})]
            self.assertEqual(len(told), len(set(told)))
            second = self.created(platform)
            platform.kill()
            platform.start()
            bodies = self.tailed(platform, {first, second})
            # What the kill interrupted between publishing and forgetting is told again, as the same event.
            events = {(body["aggregate_id"], body["version"], body["event_id"]) for body in bodies}
            self.assertEqual(len(events), len({event[:2] for event in events}))
            self.assertEqual({body["event_type"] for body in bodies if body["aggregate_id"] in (first, second)}, {"key.created"})

    def test_personal_data_is_hidden_unless_an_admin_asks_and_is_noted(self):
        with Platform("--empty") as platform:
            platform.cli(
                "accounts", "create", "--branch", "0001", "--number", "123456", "--type", "CACC", "--tax-id", "11144477735", "--name", "Ana Souza",
            )
            account = platform.rest("GET", "/api/v1/accounts", token=platform.token("operator")).json["accounts"][0]["id"]
            entry = platform.cli("entries", "create", "--account", account, "--type", "EMAIL", "ana@example.com")["key_id"]
            hidden = self.tailed(platform, {entry})
            self.assertNotIn("ana@example.com", json.dumps(hidden))
            shown = self.tailed(platform, {entry}, "--reveal")
            self.assertIn("ana@example.com", json.dumps(shown))
            operator = platform.token("operator")
            self.assertEqual(platform.cli_error("events", "tail", "--reveal", token=operator)["code"], "forbidden")
            self.assertEqual(platform.cli_error("events", "tail", token=platform.token("user"))["code"], "forbidden")
            self.assertIn("reveal_events", json.dumps(platform.cli("audit", "list", "--operation", "reveal_events")))

    def test_a_subscription_is_put_at_a_time(self):
        with Platform() as platform:
            entry = self.created(platform)
            self.tailed(platform, {entry})
            answer = platform.cli("events", "replay", "--topic", KEYS, "--subscription", "rebuilt", "--from", "2020-01-01T00:00:00Z")
            self.assertGreaterEqual(int(answer["messages"]), 1)
            # Counted once a second, by a worker of their own.
            missing = {"pulsar_messages_sent_total", "events_outbox_depth", "events_dead_letters "}
            end = time.monotonic() + 60
            while missing:
                self.assertLess(time.monotonic(), end, missing)
                metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
                missing = {family for family in missing if family not in metrics}

    def test_without_dead_letters_there_are_none_to_show(self):
        with Platform() as platform:
            self.assertEqual(platform.cli("dlq", "list"), {})
            self.assertEqual(platform.cli_error("dlq", "show", "0:0:7:-1")["code"], "not_found")
            self.assertEqual(platform.cli("dlq", "replay", "--all"), {})


if __name__ == "__main__":
    unittest.main()
