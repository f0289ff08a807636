"""Events through a real Apache Pulsar broker: others read what happened, their answers change what we hold, nothing is lost on the way
from the embedded log, nor when the program is killed. PULSAR_AT names the file with the broker's addresses (tests/support/pulsar_broker.h);
Pulsar's own Python client is the other side."""

import json
import os
import pathlib
import time
import unittest
import uuid

import pulsar

from harness import Platform
from wire import Wire

OURS, THEIRS = "12345678", "87654321"
KEYS, CLAIMS = "persistent://dict/events/key-events", "persistent://dict/events/claim-events"
COPY, ANSWERS = "persistent://lb-conn/dict/dict-events", "persistent://lb-conn/dict/rsfn-dict-res-in"
DEAD = "persistent://core-dict/dlq/failed-events"


def setUpModule():
    global URL, ADMIN, client
    URL, ADMIN = pathlib.Path(os.environ["PULSAR_AT"]).read_text().split()[:2]
    client = pulsar.Client(URL, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))


def tearDownModule():
    client.close()


class Listener:
    """Everything on a topic, from the beginning, until what is wanted has come."""

    def __init__(self, topic):
        self.consumer = client.subscribe(topic, f"e2e-{uuid.uuid4()}", initial_position=pulsar.InitialPosition.Earliest)
        self.seen = []

    def until(self, wanted, seconds=60):
        end = time.monotonic() + seconds
        while not wanted(self.seen):
            if time.monotonic() > end:
                raise AssertionError(f"it never came; {len(self.seen)} messages did")
            try:
                message = self.consumer.receive(timeout_millis=500)
            except pulsar.Timeout:
                continue
            self.consumer.acknowledge(message)
            self.seen.append(message)
        return self.seen

    def about(self, ids, count=1):
        """The events of these aggregates, by aggregate, once each has so many."""
        def told(messages):
            return {one: [m for m in messages if m.partition_key() == one] for one in ids}
        return told(self.until(lambda seen: all(len(found) >= count for found in told(seen).values())))


def with_broker():
    return {"PULSAR_URL": URL, "PULSAR_ADMIN_URL": ADMIN}


