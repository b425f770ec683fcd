"""A server that says what a test tells it to, byte by byte, to Xiaozhi devices of otad-sim."""

import json
import socket
import threading

from .process import Failure, until


def echo(version, **more):
    """Nothing to install, as a good server says it."""
    return {"server_time": {"timestamp": 1766848942364, "timezone_offset": 480}, "firmware": {"version": version, "url": ""}, **more}


def http(body, status=200, length="Content-Length"):
    """A whole answer; length: how its header is spelt, None: without."""
    body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n"
    head += f"{length}: {len(body)}\r\n" if length else ""
    return head.encode() + b"Connection: close\r\n\r\n" + body


class Request:
    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.method, self.path, _ = lines[0].split(" ")
        self.headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def elf(self):
        return self.json["application"]["elf_sha256"]

    @property
    def version(self):
        return self.json["application"]["version"]


class Server:
    """answer: Request -> bytes (the whole answer), a dict (a 200), or None (hang up). Requests are kept in order."""

    def __init__(self, answer, tls=None):
        self.answer = answer
        self.tls = tls
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer:
            try:
                peer = self.tls.wrap_socket(peer, server_side=True) if self.tls else peer
                request = self.read(peer)
                if request is None:
                    return
                self.requests.append(request)
                answer = self.answer(request)
                if answer is not None:
                    peer.sendall(http(answer) if isinstance(answer, dict) else answer)
                if self.tls:
                    peer.unwrap()
            except OSError:
                pass  # it lost its power

    @staticmethod
    def read(peer):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = peer.recv(65536)
            if not piece:
                return None
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        request = Request(head, b"")
        while len(body) < int(request.headers.get("Content-Length", 0)):
            body += peer.recv(65536)
        request.body = body
        return request

    @property
    def checks(self):
        return [r for r in self.requests if r.method == "POST" and not r.path.endswith("/activate")]

    @property
    def activations(self):
        return [r for r in self.requests if r.path.endswith("/activate")]

    def wait_checks(self, count, timeout=10):
        until(lambda: len(self.checks) >= count, f"{count} checks", timeout)
        return self.checks

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Sequence:
    """Answers the checks in order, the last one for ever; other paths from a table of path -> bytes or function."""

    def __init__(self, *checks, **others):
        self.left = list(checks)
        self.others = others

    def __call__(self, request):
        if request.method == "GET":
            found = self.others["image"]
            return found(request) if callable(found) else found
        if request.path.endswith("/activate"):
            found = self.others.get("activate")
            return found(request) if callable(found) else found
        if not self.left:
            raise Failure("no answer is left")
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return found(request) if callable(found) else found
