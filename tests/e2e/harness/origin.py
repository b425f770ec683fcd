"""Another host's HTTP server, that says exactly what a test wants of it; at an address of this machine that is not its loopback."""

import socket
import ssl
import subprocess
import threading
import uuid

import pytest


def outer_address():
    """An IPv4 address of this machine that others could reach; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing: only asks for the route
            candidates = [probe.getsockname()[0]]
        except OSError:
            candidates = []
    listed = subprocess.run(["hostname", "-I"], capture_output=True, text=True)
    candidates += [word for word in listed.stdout.split() if ":" not in word]
    return next((address for address in candidates if not address.startswith(("127.", "169.254.", "0."))), None)


def head(status="200 OK", **fields):
    lines = [f"HTTP/1.1 {status}"] + [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(data, **fields):
    return head(Content_Length=len(data), **fields) + data


class Origin:
    """Listens at every address of the machine, so that nothing but the service's own refusal keeps it from being asked."""

    def __init__(self, tls=None):
        self.address = outer_address()
        if self.address is None:
            pytest.skip("this machine has no address but its loopback, which is never imported from")
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.answers = {}
        self.asked = []  # paths
        self.heads = {}
        self.listener = socket.create_server(("", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.closed = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def place(self):
        return f"{self.address}:{self.port}"

    def url(self, answer, host=None):
        """A new URL. answer: bytes, or what is called with the socket and says what it likes."""
        path = f"/{uuid.uuid4().hex}.bin"
        self.answers[path] = answer
        return f"{'https' if self.tls else 'http'}://{host or self.place}{path}"

    def was_asked(self, url):
        return self.asked.count("/" + url.rpartition("/")[2])

    def accept(self):
        while not self.closed.is_set():
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        try:
            if self.tls:
                link = self.tls.wrap_socket(link, server_side=True)
            with link:
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = link.recv(65536)
                    if not piece:
                        return
                    request += piece
                path = request.split(b" ", 2)[1].decode()
                self.asked.append(path)
                self.heads[path] = request.decode()
                answer = self.answers.get(path, head("404 Not Found", Content_Length=0))
                if callable(answer):
                    answer(link)
                else:
                    link.sendall(answer)
        except OSError:
            pass  # the service has left

    def close(self):
        self.closed.set()
        self.listener.close()
