"""HTTP clients: one that speaks properly, one that sends exactly the bytes it is told, and the real curl."""

import http.client
import json
import socket
import subprocess
import uuid
from urllib.parse import quote, urlencode, urlsplit


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"

    def header(self, name, default=None):
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """errorCode of the /api/v2 envelope."""
        envelope = self.json
        assert set(envelope) == {"success", "errorCode", "errorMsg", "data"}, envelope
        assert envelope["success"] is (envelope["errorCode"] == 200), envelope
        return envelope["errorCode"]

    @property
    def data(self):
        """data of a successful /api/v2 envelope."""
        assert self.status == 200 and self.code == 200, self
        return self.json["data"]

    def must(self, status):
        assert self.status == status, self
        return self


def form(file_name, data, field="file"):
    """A multipart/form-data body with one file: (content type, body)."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"multipart/form-data; boundary={boundary}", head.encode() + data + f"\r\n--{boundary}--\r\n".encode()


class Client:
    """Requests with one operator's token (or none), one connection each unless inside keep_alive()."""

    def __init__(self, url, token=None, timeout=20):
        self.url = url
        self.token = token
        self.timeout = timeout

    def request(self, method, path, query=None, body=None, headers=None, raw_query=None):
        headers = dict(headers or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urlencode({key: value for key, value in query.items() if value is not None}, quote_via=quote)
        elif raw_query is not None:
            path += "?" + raw_query
        link = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=self.timeout)
        try:
            try:
                link.request(method, path, body=body, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it was read: the answer is there
            got = link.getresponse()
            return Answer(got.status, got.getheaders(), got.read())
        finally:
            link.close()

    def get(self, path, headers=None, **query):
        return self.request("GET", path, query, headers=headers)

    def head(self, path, headers=None, **query):
        return self.request("HEAD", path, query, headers=headers)

    def post(self, path, body=None, headers=None, **query):
        return self.request("POST", path, query, body=body, headers=headers)

    def put(self, path, body=None, headers=None, **query):
        return self.request("PUT", path, query, body=body, headers=headers)

    def patch(self, path, body=None, headers=None, **query):
        return self.request("PATCH", path, query, body=body, headers=headers)

    def delete(self, path, headers=None, **query):
        return self.request("DELETE", path, query, headers=headers)

    def upload(self, data, file_name="app.bin", field="file", **query):
        content_type, body = form(file_name, data, field)
        return self.request("POST", "/api/v2/otaUpload", query, body=body, headers={"Content-Type": content_type})


def raw(url, data, timeout=10, finish=True):
    """Sends these bytes as they are; everything the server says until it closes (b'' if it just closes)."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout) as link:
        got = b""
        try:
            link.sendall(data)
            if finish:
                link.shutdown(socket.SHUT_WR)
            while chunk := link.recv(65536):
                got += chunk
        except OSError:
            pass  # closed by the server in the middle of it
        return got


def status_of(reply):
    """The status in raw bytes; None if there was no answer."""
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.") else None


def curl(command_line):
    """Runs a curl command as somebody would type it into a shell; its output."""
    done = subprocess.run(["bash", "-c", command_line], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command_line}\n{done.stderr}"
    return done.stdout
