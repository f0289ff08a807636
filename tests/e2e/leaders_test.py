"""Jobs that one of the nodes does for all: two nodes on one PostgreSQL and one Redis, of which one leads, dies, leaves, or loses Redis.

Run by with_postgres.py.
"""

import json
import os
import shutil
import subprocess
import time
import unittest

from cache_nodes_test import Redis
from harness import Platform

OURS, THEIRS = "12345678", "87654321"
JOBS = ("claims", "cache-sweep", "months")
# Of the demonstration base: an account at THEIRS claims keys at OURS. What its donor does by itself when the period is over, and the status then.
CLAIMER = "0000555500"
OWNERSHIP = {"key_type": "PHONE", "key": "+5511987654321", "type": "OWNERSHIP"}, ("acknowledge_claim", "confirm_claim"), "3"
PORTABILITY = {"key_type": "EMAIL", "key": "ana.souza@example.com", "type": "PORTABILITY"}, ("acknowledge_claim", "cancel_claim"), "4"
PATIENCE = 240  # seconds; passes only where something is wrong


@unittest.skipUnless(os.environ.get("CHAVEIRO_E2E_POSTGRES"), "nodes share a PostgreSQL: run by with_postgres.py")
class Leaders(unittest.TestCase):
    def setUp(self):
        self.redis = self.enterContext(Redis())
        self.wait_until("Redis answers", lambda: self.asked_redis("PING") == "PONG")
        self.settings = {"REDIS_STATE_URL": f"redis://127.0.0.1:{self.redis.port}", "CACHE_L3_ENABLED": "true"}

    def two_nodes(self, ispbs_of_one=f"{OURS},{THEIRS}", ispbs_of_other=f"{OURS},{THEIRS}"):
        one = self.enterContext(Platform(environment={**self.settings, "CHAVEIRO_ISPBS": ispbs_of_one}))
        database = {name: one.environment[name] for name in ("DATABASE_URL", "DATABASE_MAINTENANCE_URL")}
        other = Platform(environment={**self.settings, **database, "CHAVEIRO_ISPBS": ispbs_of_other})
        other.data.mkdir(mode=0o700)
        shutil.copy(one.data / "installation.key", other.data)
        return one, self.enterContext(other)

    def wait_until(self, what, is_so):
        end = time.monotonic() + PATIENCE
        while not (answer := is_so()):
            self.assertLess(time.monotonic(), end, f"never came: {what}")
            time.sleep(0.1)
        return answer

    def asked_redis(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.redis.port), *words], capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def metric(self, node, name, **labels):
        """0 where there is no such series."""
        series = name + "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"
        text = node.rest("GET", "/metrics", port=node.metrics).body.decode()
        return float(next((line.split()[-1] for line in text.splitlines() if line.startswith(series + " ")), 0))

    def leads(self, node, job="claims"):
        return self.metric(node, "job_leader", job=job) == 1

    def rounds(self, node, role, job="claims"):
        return self.metric(node, "job_rounds_total", job=job, **{"as": role})

    def leader_and_follower(self, one, other):
        """Waits until it is clear."""
        def seen():
            standing = self.leads(one), self.leads(other)
            return ((one, other) if standing[0] else (other, one)) if sum(standing) == 1 else None
        return self.wait_until("one of two leads", seen)

    def sql(self, node, text):
        words = ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text, node.environment["DATABASE_MAINTENANCE_URL"]]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def overdue_claim(self, node, body):
        token = node.token("operator", ispb=THEIRS)
        accounts = node.rest("GET", "/api/v1/accounts", token=token).json["accounts"]
        account = next(each["id"] for each in accounts if each["number"] == CLAIMER)
        opened = node.rest("POST", "/api/v1/claims", {**body, "claimer_account_id": account}, token=token)
        self.assertEqual(opened.status, 201, opened)
        claim = opened.json["id"]
        self.sql(node, f"UPDATE claims SET resolution_end = now() - interval '1 minute' WHERE id = '{claim}'")
        return claim

    def expect_its_steps(self, node, kind):
        """The platform takes each exactly once."""
        body, operations, status = kind
        claim = self.overdue_claim(node, body)
        self.wait_until("the claim goes on", lambda: self.sql(node, f"SELECT status FROM claims WHERE id = '{claim}'") == status)
        for operation in operations:
            taken = json.dumps(node.cli("audit", "list", "--resource", claim, "--operation", operation)).count(f'"{operation}"')
            self.assertEqual(taken, 1, operation)

    def test_one_of_two_nodes_leads_and_the_other_follows_when_it_is_killed(self):
        leader, follower = self.leader_and_follower(*self.two_nodes())
        for job in JOBS:
            self.wait_until(f"one node leads {job}", lambda job=job: self.leads(leader, job) != self.leads(follower, job))
        self.wait_until("the follower leaves rounds to the leader", lambda: self.rounds(follower, "follower") > 0)
        self.expect_its_steps(leader, OWNERSHIP)
        leader, follower = self.leader_and_follower(leader, follower)
        leader.kill()
        self.expect_its_steps(follower, PORTABILITY)
        self.assertGreater(self.rounds(follower, "leader"), 0)
        for job in JOBS:
            self.wait_until(f"it takes over {job}", lambda job=job: self.leads(follower, job))
            self.assertGreater(self.metric(follower, "job_terms_total", job=job), 0)

    def test_a_node_that_is_stopped_gives_its_leases_back(self):
        leader, follower = self.leader_and_follower(*self.two_nodes())
        lease = self.wait_until("the lease lies in Redis", lambda: self.asked_redis("KEYS", "{leader:claims:*}"))
        token = self.asked_redis("GET", lease)
        self.assertEqual(leader.stop(), 0)
        self.assertNotEqual(self.asked_redis("GET", lease), token)
        self.wait_until("the other node takes over", lambda: self.leads(follower))

    def test_every_node_does_the_work_while_redis_is_away(self):
        nodes = self.two_nodes()
        self.leader_and_follower(*nodes)
        warned = [self.warnings(node) for node in nodes]
        self.redis.process.kill()
        self.redis.process.wait()
        for node in nodes:
            self.wait_until("it sweeps without a leader", lambda node=node: self.rounds(node, "cut_off", "cache-sweep") >= 5)
            self.wait_until("health shows it", lambda node=node: self.part(node, "jobs")["state"] == "degraded")
            self.assertEqual(node.rest("GET", "/ready").status, 200)
        self.expect_its_steps(nodes[0], OWNERSHIP)
        for node, before in zip(nodes, warned):
            self.wait_until("it does the steps of claims", lambda node=node: self.rounds(node, "cut_off") > 0)
            self.assertLessEqual(self.warnings(node) - before, 1, "the log is told once, not by each round")
        with self.redis:
            self.leader_and_follower(*nodes)
            for node in nodes:
                self.wait_until("all is well", lambda node=node: self.part(node, "jobs")["state"] == "ok")

    def test_nodes_that_serve_different_participants_each_lead_their_claims_and_one_of_them_the_rest(self):
        nodes = self.two_nodes(OURS, THEIRS)
        self.wait_until("both lead their claims", lambda: all(self.leads(node) for node in nodes))
        for job in JOBS[1:]:
            self.wait_until(f"one leads {job}", lambda job=job: sum(self.leads(node, job) for node in nodes) == 1)

    def part(self, node, name):
        return next(each for each in node.rest("GET", "/health").json["components"] if each["name"] == name)

    def warnings(self, node):
        lines = node.log_text().splitlines()
        return sum("nobody knows who leads" in line and "cache-sweep:" in line for line in lines)

    def test_two_installations_on_one_redis_do_not_get_in_each_others_way(self):
        nodes = [self.enterContext(Platform(environment=self.settings)) for _ in range(2)]
        for job in JOBS:
            self.wait_until(f"both lead {job}", lambda job=job: all(self.leads(node, job) for node in nodes))
        for node in nodes:
            self.expect_its_steps(node, OWNERSHIP)


if __name__ == "__main__":
    unittest.main()
