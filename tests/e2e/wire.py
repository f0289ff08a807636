"""A wire that can be broken: what it does to the bytes is changed while they flow."""

import contextlib
import os
import socket
import threading
import time


class Wire:
    """Between a program and a port of this machine; `fault` is partition, garbage, halved or None, and may change at any time."""

    def __init__(self, port_behind):
        self.behind, self.fault, self.pairs = port_behind, None, []
        self.held_up = 0  # how often something had to wait
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.behind), timeout=1)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self.pairs.append((near, far))
                threading.Thread(target=self.carry, args=(near, far, "asked"), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, "answered"), daemon=True).start()

    def carry(self, source, target, direction):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.held_up += self.fault == "partition"
                while self.fault == "partition":
                    time.sleep(0.02)
                if self.fault == "garbage" and direction == "answered":
                    data = os.urandom(len(data))
                if self.fault == "halved" and direction == "answered":
                    target.sendall(data[: len(data) // 2])
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def cut(self):
        for near, _ in self.pairs:
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.fault = None
        self.cut()
