"""Both APIs behind TLS: who gets in, and certificates that are replaced while the server runs. Needs the openssl program."""

import json
import os
import pathlib
import signal
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.error

from harness import PROGRAM, Platform

ANA = "ana.souza@example.com"
PATIENCE_SECONDS = 30  # for what happens within a second


class Authority:
    """Signs certificates with keys of their own, as files in one folder."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.ca = self.file("ca.pem")
        self.openssl("req", "-x509", "-days", "2", "-subj", f"/CN={name}", *self.new_key("ca.key"), "-out", self.ca)

    def file(self, ending):
        return self.folder / f"{self.name}-{ending}"

    def new_key(self, ending):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.file(ending)]

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def issue(self, who):
        """(certificate file, key file)"""
        request, names = self.file(f"{who}.csr"), self.file("names")
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("req", "-subj", f"/CN={who}", *self.new_key(f"{who}.key"), "-out", request)
        self.openssl(
            "x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey", self.file("ca.key"), "-CAcreateserial",
            "-extfile", names, "-out", self.file(f"{who}.crt"),
        )  # fmt: skip
        return self.file(f"{who}.crt"), self.file(f"{who}.key")


class Tls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="chaveiro-tls-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.first, self.second = Authority(self.folder, "first"), Authority(self.folder, "second")
        self.place = {name: self.folder / name for name in ("server.crt", "server.key", "clients.pem")}
        self.put(self.first)

    def put(self, authority):
        """What this authority gives takes its place, one file after another, as an operator's copying does it."""
        certificate, key = authority.issue("server")
        for source, target in ((certificate, "server.crt"), (key, "server.key"), (authority.ca, "clients.pem")):
            self.place[target].write_bytes(source.read_bytes())

    def platform(self):
        return Platform(
            environment={
                "CHAVEIRO_BIND": "127.0.0.1",
                "TLS_CERT_FILE": str(self.place["server.crt"]),
                "TLS_KEY_FILE": str(self.place["server.key"]),
                "TLS_CLIENT_CA_FILE": str(self.place["clients.pem"]),
            }
        )

    def rest_works(self, platform, authority, client=None):
        context = ssl.create_default_context(cafile=authority.ca)
        if client:
            context.load_cert_chain(*client)
        try:
            return platform.rest("GET", "/health", tls=context).status == 200
        except (urllib.error.URLError, ssl.SSLError, ConnectionError):
            return False

    def grpc(self, platform, authority, client=None):
        platform.client_environment = {"CHAVEIRO_CA": str(authority.ca)}
        if client:
            platform.client_environment |= {"CHAVEIRO_CERT": str(client[0]), "CHAVEIRO_CERT_KEY": str(client[1])}
        return platform.run("lookup", ANA, "--timeout", "5s")

    def both_work(self, platform, authority, client):
        return self.rest_works(platform, authority, client), self.grpc(platform, authority, client).returncode == 0

    def until_both_work(self, platform, authority, client):
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.both_work(platform, authority, client) != (True, True):
            time.sleep(0.05)
        self.assertEqual(self.both_work(platform, authority, client), (True, True), platform.log_text()[-2000:])

    def test_who_shows_no_certificate_or_a_strange_one_is_refused_by_both_apis(self):
        client, stranger = self.first.issue("client"), self.second.issue("stranger")
        with self.platform() as platform:
            self.assertIn("https://", platform.screen)
            self.assertEqual(self.both_work(platform, self.first, None), (False, False))
            self.assertEqual(self.both_work(platform, self.first, stranger), (False, False))
            self.assertEqual(self.both_work(platform, self.first, client), (True, True))
            self.assertIn("Ana Souza", self.grpc(platform, self.first, client).stdout)
            # Nor does a client trust a server of another authority, nor get anywhere in plain text.
            self.assertEqual(self.both_work(platform, self.second, client), (False, False))
            platform.client_environment = {}
            self.assertNotEqual(platform.run("lookup", ANA, "--timeout", "5s").returncode, 0)
            with self.assertRaises((urllib.error.URLError, ConnectionError)):
                platform.rest("GET", "/health")
            self.assertEqual(platform.run("health", check=None).returncode, 11)
            # What the gRPC library says of these handshakes is a line of the log like any other.
            for line in platform.log_text().splitlines():
                json.loads(line)
            self.assertIn("the gRPC library says", platform.log_text())

    def test_certificates_replaced_on_disk_hold_for_both_apis_without_a_restart(self):
        old, new = self.first.issue("client"), self.second.issue("client")
        with self.platform() as platform:
            self.assertEqual(self.both_work(platform, self.first, old), (True, True))
            self.put(self.second)
            self.until_both_work(platform, self.second, new)
            self.assertEqual(self.both_work(platform, self.first, old), (False, False))

    def test_a_signal_reloads_at_once_and_a_faulty_file_leaves_the_old_certificates(self):
        client = self.first.issue("client")
        with self.platform() as platform:
            self.place["server.key"].write_text("not a key")
            platform.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + PATIENCE_SECONDS
            while "certificates and keys stay as they were" not in platform.log_text() and time.monotonic() < end:
                time.sleep(0.02)
            self.assertIn("server.key", platform.log_text())
            self.assertEqual(self.both_work(platform, self.first, client), (True, True))
            self.put(self.second)
            platform.process.send_signal(signal.SIGHUP)
            self.until_both_work(platform, self.second, self.second.issue("client"))

    def test_a_certificate_without_its_key_or_authority_is_a_fault_of_the_settings(self):
        done = subprocess.run(
            [PROGRAM, "health", "--cert", "x.pem"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("CHAVEIRO_CERT_KEY", done.stderr)
        self.assertIn("CHAVEIRO_CA", done.stderr)


if __name__ == "__main__":
    unittest.main()
