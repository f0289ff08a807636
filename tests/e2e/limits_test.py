"""Limits as a client and an operator meet them: refusals that say when, rules that are read again, the regulator's buckets."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from harness import Platform, free_port

PAYER = "12345678909"


@contextlib.contextmanager
def redis_server():
    """A Redis on a free port; yields its URL and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="chaveiro-e2e-redis-") as folder:
        process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            yield f"redis://127.0.0.1:{port}/0", process
        finally:
            process.kill()
            process.wait()


class Limits(unittest.TestCase):
    def test_strangers_use_up_their_address_and_the_refusal_says_when(self):
        with Platform(environment={"RATE_LIMIT_REQUESTS_PER_MINUTE": "5"}) as platform:
            operator = platform.token()
            for _ in range(20):
                self.assertEqual(platform.rest("GET", "/health").status, 200)
            for _ in range(20):
                self.assertEqual(platform.rest("GET", "/api/v1/entries", token=operator).status, 200)
            answers = [platform.rest("GET", "/api/v1/entries", token="nonsense") for _ in range(7)]
            self.assertEqual([answer.status for answer in answers], [401] * 5 + [429] * 2)
            self.assertGreater(int(answers[-1].headers["Retry-After"]), 0)
            self.assertEqual(answers[-1].headers["X-RateLimit-Limit"], "5")
            self.assertEqual(answers[-1].headers["X-RateLimit-Remaining"], "0")

    def test_rules_are_checked_before_they_are_used_and_read_again_without_losing_counts(self):
        with Platform() as platform:
            rules = platform.folder / "rules.yaml"
            rules.write_text("rules:\n  - name: listing\n    limit: {amount: 1x, period: 1m}\n    colour: red\n")
            done = platform.run("limits", "rules", "check", str(rules))
            self.assertEqual(done.returncode, 2)
            self.assertIn("line 3, column 21", done.stderr)
            self.assertIn("line 4, column 5", done.stderr)
            rules.write_text("rules:\n  - {name: listing, match: {operation: ListKeys}, per: [ispb], limit: {amount: 3, period: 1h}}\n")
            self.assertEqual(platform.cli("limits", "rules", "check", str(rules))["rules"], 1)
            platform.environment["RATE_LIMIT_RULES"] = str(rules)
            platform.restart()
            operator = platform.token()
            list_keys = lambda: platform.rest("GET", "/api/v1/entries", token=operator)
            self.assertEqual([list_keys().status for _ in range(5)], [200, 200, 200, 429, 429])
            problem = list_keys().json
            self.assertIn("listing", problem["detail"])
            rules.write_text(rules.read_text().replace("amount: 3", "amount: 5").replace("per:", "on_change: additive, per:"))
            platform.cli("limits", "reload")
            self.assertEqual([list_keys().status for _ in range(4)], [200, 200, 429, 429])
            bucket = platform.cli("limits", "show", "--rule", "listing")["buckets"][0]
            self.assertEqual(bucket["key"].split("|")[0], "listing")
            platform.cli("limits", "reset", bucket["key"])
            self.assertEqual(list_keys().status, 200)

    def test_look_ups_that_find_nobody_empty_the_bucket_of_the_payer(self):
        with Platform(environment={"DICT_CATEGORY": "D"}) as platform:
            operator = platform.token()

            def look_up(number):
                body = {"key_type": "EMAIL", "key": f"nobody{number}@example.com", "payer_id": PAYER, "end_to_end_id": f"E{number}"}
                return platform.rest("POST", "/api/v1/lookups", body, token=operator)

            self.assertEqual([look_up(number).status for number in range(6)], [404] * 5 + [429])
            refused = look_up(7)
            self.assertIn("ENTRIES_READ_USER_ANTISCAN", refused.json["detail"])
            self.assertGreater(int(refused.headers["Retry-After"]), 0)
            forecast = platform.cli("limits", "forecast", "getEntry", "--type", "EMAIL", "--payer", PAYER)
            tokens = {row["policy"]: int(row.get("tokens", 0)) for row in forecast["policies"]}
            self.assertEqual(tokens, {"ENTRIES_READ_USER_ANTISCAN": 0, "ENTRIES_READ_PARTICIPANT_ANTISCAN": 16000 - 15})
            order = {"end_to_end_id": "E1", "payer_id": PAYER}
            self.assertEqual(platform.rest("POST", "/api/v1/payment-orders", order, token=operator).status, 404)
            metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
            self.assertIn('dict_policy_tokens{ispb="12345678",policy="ENTRIES_READ_PARTICIPANT_ANTISCAN"} 15985', metrics)
            self.assertNotIn(PAYER, metrics)

    def test_a_repetition_gets_the_first_answer_even_when_the_entry_has_gone_on(self):
        with Platform() as platform:
            operator = platform.token("operator")
            account = platform.rest("GET", "/api/v1/accounts", token=operator).json["accounts"][0]["id"]

            def create(key):
                body = {"key_type": "EVP", "account_id": account}
                return platform.rest("POST", "/api/v1/entries", body, token=operator, headers={"Idempotency-Key": key})

            first = create("order-1")
            self.assertEqual(first.status, 201)
            self.assertEqual(create("order-1").json, first.json)
            platform.rest("POST", f"/api/v1/entries/{first.json['id']}/delete", {"reason": "USER_REQUESTED"}, token=operator)
            self.assertEqual(create("order-1").json, first.json)
            self.assertNotEqual(create("order-2").json["id"], first.json["id"])
            metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
            self.assertIn("idempotency_repeated_total 2", metrics)
            platform.restart()
            # The process has forgotten; the store still knows that this id was used.
            self.assertEqual(create("order-1").json["type"].rsplit(":", 1)[1], "RequestIdAlreadyUsed")

    def test_two_processes_share_the_buckets_of_the_regulator_and_first_answers_in_redis(self):
        with redis_server() as (url, redis), contextlib.ExitStack() as stack:
            environment = {"DICT_CATEGORY": "D", "REDIS_STATE_URL": url}
            one = stack.enter_context(Platform(environment=environment))
            two = Platform(environment=environment)
            two.data.mkdir(mode=0o700)
            shutil.copy(one.data / "installation.key", two.data / "installation.key")  # one installation, two processes
            stack.enter_context(two)
            token = one.token("operator")

            def look_up(platform, number):
                body = {"key_type": "EMAIL", "key": f"nobody{number}@example.com", "payer_id": PAYER, "end_to_end_id": f"E{number}"}
                return platform.rest("POST", "/api/v1/lookups", body, token=token)

            self.assertEqual([look_up(one if n % 2 else two, n).status for n in range(7)], [404] * 5 + [429] * 2)
            account = one.rest("GET", "/api/v1/accounts", token=token).json["accounts"][0]["id"]
            body, header = {"key_type": "EVP", "account_id": account}, {"Idempotency-Key": "order-1"}
            first = one.rest("POST", "/api/v1/entries", body, token=token, headers=header)
            self.assertEqual(first.status, 201)
            self.assertEqual(two.rest("POST", "/api/v1/entries", body, token=token, headers=header).json, first.json)

            # Our own rules for callers: each process follows what the other admitted, a tenth of a second later.
            user = one.token("user")
            create = lambda platform: platform.rest("POST", "/api/v1/entries", {"key_type": "PHONE"}, token=user).status == 429
            refused, began = 0, time.monotonic()
            for number in range(1, 1000):
                if refused := create(one if number % 2 else two):
                    break
                time.sleep(0.005)
            come_back = (time.monotonic() - began) * 100 / 60
            self.assertTrue(refused and 90 <= number <= 150 + come_back, f"refused at the {number}th of 100 a minute, and not of 200")

            redis.kill()
            redis.wait()
            begin = time.monotonic()
            self.assertGreaterEqual(look_up(one, 8).status, 500, "official buckets are never passed by")
            self.assertEqual(one.rest("POST", "/api/v1/lookups", {"key_type": "EMAIL", "key": "ana.souza@example.com"}, token=token).status // 100, 2)
            again = one.rest("POST", "/api/v1/entries", body, token=token, headers=header)
            self.assertEqual(again.json["id"], first.json["id"], "the store knows the request")
            self.assertLess(time.monotonic() - begin, 20, "nothing hangs")

    def test_a_recorded_day_is_played_without_a_server(self):
        with Platform() as platform:
            day = platform.folder / "day.ndjson"
            call = {"operation": "getEntry", "key_type": "CPF", "participant": "12345678", "payer_id": PAYER, "status": 404, "took_ms": 40}
            lines = [json.dumps({**call, "at": f"2026-11-21T10:00:0{second}Z", "end_to_end_id": f"E{second}"}) for second in range(7)]
            day.write_text("\n".join(lines))
            report = platform.cli("limits", "replay", str(day), "--category", "D")
            self.assertEqual((report["calls"], report["allowed"], len(report["refused"])), (7, 5, 2))
            self.assertEqual(report["refused"][0]["line"], 6)


if __name__ == "__main__":
    unittest.main()
