"""Redis breaks under a running server in every way we know: look-ups are answered all along, with the right entry and never an older one."""

import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from harness import Platform, free_port
from wire import Wire

ANSWER_TIME_MAX = 10.0  # seconds; a call to Redis has its own, far shorter deadline, and a machine may be slow


class Redis:
    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="chaveiro-chaos-")

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder.name,
             "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        while self.cli("PING") != "PONG":
            time.sleep(0.02)

    def cli(self, *words, wait=True):
        call = subprocess.Popen(["redis-cli", "-p", str(self.port), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return call.communicate(timeout=20)[0].strip() if wait else call

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.kill()
        self.folder.cleanup()


def word_of(number):
    """A name holds no digits."""
    return "N" + "".join("abcdefghij"[int(digit)] for digit in f"{number:04}")


class Load:
    """Looks keys up all the time; each answer must be of its key, in time, and no older than what was written before it was asked."""

    def __init__(self, platform, keys):
        self.platform, self.keys, self.token = platform, keys, platform.token()
        self.written = {}  # key: number of the name that was acknowledged last
        self.answers, self.slowest, self.faults = 0, 0.0, []
        self.stopping = False
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(2)]
        for thread in self.threads:
            thread.start()

    def run(self, n):
        while not self.stopping:
            key_type, key = self.keys[n % len(self.keys)]
            n += 1
            at_least, begun = self.written.get(key, 0), time.monotonic()
            answer = self.platform.rest("POST", "/api/v1/lookups", {"key_type": key_type, "key": key}, token=self.token)
            took = time.monotonic() - begun
            self.answers, self.slowest = self.answers + 1, max(self.slowest, took)
            if answer.status != 200 or answer.json["key"] != key:
                self.faults.append(f"{key}: {answer!r}")
                continue
            shown = answer.json["owner"]["name"].rsplit(" ", 1)[-1]
            if at_least > 0 and (not re.fullmatch("N[a-j]{4}", shown) or shown < word_of(at_least)):
                self.faults.append(f"{key}: shows {shown}, {word_of(at_least)} was written before")
            if took > ANSWER_TIME_MAX:
                self.faults.append(f"{key}: took {took:.1f} s")

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


class Chaos(unittest.TestCase):
    def faults(self, redis, wire):
        """Name, how it begins, how it ends."""
        def wire_does(what):
            def begin():
                wire.fault = what
            def end():
                wire.fault = None
                wire.cut()
            return begin, end
        def restart():
            redis.start()
        return [
            ("kill -9", redis.kill, restart),
            ("SIGSTOP", lambda: redis.process.send_signal(signal.SIGSTOP), lambda: redis.process.send_signal(signal.SIGCONT)),
            ("partition", *wire_does("partition")),
            ("garbage", *wire_does("garbage")),
            ("halved answers", *wire_does("halved")),
            ("cut connections", wire.cut, lambda: None),
            ("CLIENT KILL", lambda: redis.cli("CLIENT", "KILL", "TYPE", "normal"), lambda: None),
            ("slow script", lambda: redis.cli("EVAL", "local e=redis.call('TIME')[1]+2 while redis.call('TIME')[1]+0<e do end", "0", wait=False), lambda: None),
            ("full memory", lambda: redis.cli("CONFIG", "SET", "maxmemory", "1"), lambda: redis.cli("CONFIG", "SET", "maxmemory", "0")),
            ("password changed", lambda: (redis.cli("CONFIG", "SET", "requirepass", "other"), wire.cut()),
             lambda: redis.cli("-a", "other", "CONFIG", "SET", "requirepass", "")),
        ]

    @staticmethod
    def hits(platform):
        """Look-ups that each level of the cache answered."""
        metrics = platform.rest("GET", "/metrics", port=platform.metrics).body.decode()
        found = re.findall(r'^integration_gateway_cache_hits_total\{connector="directory",endpoint="entries",level="(\w+)"\} (\d+)', metrics, re.M)
        return {level: int(count) for level, count in found}

    def wait_for(self, platform, level):
        """How long it takes until look-ups are answered from there."""
        begun, before = time.monotonic(), self.hits(platform)[level]
        while self.hits(platform)[level] == before:
            self.assertLess(time.monotonic() - begun, 60, f"nothing comes from {level}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def wait_for_answers(self, load, count):
        begun = time.monotonic()
        while load.answers < count:
            self.assertLess(time.monotonic() - begun, 60, "look-ups are not answered")
            time.sleep(0.02)

    def break_everything(self, environment, level):
        with Redis() as redis, Wire(redis.port) as wire:
            url = f"redis://127.0.0.1:{wire.port}/0"
            settings = {"CACHE_L2_ENABLED": "true", "REDIS_URL": url, "REDIS_STATE_URL": url, **environment}
            with Platform(environment=settings) as platform:
                entries = platform.rest("GET", "/api/v1/entries", token=platform.token()).json["entries"]
                active = [entry for entry in entries if entry["status"] == "ACTIVE"]
                writable = [entry for entry in active if entry["key_type"] != "EVP"]
                load = Load(platform, [(entry["key_type"], entry["key"]) for entry in active])
                try:
                    self.wait_for(platform, level)
                    number = 0
                    for name, begin, end in self.faults(redis, wire):
                        before, slowest = load.answers, load.slowest
                        load.slowest = 0.0
                        begin()
                        for _ in range(3):  # committed while it is broken, and never unseen
                            number += 1
                            entry = writable[number % len(writable)]
                            done = platform.rest("PATCH", f"/api/v1/entries/{entry['id']}", {"owner": {"name": f"Ana Souza {word_of(number)}"}}, token=load.token)
                            self.assertEqual(done.status, 200, f"{name}: {done!r}")
                            load.written[entry["key"]] = number
                            time.sleep(0.2)
                        end()
                        time.sleep(0.3)
                        self.wait_for_answers(load, before + 10)
                        self.assertEqual(load.faults, [], name)
                        print(f"{name:17} {load.answers - before:5} look-ups, the slowest {load.slowest * 1000:.0f} ms")
                        load.slowest = max(slowest, load.slowest)
                    self.assertEqual(platform.rest("GET", "/ready").status, 200)
                    print(f"{level} answers again after {self.wait_for(platform, level):.1f} s")
                    hits = self.hits(platform)
                finally:
                    load.stop()
                print(f"{load.answers} look-ups, answered by {hits}, the slowest {load.slowest * 1000:.0f} ms")
                return hits

    def test_look_ups_are_answered_from_memory_through_everything(self):
        self.break_everything({}, "L1")

    def test_look_ups_are_answered_from_redis_or_the_store_through_everything(self):
        hits = self.break_everything({"CACHE_L1_ENABLED": "false"}, "L2")
        self.assertEqual(hits["L1"], 0)
        self.assertGreater(hits["origin"], 0)


if __name__ == "__main__":
    unittest.main()
