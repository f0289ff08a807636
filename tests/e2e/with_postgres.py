"""Runs end-to-end tests with PostgreSQL in the place of SQLite: python3 with_postgres.py MODULE…

Starts a throw-away server (as user nobody where it runs as root) and tells harness.py of it; each Platform gets a database of its own.
Where the server's programs are missing it fails.
"""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from harness import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Server:
    def __enter__(self):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not programs:
            raise SystemExit("there is no PostgreSQL server on this machine: ./dev setup test")
        bin_folder = pathlib.Path(programs[-1]).parent
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaveiro-e2e-postgres-"))
        before = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            before = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig", "KILL"]
        self.folder.chmod(0o755)
        data = self.folder / "data"
        with open(self.folder.with_suffix(".log"), "wb") as log:
            subprocess.run(
                [*before, bin_folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
                cwd=self.folder, stdout=log, stderr=log, check=True,
            )
            self.port = free_port()
            settings = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200"]
            words = [*before, bin_folder / "postgres", "-D", data, "-p", str(self.port), "-k", self.folder]
            for setting in settings:
                words += ["-c", setting]
            self.process = subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log)
        for _ in range(300):
            if self.psql("-c", "SELECT 1", check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.psql("-f", ROOT / "tools/servers/postgres.sql")
        return self

    def psql(self, *words, check=True):
        return subprocess.run(
            ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *map(str, words)],
            check=check, capture_output=True, text=True, timeout=60,
        )

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".log").unlink(missing_ok=True)


if __name__ == "__main__":
    with Server() as server:
        os.environ["CHAVEIRO_E2E_POSTGRES"] = f"127.0.0.1:{server.port}"
        program = unittest.main(module=None, argv=[sys.argv[0], "-v", *sys.argv[1:]], exit=False)
    sys.exit(0 if program.result.wasSuccessful() else 1)
