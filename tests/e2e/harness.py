"""Runs the real program for end-to-end tests: a server in a folder of its own on free ports, the command line, and REST.

Only the standard library. CHAVEIRO_PROGRAM names the program (build/release/chaveiro where it is not set).
"""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CHAVEIRO_PROGRAM", str(ROOT / "build/release/chaveiro"))
READY_SECONDS = 60


class Answer:
    """What a REST call answered."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


def free_port():
    """Below those that the kernel gives to outgoing connections (from 32768 on): a server that is killed wants its port again."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def postgres_environment():
    """A database of its own on the server that with_postgres.py runs; nothing without it."""
    server = os.environ.get("CHAVEIRO_E2E_POSTGRES")
    if not server:
        return {}
    name = f"e2e_{uuid.uuid4().hex[:12]}"
    host, port = server.split(":")
    subprocess.run(
        ["psql", "-q", "-h", host, "-p", port, "-U", "postgres", "-c", f"CREATE DATABASE {name} OWNER chaveiro_maintenance TEMPLATE template0"],
        check=True, capture_output=True, timeout=60,
    )
    return {
        "DATABASE_URL": f"postgres://chaveiro_runtime@{server}/{name}",
        "DATABASE_MAINTENANCE_URL": f"postgres://chaveiro_maintenance@{server}/{name}",
    }


class Platform:
    """One server. Use as a context manager; restart() and kill() keep the folder."""

    def __init__(self, *flags, environment=None, folder=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="chaveiro-e2e-"))
        self.owns_folder = folder is None
        self.data = self.folder / "data"
        self.flags = list(flags)
        self.environment = {
            "PATH": os.environ["PATH"],
            "CHAVEIRO_DATA": str(self.data),
            "HTTP_PORT": "0",
            "GRPC_PORT": "0",
            "METRICS_PORT": "0",
            **{name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ},
            **postgres_environment(),
            **(environment or {}),
        }
        self.client_environment = {}  # of the command line only
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", *self.flags], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.screen = ""
        for line in self.process.stdout:
            self.screen += line
            if line.startswith("  stop"):
                break
        else:
            raise AssertionError(f"the server did not start:\n{self.screen}\n{self.log_text()}")
        self.http = int(re.search(r"REST +\S+:(\d+)/", self.screen).group(1))
        self.grpc = int(re.search(r"gRPC +\S+:(\d+)", self.screen).group(1))
        found = re.search(r"metrics +\S+:(\d+)/", self.screen)
        self.metrics = int(found.group(1)) if found else None

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, signal_number=signal.SIGTERM):
        """Sends the signal, waits, and answers the exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self):
        self.stop(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    # --- the command line ---

    def run(self, *arguments, token=None, input=None, check=None):
        """Runs the command line against this server. check: the exit code that must come back."""
        environment = {**self.environment, **self.client_environment, "CHAVEIRO_SERVER": f"127.0.0.1:{self.grpc}"}
        if token:
            environment["CHAVEIRO_TOKEN"] = token
        done = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=environment, input=input, capture_output=True, text=True, timeout=300
        )
        if check is not None and done.returncode != check:
            raise AssertionError(f"{arguments}: exit {done.returncode}, wanted {check}\n{done.stdout}\n{done.stderr}\n{self.log_text()[-3000:]}")
        return done

    def cli(self, *arguments, token=None):
        """The JSON answer of a command that must work."""
        return json.loads(self.run(*arguments, "--json", token=token, check=0).stdout)

    def cli_error(self, *arguments, token=None):
        """The error of a command that must not work."""
        done = self.run(*arguments, "--json", token=token)
        assert done.returncode != 0, f"{arguments} worked: {done.stdout}"
        return json.loads(done.stderr.strip().splitlines()[-1])["error"]

    def token(self, *roles, ispb="12345678", accounts=(), subject="tester"):
        arguments = ["token", "--subject", subject, "--ispb", ispb]
        for role in roles or ("operator",):
            arguments += ["--role", role]
        for account in accounts:
            arguments += ["--account", account]
        return self.cli(*arguments)["token"]

    # --- REST ---

    def rest(self, method, path, body=None, token=None, headers=None, port=None, tls=None):
        """tls: an ssl.SSLContext."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{'https' if tls else 'http'}://127.0.0.1:{port or self.http}{path}", data=data, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())
