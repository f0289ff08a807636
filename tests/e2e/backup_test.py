"""PostgreSQL's backup and restore as docs/postgres.md tells them (with_postgres.py runs this): written while the server runs, restored on
another server that knows nothing, with roles, rights and row-level security, and proved by the audit."""

import os
import shutil
import subprocess
import tempfile
import unittest

from harness import PROGRAM, ROOT, Platform, postgres_environment
from with_postgres import Server

ANA = "ana.souza@example.com"


class Backups(unittest.TestCase):
    def script(self, name, *words, **environment):
        return subprocess.run(
            [ROOT / "deploy/postgres" / name, *words], env={"PATH": os.environ["PATH"], "CHAVEIRO_PROGRAM": PROGRAM, **environment},
            capture_output=True, text=True, timeout=120,
        )

    def created(self, platform):
        account = platform.rest("GET", "/api/v1/accounts", token=platform.token("operator")).json["accounts"][0]["id"]
        made = platform.cli("entries", "create", "--account", account)["key_id"]
        return next(e["key"] for e in self.entries(platform) if e["id"] == made)

    def entries(self, platform):
        return platform.rest("GET", "/api/v1/entries", token=platform.token("operator")).json["entries"]

    def test_a_backup_of_a_running_server_comes_back_on_another_one_with_roles_and_rights(self):
        database = postgres_environment()
        self.assertTrue(database, "run it by with_postgres.py")
        with tempfile.TemporaryDirectory() as kept, Platform(environment=database) as platform:
            saved = os.path.join(kept, "chaveiro.dump")
            in_it = self.created(platform)
            anchors = os.path.join(kept, "anchors")
            platform.run("audit", "verify", "--write-anchors", anchors, check=0)
            done = self.script("backup.sh", saved, **database)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(os.stat(saved).st_mode & 0o077, 0, "it holds personal data")
            self.assertNotEqual(self.script("backup.sh", saved, **database).returncode, 0, "nothing is overwritten")
            after_it = self.created(platform)
            shutil.copy(platform.data / "installation.key", kept)
            shutil.copytree(platform.data / "lookups", os.path.join(kept, "lookups"))
            with Server() as elsewhere:
                address = f"127.0.0.1:{elsewhere.port}/chaveiro"
                there = {
                    "DATABASE_URL": f"postgres://chaveiro_runtime@{address}",
                    "DATABASE_MAINTENANCE_URL": f"postgres://chaveiro_maintenance@{address}",
                }
                done = self.script("restore.sh", saved, **there)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("not empty", self.script("restore.sh", saved, **there).stderr)
                with open(saved, "r+b") as torn:
                    torn.seek(1000)
                    torn.write(b"torn")
                self.assertNotEqual(self.script("restore.sh", saved, **there).returncode, 0, "its checksum is wrong")
                self.restored(elsewhere, there, kept, anchors, in_it, after_it)

    def restored(self, server, there, kept, anchors, in_it, after_it):
        seen = server.psql("-d", "chaveiro", "-U", "chaveiro_runtime", "-Atc", "SELECT count(*) FROM entries").stdout.strip()
        self.assertEqual(seen, "0", "row-level security came back")
        platform = Platform(environment=there)
        platform.data.mkdir(mode=0o700)
        shutil.copy(os.path.join(kept, "installation.key"), platform.data)
        shutil.copytree(os.path.join(kept, "lookups"), platform.data / "lookups")
        with platform:
            self.assertEqual(platform.cli("lookup", ANA)["account_holder_name"], "Ana Souza")
            platform.run("lookup", in_it, check=0)
            self.assertNotEqual(platform.run("lookup", after_it).returncode, 0, "made after the backup")
            platform.run("audit", "verify", "--anchor", anchors, check=0)
            self.created(platform)

    def test_the_schema_is_shown_before_it_is_made_verified_and_taken_back(self):
        database = postgres_environment()
        self.assertTrue(database, "run it by with_postgres.py")
        platform = Platform(environment=database)
        platform.grpc = 0  # no server: these commands go to the database
        self.addCleanup(shutil.rmtree, platform.folder)
        self.assertNotEqual(platform.run("db", "verify").returncode, 0)
        shown = platform.run("db", "migrate", "--dry-run", check=0).stdout
        self.assertIn("CREATE TABLE entries", shown)
        self.assertIn("waits", platform.run("db", "status", check=0).stdout, "it was only shown")
        platform.run("db", "migrate", check=0)
        platform.run("db", "verify", check=0)
        self.assertIn("DROP INDEX entries_list", platform.run("db", "down", "1.0", "--dry-run", check=0).stdout)
        platform.run("db", "verify", check=0)
        platform.run("db", "down", "1.0", check=0)
        self.assertNotEqual(platform.run("db", "verify").returncode, 0)
        platform.run("db", "migrate", check=0)
        platform.run("db", "verify", check=0)
        self.assertIn("nothing to do", platform.run("db", "maintain", check=0).stdout)
        psql = lambda sql: subprocess.run(["psql", "-qAt", "-c", sql, database["DATABASE_MAINTENANCE_URL"]], check=True, capture_output=True, text=True).stdout
        psql("CREATE TABLE audit_202001 PARTITION OF audit FOR VALUES FROM (202001) TO (202002); ALTER TABLE audit_202001 ENABLE ROW LEVEL SECURITY")
        self.assertIn("nothing to do", platform.run("db", "maintain", check=0).stdout, "all months stay unless somebody says how many")
        platform.environment["DATABASE_AUDIT_MONTHS"] = "60"
        self.assertNotEqual(platform.run("db", "verify").returncode, 0, "a month is overdue")
        self.assertIn("detach month 202001", platform.run("db", "maintain", "--dry-run", check=0).stdout)
        self.assertNotEqual(platform.run("db", "verify").returncode, 0, "it was only told")
        self.assertIn("detach month 202001", platform.run("db", "maintain", check=0).stdout)
        platform.run("db", "verify", check=0)
        self.assertIn("detached month 202001", platform.run("db", "status", check=0).stdout)
        self.assertIn("no detached month", platform.run("db", "drop-months", "--before", "2020-01", "--dry-run", check=0).stdout)


if __name__ == "__main__":
    unittest.main()
