"""The platform as an operator meets it: start, look-up, stop, kill, tokens, settings, import and export, backup and restore, audit."""

import http.client
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from harness import PROGRAM, Platform

ANA = "ana.souza@example.com"
PAYER = ("--payer", "12345678909", "--end-to-end-id", "E1234567820261121101512345678901")


class MainJob(unittest.TestCase):
    def test_starts_with_nothing_beside_it_and_answers_the_look_up_that_it_prints(self):
        with Platform() as platform:
            command = re.search(r"^ +(\S+ lookup .*)$", platform.screen, re.M).group(1)
            done = subprocess.run(command.split(), cwd=platform.folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Ana Souza", done.stdout)
            self.assertEqual(platform.rest("GET", "/health").status, 200)
            self.assertEqual(platform.rest("GET", "/ready").status, 200)
            self.assertEqual(platform.rest("GET", "/live").status, 200)
            page = platform.rest("GET", "/")
            self.assertEqual(page.status, 200)
            self.assertIn("text/html", page.headers["Content-Type"])
            document = platform.rest("GET", "/api/v1/openapi.json").json
            self.assertTrue(document["openapi"].startswith("3.1"))
            until = time.monotonic() + 10
            metrics = ""
            while "dict_entries{" not in metrics and time.monotonic() < until:  # the first count of entries may be under way
                metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
            self.assertTrue('dict_requests_total{' in metrics and "dict_entries{" in metrics)

    def test_prometheus_finds_no_fault_with_the_metrics(self):
        with Platform() as platform:
            platform.rest("GET", "/api/v1/nothing")
            text = platform.rest("GET", "/metrics", port=platform.metrics).body
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
            self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))
            for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds"):
                self.assertRegex(text.decode(), rf"(?m)^{name} [1-9]|^{name} 0\.0*[1-9]")
            self.assertRegex(text.decode(), r'(?m)^http_answers_total{listener="rest",status="4xx"} 1$')

    def test_empty_leaves_the_demonstration_out(self):
        with Platform("--empty") as platform:
            self.assertEqual(platform.cli_error("lookup", ANA, *PAYER)["code"], "not_found")

    def test_the_secret_is_made_at_the_first_start_and_only_its_owner_can_read_it(self):
        with Platform() as platform:
            key = platform.data / "installation.key"
            self.assertEqual(stat.S_IMODE(key.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(platform.data.stat().st_mode), 0o700)
            before = key.read_text()
            platform.restart()
            self.assertEqual(key.read_text(), before)
            self.assertNotIn(before.strip(), platform.log_text())

    def test_nobody_enters_without_a_token_and_a_user_touches_only_what_is_his(self):
        with Platform() as platform:
            self.assertEqual(platform.rest("GET", "/api/v1/entries").status, 401)
            self.assertEqual(platform.rest("GET", "/api/v1/entries", token="a.b.c").status, 401)
            operator = platform.token("operator")
            entries = platform.rest("GET", "/api/v1/entries", token=operator).json["entries"]
            mine = next(e for e in entries if e["key"] == ANA)
            foreign = next(e for e in entries if e["account"]["id"] != mine["account"]["id"])
            user = platform.token("user", accounts=[mine["account"]["id"]])
            self.assertEqual(platform.rest("GET", f"/api/v1/entries/{mine['id']}", token=user).status, 200)
            self.assertIn(platform.rest("GET", f"/api/v1/entries/{foreign['id']}", token=user).status, (403, 404))
            seen = platform.rest("POST", "/api/v1/lookups", {"key_type": "EMAIL", "key": ANA}, token=user)
            self.assertTrue(seen.json["masked"])
            self.assertEqual(seen.json["owner"]["tax_id"], "***.456.789-**")
            other_ispb = platform.token("operator", ispb="87654321")
            self.assertEqual(platform.rest("GET", f"/api/v1/entries/{mine['id']}", token=other_ispb).status, 404)

    def test_a_message_that_is_none_is_the_callers_fault_and_the_next_call_is_answered(self):
        with Platform() as platform:
            token = platform.token("operator")

            def status_of(message):
                answered = subprocess.run(
                    ["curl", "-s", "--http2-prior-knowledge", "-D", "-", "-o", os.devnull, "--data-binary", "@-", "-H", "content-type: application/grpc",
                     "-H", "te: trailers", "-H", f"authorization: Bearer {token}", f"http://127.0.0.1:{platform.grpc}/dict.core.v1.CoreDictService/LookupKey"],
                    input=message, capture_output=True, timeout=30)
                found = re.search(r"grpc-status: (\d+)", answered.stdout.decode())
                return found.group(1) if found else answered.returncode

            # 3 INVALID_ARGUMENT is ours, 8 is what gRPC itself says of one above its limit.
            for name, message, status in (
                ("no message", b"\x00\x00\x00\x00\x04\xff\xff\xff\xff", "3"),
                ("a length that leads nowhere", b"\x00\x00\x00\x00\x02\x0a\x7f", "3"),
                ("an empty one", b"\x00\x00\x00\x00\x00", "3"),
                ("half of one", b"\x00\x00\x00\x01\x00\x0a", "3"),
                ("too long", b"\x00\x00\xa0\x00\x00" + b"\x0a" * (10 << 20), "8"),
            ):
                with self.subTest(name):
                    self.assertEqual(status_of(message), status)
            self.assertEqual(platform.run("lookup", ANA, *PAYER).returncode, 0)

    def test_a_revoked_subject_is_out_at_once_and_after_a_restart(self):
        with Platform() as platform:
            token = platform.token("operator", subject="leaver")
            self.assertEqual(platform.rest("GET", "/api/v1/entries", token=token).status, 200)
            platform.run("revoke", "subject", "leaver", check=0)
            self.assertEqual(platform.rest("GET", "/api/v1/entries", token=token).status, 401)
            platform.restart()
            self.assertEqual(platform.rest("GET", "/api/v1/entries", token=token).status, 401)

    def test_an_api_key_opens_the_door_and_is_never_logged(self):
        key = "k" * 20 + "-very-secret-connector"
        with Platform(environment={"API_KEY_LB_CONNECT": key}) as platform:
            body = {"key_type": "EMAIL", "key": ANA}
            self.assertEqual(platform.rest("POST", "/api/v1/lookups", body, headers={"x-api-key": key}).status, 200)
            self.assertEqual(platform.rest("POST", "/api/v1/lookups", body, headers={"x-api-key": key + "x"}).status, 401)
            self.assertNotIn(key, platform.log_text())

    def test_log_level_changes_while_running_and_leaves_an_audit_record(self):
        with Platform() as platform:
            self.assertEqual(platform.cli("log", "--level", "debug")["level"], "debug")
            events = platform.cli("audit", "list", "--operation", "set_log")
            self.assertIn("set_log", json.dumps(events))


class Stopping(unittest.TestCase):
    def test_sigterm_ends_with_exit_code_0_and_keeps_everything(self):
        with Platform() as platform:
            self.assertEqual(platform.stop(signal.SIGTERM), 0)
            platform.start()
            self.assertEqual(platform.cli("lookup", ANA)["account_holder_name"], "Ana Souza")

    def test_kill_9_under_load_loses_nothing_that_was_answered(self):
        with Platform() as platform:
            token = platform.token("operator")
            account = platform.rest("GET", "/api/v1/accounts", token=token).json["accounts"][0]["id"]
            answered, refused = [], []

            def create():
                while platform.process is not None:
                    try:
                        answer = platform.rest("POST", "/api/v1/entries", {"key_type": "EVP", "account_id": account}, token=token)
                        if answer.status == 201:
                            answered.append(answer.json["id"])
                            platform.rest("POST", f"/api/v1/entries/{answer.json['id']}/delete", {"reason": "USER_REQUESTED"}, token=token)
                        else:
                            refused.append(answer.status)
                    except (OSError, http.client.HTTPException):
                        return

            for _ in range(5):
                threads = [threading.Thread(target=create) for _ in range(4)]
                wanted = len(answered) + 20
                for thread in threads:
                    thread.start()
                while len(answered) < wanted and any(thread.is_alive() for thread in threads):
                    threads[0].join(0.01)
                platform.kill()
                for thread in threads:
                    thread.join()
                platform.start()
                # What was made and not yet deleted would fill the account.
                for entry in platform.rest("GET", "/api/v1/entries?key_type=EVP", token=token).json["entries"]:
                    platform.rest("POST", f"/api/v1/entries/{entry['id']}/delete", {"reason": "USER_REQUESTED"}, token=token)
            self.assertGreaterEqual(len(answered), 100)
            for entry in answered:
                self.assertEqual(platform.rest("GET", f"/api/v1/entries/{entry}", token=token).status, 200, entry)
            self.assertEqual(platform.run("audit", "verify").returncode, 0)


class Files(unittest.TestCase):
    def lines(self, count, first=0):
        out = []
        for n in range(first, first + count):
            out.append(
                json.dumps(
                    {
                        "key_type": "EMAIL",
                        "key": f"p{n}@example.com",
                        "account": {"ispb": "12345678", "branch": "0001", "number": str(n), "type": "CACC", "opening_date": "2015-03-02T03:00:00Z"},
                        "owner": {"type": "NATURAL_PERSON", "tax_id": "12345678909", "name": "Ana Souza"},
                    }
                )
            )
        return out

    def test_import_reports_faulty_lines_and_goes_on_and_export_gives_it_back(self):
        with Platform("--empty") as platform:
            lines = self.lines(300)
            lines[41] = lines[41].replace("CACC", "XXXX")
            lines[77] = "{"
            source = platform.folder / "keys.ndjson"
            source.write_text("\n".join(lines) + "\n")
            done = platform.run("import", str(source), "--json")
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(json.loads(done.stdout)["faulty"], 2)
            self.assertIn("line 42: account.type", done.stderr)
            self.assertIn("line 78:", done.stderr)
            again = platform.run("import", str(source), "--json")
            self.assertEqual(json.loads(again.stdout)["already_there"], 298)

            entries = platform.rest("GET", "/api/v1/entries", token=platform.token("operator")).json["entries"]
            platform.cli("entries", "block", next(e["id"] for e in entries if e["key"] == "p8@example.com"), "--order", "process 4711")
            for name in ("out.ndjson", "out.csv"):
                target = platform.folder / name
                platform.run("export", str(target), check=0)
                with Platform("--empty") as other:
                    report = other.run("import", str(target), "--json", check=0)
                    self.assertEqual(json.loads(report.stdout)["faulty"], 0)
                    self.assertEqual(other.cli("lookup", "p7@example.com")["account"]["account_number"], "7")
                    again = other.folder / f"again-{name}"
                    other.run("export", str(again), check=0)
                    self.assertEqual(again.read_text(), target.read_text())

    @unittest.skipIf("CHAVEIRO_E2E_POSTGRES" in os.environ, "a server's database is backed up there, not by us")
    def test_backup_and_restore(self):
        with Platform() as platform:
            backup = platform.cli("backup", "first")["file"]
            entry = platform.cli("entries", "get", ANA)["key_id"]
            platform.cli("entries", "delete", entry)
            self.assertEqual(platform.cli_error("lookup", ANA, *PAYER)["code"], "not_found")
            self.assertNotEqual(platform.run("restore", backup).returncode, 0, "a running server must not be written over")
            platform.stop()
            platform.run("restore", backup, check=0)
            platform.start()
            self.assertEqual(platform.cli("lookup", ANA)["account_holder_name"], "Ana Souza")
            self.assertEqual(platform.run("audit", "verify").returncode, 0)

    def test_audit_verify_finds_a_tail_that_was_cut_by_its_anchor(self):
        with Platform() as platform:
            for _ in range(5):
                platform.cli("lookup", ANA)
            anchors = platform.folder / "anchors"
            platform.run("audit", "verify", "--write-anchors", str(anchors), check=0)
            platform.stop()
            cut = 0
            for file in sorted(platform.data.rglob("*")):
                if "lookup" in str(file.relative_to(platform.data)) and file.is_file() and file.stat().st_size > 0:
                    file.unlink()
                    cut += 1
            self.assertGreater(cut, 0)
            done = platform.run("audit", "verify", "--anchor", str(anchors))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("cut", done.stdout)

    def test_erasing_a_person_needs_its_keys_to_be_gone_and_keeps_the_chain_whole(self):
        with Platform() as platform:
            self.assertEqual(platform.cli_error("erase", "98765432100")["code"], "conflict")


class Settings(unittest.TestCase):
    def run_plain(self, *arguments, environment=None):
        return subprocess.run(
            [PROGRAM, *arguments], env={"PATH": os.environ["PATH"], **(environment or {})}, capture_output=True, text=True, timeout=60
        )

    def test_config_check_tells_all_faults_at_once(self):
        done = self.run_plain("config", "check", environment={"HTTP_PORT": "x", "GRPC_PORT": "99999", "CACHE_ENTRY_TTL": "soon"})
        self.assertEqual(done.returncode, 2)
        for name in ("HTTP_PORT", "GRPC_PORT", "CACHE_ENTRY_TTL"):
            self.assertIn(name, done.stderr)

    def test_config_check_reads_the_rules_files_too(self):
        with tempfile.TemporaryDirectory() as folder:
            rules, envoy = pathlib.Path(folder, "rules.yaml"), pathlib.Path(folder, "envoy.yaml")
            rules.write_text("rules:\n  - name: listing\n    limit: {amount: 1x, period: 1m}\n    colour: red\n")
            envoy.write_text("domain: d\ndescriptors:\n  - key: a\n    rate_limit: {unit: fortnight, requests_per_unit: 1}\n")
            files = {"RATE_LIMIT_RULES": str(rules), "RLS_RULES": str(envoy)}
            done = self.run_plain("config", "check", environment={**files, "HTTP_PORT": "x"})
            self.assertEqual(done.returncode, 2)
            for fault in ("HTTP_PORT", "rules.yaml, line 3, column 21", "rules.yaml, line 4, column 5", "envoy.yaml, line 4"):
                self.assertIn(fault, done.stderr)
            done = self.run_plain("config", "check", environment={"RATE_LIMIT_RULES": str(rules) + ".none"})
            self.assertIn("cannot read", done.stderr)
            rules.write_text("rules:\n  - {name: listing, limit: {amount: 1, period: 1m}}\n")
            self.assertEqual(self.run_plain("config", "check", environment={"RATE_LIMIT_RULES": str(rules)}).returncode, 0)

    def test_config_never_shows_a_secret(self):
        done = self.run_plain("config", environment={"JWT_SECRET": "0123456789abcdef0123456789abcdef"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("***", done.stdout)
        self.assertNotIn("0123456789abcdef", done.stdout)

    def test_a_port_that_is_taken_is_named(self):
        with Platform() as platform:
            done = self.run_plain(
                "serve", environment={"CHAVEIRO_DATA": str(platform.folder / "other"), "HTTP_PORT": "0", "METRICS_PORT": "0", "GRPC_PORT": str(platform.grpc)}
            )
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(str(platform.grpc), done.stderr)

    def test_a_command_that_finds_no_server_says_what_to_do(self):
        with Platform() as platform:
            platform_server = f"127.0.0.1:{platform.grpc}"
            token = platform.token("operator")
            platform.stop()
            done = self.run_plain("lookup", ANA, "--server", platform_server, "--timeout", "2s", environment={"CHAVEIRO_TOKEN": token})
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--server", done.stderr)

    def test_version_and_help(self):
        self.assertIn("chaveiro", self.run_plain("version").stdout)
        self.assertIn("lookup", self.run_plain("--help").stdout)
        self.assertEqual(self.run_plain("colour").returncode, 2)


if __name__ == "__main__":
    unittest.main()