class OverPulsar(unittest.TestCase):
    def account(self, platform, ispb=OURS, tax_id="11144477735"):
        body = {"ispb": ispb, "branch": "0001", "number": str(uuid.uuid4().int)[:10], "type": "CACC", "opening_date": "2020-01-01T03:00:00Z",
                "owner": {"type": "NATURAL_PERSON", "tax_id": tax_id, "name": "Ana Souza"}}
        made = platform.rest("POST", "/api/v1/accounts", body, token=platform.token("operator", ispb=ispb))
        self.assertEqual(made.status, 201, made)
        return made.json["id"]

    def created(self, platform, count=1):
        """An account takes five keys."""
        account, entries = self.account(platform), []
        for _ in range(count):
            entries.append(platform.cli("entries", "create", "--account", account)["key_id"])
        return entries

    def test_others_read_what_happened_with_the_headers_they_know(self):
        with Platform(environment=with_broker()) as platform:
            [entry] = self.created(platform)
            for topic in (KEYS, COPY):
                [message] = Listener(topic).about([entry])[entry]
                headers, body = message.properties(), json.loads(message.data())
                self.assertEqual((headers["event_type"], headers["aggregate_id"]), ("key.created", entry))
                self.assertEqual(headers["content-type"], "application/json")
                self.assertEqual((headers["event_id"], headers["version"]), (body["event_id"], str(body["version"])))
            metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
            self.assertIn(f'pulsar_messages_sent_total{{topic="{KEYS}"}}', metrics)
            shown = platform.cli("events", "tail", "--limit", "1000")
            self.assertIn(entry, json.dumps(shown))

    def test_events_leave_while_the_brokers_administration_hangs(self):
        with Wire(int(ADMIN.rsplit(":", 1)[1])) as wire:
            with Platform(environment={**with_broker(), "PULSAR_ADMIN_URL": f"http://127.0.0.1:{wire.port}"}) as platform:
                listener = Listener(KEYS)
                listener.about(self.created(platform))
                wire.fault = "partition"
                account, waited = self.account(platform), 0
                for _ in range(4):
                    before, patience = wire.held_up, time.monotonic() + 120
                    while wire.held_up == before:
                        self.assertLess(time.monotonic(), patience, "the administration is not asked")
                        time.sleep(0.01)
                    begun = time.monotonic()
                    listener.about([platform.cli("entries", "create", "--account", account)["key_id"]])
                    waited += time.monotonic() - begun
                self.assertLess(waited, 40, "they wait for the administration, which has 20 s each time")

    def test_an_answer_of_a_neighbour_changes_the_claim(self):
        with Platform(environment={**with_broker(), "CHAVEIRO_ISPBS": f"{OURS},{THEIRS}"}) as platform:
            ours, theirs = platform.token("operator", ispb=OURS), platform.token("operator", ispb=THEIRS)
            donor, claimer = self.account(platform, THEIRS), self.account(platform, OURS, "52998224725")
            phone = "+5511" + str(uuid.uuid4().int)[:9]
            entry = {"key_type": "PHONE", "key": phone, "account_id": donor, "reason": "USER_REQUESTED"}
            made = platform.rest("POST", "/api/v1/entries", entry, token=theirs)
            self.assertEqual(made.status, 201, made)
            opened = platform.rest("POST", "/api/v1/claims", {"key_type": "PHONE", "key": phone, "claimer_account_id": claimer,
                                   "type": "OWNERSHIP"}, token=ours)
            self.assertEqual(opened.status, 201, opened)
            claim = opened.json["id"]
            path = f"/api/v1/claims/{claim}"
            self.assertEqual(platform.rest("POST", f"{path}/acknowledge", {}, token=theirs).json["status"], "WAITING_RESOLUTION")
            answer = {"event_id": str(uuid.uuid4()), "event_type": "ClaimConfirmedResponse", "aggregate_id": claim, "aggregate_type": "claim",
                      "timestamp": "2026-01-01T00:00:00Z", "data": {"reason": "USER_REQUESTED"}}
            producer = client.create_producer(ANSWERS)
            for _ in range(2):  # once more, as neighbours do
                producer.send(json.dumps(answer).encode(), partition_key=claim, properties={"content-type": "application/json"})
            producer.close()
            Listener(CLAIMS).until(lambda seen: any(
                m.partition_key() == claim and m.properties()["event_type"] == "claim.confirmed" for m in seen))
            self.assertEqual(platform.rest("GET", path, token=ours).json["status"], "CONFIRMED")

    def test_an_answer_about_synchronisation_changes_what_is_known_of_it(self):
        with Platform(environment=with_broker()) as platform:
            producer = client.create_producer(ANSWERS)

            def answer(result, second):
                event = {"event_id": str(uuid.uuid4()), "event_type": "VSYNCResponse", "aggregate_id": f"{OURS}/PHONE", "aggregate_type": "vsync",
                         "timestamp": f"2026-01-01T00:00:{second:02}Z",
                         "data": {"participant": OURS, "key_type": "PHONE", "result": result, "vsync": "5a" * 32}}
                for _ in range(2):  # once more, as neighbours do
                    producer.send(json.dumps(event).encode(), partition_key=event["aggregate_id"],
                                  properties={"content-type": "application/json"})

            def shown(name):
                metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
                return [float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(name + "{") and OURS in line and '"PHONE"' in line]

            def until(expected):
                for _ in range(600):
                    if shown("vsync_in_sync") == [expected]:
                        return
                    time.sleep(0.1)
                raise AssertionError(f"never {expected}: {shown('vsync_in_sync')}\n{platform.log_text()[-3000:]}")

            self.assertEqual(shown("vsync_in_sync"), [])
            answer("OK", 1)
            until(1.0)
            answer("NOK", 2)
            until(0.0)
            self.assertEqual(shown("vsync_verified_timestamp_seconds"), [1767225602.0])
            platform.restart()
            until(0.0)
            producer.close()

    def test_what_cannot_be_applied_goes_to_the_dead_letters(self):
        with Platform(environment=with_broker()) as platform:
            unknown = str(uuid.uuid4())
            answer = {"event_id": str(uuid.uuid4()), "event_type": "KeyCreatedResponse", "aggregate_id": unknown, "aggregate_type": "entry",
                      "timestamp": "2026-01-01T00:00:00Z", "data": {}}
            producer = client.create_producer(ANSWERS)
            producer.send(json.dumps(answer).encode(), partition_key=unknown, properties={"content-type": "application/json"})
            producer.close()
            [letter] = Listener(DEAD).about([unknown])[unknown]
            self.assertEqual(letter.properties()["REAL_TOPIC"], ANSWERS)
            self.assertEqual(len(json.loads(letter.properties()["dead-attempts"])), 5)
            letters = platform.cli("dlq", "list", "--limit", "1000")["dead_letters"]
            self.assertIn((ANSWERS, "NotFound"), {(letter["topic"], letter["reason"]) for letter in letters})

    def test_operators_try_dead_letters_out_replay_them_at_a_rate_elsewhere_and_discard_them(self):
        with Platform(environment=with_broker()) as platform:
            unknown = [str(uuid.uuid4()) for _ in range(3)]
            producer = client.create_producer(ANSWERS)
            for one in unknown:
                answer = {"event_id": str(uuid.uuid4()), "event_type": "KeyCreatedResponse", "aggregate_id": one, "aggregate_type": "entry",
                          "timestamp": "2026-01-01T00:00:00Z", "data": {}}
                producer.send(json.dumps(answer).encode(), partition_key=one,
                              properties={"content-type": "application/json", "aggregate_id": one})
            producer.close()
            Listener(DEAD).about(unknown)
            operator, user, path = platform.token("operator"), platform.token("user"), "/api/v1/admin/dead-letters"

            def ours():
                shown = platform.rest("GET", f"{path}?limit=1000", token=operator).json["dead_letters"]
                return {letter["aggregate_id"]: letter["id"] for letter in shown if letter["aggregate_id"] in unknown}

            for _ in range(600):  # the desk hears of them a moment later than we do
                if set(ours()) == set(unknown):
                    break
                time.sleep(0.1)
            ids = [ours()[one] for one in unknown]
            self.assertEqual(platform.rest("GET", path, token=user).status, 403)
            self.assertEqual(platform.rest("POST", f"{path}/replay", {"ids": ids}, token=user).status, 403)
            tried = platform.rest("POST", f"{path}/replay", {"ids": ids, "rate": 5, "dry_run": "true"}, token=operator).json
            self.assertEqual(tried, {"wanted": 3, "replayed": 0, "failed": 0})
            self.assertEqual(platform.cli("dlq", "replay", *ids, "--dry-run").get("wanted"), "3")
            self.assertEqual(set(ours()), set(unknown))
            elsewhere = f"persistent://core-dict/dlq/mended-{uuid.uuid4()}"
            began = time.monotonic()
            done = platform.run("dlq", "replay", *ids[:2], "--to", elsewhere, "--rate", "1", check=0)
            self.assertGreaterEqual(time.monotonic() - began, 1.0)
            self.assertIn("2 of 2", done.stderr)
            mended = Listener(elsewhere).about(unknown[:2])
            self.assertEqual({len(messages) for messages in mended.values()}, {1})
            gone = platform.rest("POST", f"{path}/discard", {"ids": ids[2:]}, token=operator).json
            self.assertEqual(gone, {"discarded": 1})
            self.assertEqual(ours(), {})

    def test_a_killed_program_loses_no_event(self):
        with Platform(environment=with_broker()) as platform:
            entries = []
            for _ in range(3):
                entries += self.created(platform, 5)
                platform.kill()
                platform.start()
            entries += self.created(platform)
            told = Listener(KEYS).about(entries)
            for entry, messages in told.items():
                self.assertEqual({m.properties()["event_type"] for m in messages}, {"key.created"})
                self.assertEqual(len({m.properties()["event_id"] for m in messages}), 1, entry)

    def test_the_embedded_log_moves_to_the_broker(self):
        with Platform() as platform:
            entries = [entry for _ in range(4) for entry in self.created(platform, 5)]
            for _ in range(1200):
                if len(platform.cli("events", "tail", "--limit", "1000").get("events", [])) >= 20:
                    break
                time.sleep(0.05)
            flags = ["--pulsar-url", URL, "--pulsar-admin-url", ADMIN, "--data", str(platform.data)]
            self.assertEqual(platform.cli_error("events", "move", *flags)["reason"], "FolderInUse")
            platform.stop()
            moved = platform.run("events", "move", *flags, "--json", check=0).stdout
            counts = {line["topic"]: line["messages"] for line in map(json.loads, moved.splitlines())}
            self.assertGreaterEqual(counts[KEYS], 20)
            again = platform.run("events", "move", *flags, "--json", check=0).stdout
            self.assertEqual({json.loads(line)["messages"] for line in again.splitlines()}, {0})
            platform.environment.update(with_broker())
            platform.start()
            entries += self.created(platform)
            for entry, messages in Listener(KEYS).about(entries).items():
                self.assertEqual(len(messages), 1, entry)


if __name__ == "__main__":
    unittest.main()
