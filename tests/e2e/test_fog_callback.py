"""Callbacks of direct uploads: who is called, what he is told, how he can tell who calls, and what the form is answered."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import xml.etree.ElementTree as xml
from urllib.parse import parse_qs

import pytest
from harness.process import free_port, until
from harness.store import Store, new_key

SECRET = "what only the two of us know"


class Receiver:
    """An HTTP server that remembers what it was told and answers as it was bidden."""

    def __init__(self):
        self.calls = []
        self.release = threading.Event()
        self.bid()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((self.path, dict(self.headers.items()), body))
                if receiver.pause:
                    receiver.release.wait(receiver.pause)
                try:
                    self.send_response(receiver.status)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(receiver.body)))
                    self.end_headers()
                    self.wfile.write(receiver.body)
                except OSError:
                    pass  # it waits no longer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/told?by=otad"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bid(self, status=200, body=b'{"Status":"Ok"}', pause=0, **headers):
        self.status, self.body, self.pause = status, body, pause
        self.headers = {"Content-Type": "application/json", **headers}
        self.calls.clear()
        self.release.clear()

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def configure(site, **settings):
    site.otad.stop()
    secret = site.otad.dir / "callback.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    site.otad.write_config(callback_secret_file=secret, **settings)
    site.otad.start()


@pytest.fixture(scope="module")
def deaf():
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_port()}/"


@pytest.fixture(scope="module")
def told(shared, receiver, deaf):
    configure(shared, callback_urls=f"{receiver.url}, {deaf}")
    return shared


@pytest.fixture
def store(told, receiver):
    receiver.bid()
    return Store(told)


def wish(**members):
    return base64.b64encode(json.dumps(members).encode()).decode()


def failed(answer, data, word=""):
    """As OSS answers it: 203, and the object is there."""
    assert answer.status == 203, answer
    root = xml.fromstring(answer.body)
    assert root.tag == "Error" and root.find("Code").text == "CallbackFailed", answer
    assert word in root.find("Message").text, answer
    assert answer.header("ETag") == f'"{hashlib.md5(data).hexdigest().upper()}"'


def refused(answer, word=""):
    assert answer.status == 400, answer
    root = xml.fromstring(answer.body)
    assert root.find("Code").text == "InvalidArgument" and word in root.find("Message").text, answer


# What is told.


def test_what_is_handed_out_is_called_and_answers_the_form(store, receiver):
    said = json.loads(base64.b64decode(store.token["callback"], validate=True))
    assert said == {"callbackUrl": receiver.url, "callbackBody": "object=${object}&etag=${etag}&size=${size}&mimeType=${mimeType}",
                    "callbackBodyType": "application/x-www-form-urlencoded"}
    receiver.bid(body=b' {"id": 7, "\xe5\x9b\xba": [true]}\n')
    key, data = new_key(), b"some firmware"
    md5 = hashlib.md5(data).hexdigest().upper()
    answer = store.post(key, data).must(200)
    assert answer.body == receiver.body and answer.header("Content-Type") == "application/json"
    assert answer.header("ETag") == f'"{md5}"' and answer.header("Access-Control-Allow-Origin") == "*"
    assert int(answer.header("Content-Length")) == len(answer.body)
    ((path, headers, body),) = receiver.calls
    assert path == "/told?by=otad" and headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode(), strict_parsing=True) == {"object": [key], "etag": [md5], "size": ["13"], "mimeType": ["application/octet-stream"]}
    assert headers["X-Otad-Signature-256"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert "Authorization" not in headers
    assert store.get(key).body == data


def test_at_least_once(store, receiver):
    key = new_key()
    for _ in range(2):
        store.post(key, b"twice").must(200)
    assert len(receiver.calls) == 2


def test_it_is_there_when_it_is_told(store, receiver):
    seen, key = [], new_key()
    receiver.bid(pause=5)
    waiter = threading.Thread(target=lambda: seen.append(store.post(key, b"before")))
    waiter.start()
    until(lambda: receiver.calls, "the call came")
    assert store.get(key).must(200).body == b"before"
    receiver.release.set()
    waiter.join()
    assert seen[0].status == 200


def test_a_body_of_one_s_own(store, receiver):
    key = new_key()
    mine = wish(callbackUrl=receiver.url, callbackHost="127.0.0.1", callbackBody='{"o":${object},"s":${size},"me":${x:me},"none":${x:none},"b":${bucket}}',
                callbackBodyType="application/json")
    fields = {**store.fields(key, callback=mine), "x:me": 'a "quote", a & and 固件'}
    store.send(*store.form(fields, b"12345")).must(200)
    ((_, headers, body),) = receiver.calls
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"o": key, "s": 5, "me": 'a "quote", a & and 固件', "none": "", "b": "oss"}
    form = wish(callbackUrl=receiver.url, callbackBody="o=${object}&me=${x:me}&fixed=a+b")
    fields = {**store.fields(key, callback=form), "x:me": "&o=other&x=%00\r\n"}
    store.send(*store.form(fields, b"12345")).must(200)
    assert parse_qs(receiver.calls[1][2].decode()) == {"o": [key], "me": ["&o=other&x=%00\r\n"], "fixed": ["a b"]}


@pytest.mark.parametrize("name", ['x"},{".bin', "a&object=ota/other.bin", "a\r\nX-Injected: 1", "${etag}.bin"])
def test_a_file_s_name_says_nothing_else(store, receiver, name):
    answer = store.post("ota/${filename}", b"x", name=name.replace("\r\n", "%0d%0a").replace('"', "%22"))
    assert answer.status == 400 and receiver.calls == [], "a key holds nothing that could be mistaken"


def test_who_wants_no_callback_gets_none(store, receiver):
    for callback in (None, "", wish(callbackUrl="")):
        answer = store.post(new_key(), b"quiet", callback=callback).must(200)
        assert answer.body == b""
    assert receiver.calls == []


# What fails.


FAILURES = [
    ({"status": 500}, "Error status : 500"),
    ({"status": 404}, "Error status : 404"),
    ({"status": 204, "body": b""}, "Error status : 204"),
    ({"status": 302, "Location": "/elsewhere"}, "redirect"),
    ({"body": b"no json"}, "not valid json"),
    ({"body": b""}, "not valid json"),
    ({"body": b'"text"'}, "not valid json"),
    ({"body": b'{"x":"\xff"}'}, "not valid json"),
    ({"body": b'{"x":"' + b"y" * 65536 + b'"}'}, "more than"),
]


@pytest.mark.parametrize("bid,word", FAILURES, ids=[str(row[1]) + str(at) for at, row in enumerate(FAILURES)])
def test_a_failure_leaves_the_object(store, receiver, bid, word):
    receiver.bid(**bid)
    key = new_key()
    failed(store.post(key, b"kept"), b"kept", word)
    assert len(receiver.calls) == 1, "no redirect is followed and nothing is repeated"
    assert store.get(key).must(200).body == b"kept"
    receiver.bid()
    store.post(key, b"kept").must(200)


def test_nobody_there(store, deaf):
    key = new_key()
    failed(store.post(key, b"kept", callback=wish(callbackUrl=deaf, callbackBody="x")), b"kept")
    assert store.get(key).must(200).body == b"kept"


def test_a_target_that_does_not_answer(store, receiver):
    receiver.bid(pause=30)
    started = time.monotonic()
    failed(store.post(new_key(), b"kept"), b"kept")
    assert 4 < time.monotonic() - started < 9
    receiver.release.set()


def test_calls_take_half_of_the_workers_at_most(store, receiver):
    """Of four, two."""
    receiver.bid(pause=4)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(store.post(new_key(), b"crowd"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) == 2, "those that find no place are answered at once")
    for answer in answers:
        failed(answer, b"crowd", "too many callback requests")
    started = time.monotonic()
    store.site.admin.get("/api/v3/products").must(200)
    assert time.monotonic() - started < 2, "the rest of the service goes on"
    receiver.release.set()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200, 200, 203, 203]
    assert len(receiver.calls) == 2


# What is refused before a byte of the file is taken.


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "{url}x", "{url};http://evil.example.com/", "HTTP{rest}", "file:///etc/passwd"])
def test_a_foreign_target(store, receiver, url):
    url = url.format(url=receiver.url, rest=receiver.url[4:])
    refused(store.post(new_key(), b"x", callback=wish(callbackUrl=url, callbackBody="x")), "does not call that callbackUrl")
    assert receiver.calls == []


MALFORMED = ["***", "e30", base64.b64encode(b"no json").decode(), base64.b64encode(b"[]").decode(), "A" * 5000, base64.b64encode(b'{"callbackUrl":1}').decode()]


@pytest.mark.parametrize("callback", MALFORMED, ids=range(len(MALFORMED)))
def test_a_callback_that_cannot_be_read(store, callback):
    key = new_key()
    refused(store.post(key, b"x", callback=callback))
    assert store.get(key).status == 404


def test_a_callback_that_says_too_much(store, receiver):
    for more in ({"callbackHost": "evil.example.com"}, {"callbackBody": ""}, {"callbackBody": "${password}"}, {"callbackBodyType": "text/html"}, {"headers": {}},
                 {"callbackBodyType": "application/json", "callbackBody": '{"o":"${object}"}'}):
        refused(store.post(new_key(), b"x", callback=wish(**{"callbackUrl": receiver.url, "callbackBody": "x", **more})))
    many = [(f"x:v{i}", "v") for i in range(17)]
    refused(store.send(*store.form([*store.fields(new_key()).items(), *many], b"x")), "x:")
    refused(store.send(*store.form([*store.fields(new_key()).items(), ("x:v", b"a\0b")], b"x")), "x:")
    assert receiver.calls == []


# The service's operator.


def test_a_stop_does_not_wait_for_a_target(site):
    receiver = Receiver()
    try:
        configure(site, callback_urls=receiver.url)
        store, answers, key = Store(site), [], new_key()
        receiver.bid(pause=30)
        waiter = threading.Thread(target=lambda: answers.append(store.post(key, b"kept")))
        waiter.start()
        until(lambda: receiver.calls, "the call came")
        started = time.monotonic()
        site.otad.stop()
        assert time.monotonic() - started < 4
        waiter.join()
        failed(answers[0], b"kept")
        receiver.release.set()
        site.otad.start()
        assert store.get(key).must(200).body == b"kept"
    finally:
        receiver.close()


def test_targets_and_secret_are_read_again(site):
    receiver = Receiver()
    try:
        store = Store(site)
        assert json.loads(base64.b64decode(store.token["callback"])) == {"callbackUrl": ""}
        mine = wish(callbackUrl=receiver.url, callbackBody="x")
        refused(store.post(new_key(), b"x", callback=mine), "does not call that callbackUrl")
        site.otad.write_config(callback_urls=receiver.url)
        site.otad.reload()
        until(lambda: store.post(new_key(), b"x", callback=mine).status == 200, "the new target is called")
        assert "X-Otad-Signature-256" not in receiver.calls[0][1]
        metrics = site.anybody.get("/metrics").body.decode()
        assert "otad_callbacks_total 1" in metrics and "otad_callbacks_failed_total 0" in metrics
    finally:
        receiver.close()


BAD = ["ftp://a.example.com/", "erp.example.com/x", "http://", "http:///x", "http://user:secret@a.example.com/", "http://a.example.com/#x", "http://:80/",
       "http://a.example.com/x,nonsense", "http://a.example.com/" + "x" * 500, 'http://a.example.com/"']


@pytest.mark.parametrize("urls", BAD)
def test_targets_that_are_none(site, urls):
    site.otad.write_config(callback_urls=json.dumps(urls))
    done = site.otad.run("--check-config")
    assert done.returncode == 1 and "callback_urls" in done.stderr, done
    site.otad.write_config(callback_urls="")


def test_the_configuration_is_checked_and_the_secret_not_shown(site):
    secret = site.otad.dir / "callback.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    site.otad.write_config(callback_urls="https://a.example.com/x?y=1, http://127.0.0.1:8080", callback_secret_file=secret)
    assert site.otad.do("--check-config") == "configuration is good\n"
    shown = site.otad.do("--print-config")
    assert "callback_secret = ********" in shown and SECRET not in shown
    secret.write_text("short\n")
    done = site.otad.run("--check-config")
    assert done.returncode == 1 and "callback_secret" in done.stderr and "short" not in done.stderr
