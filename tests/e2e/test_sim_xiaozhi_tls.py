"""Xiaozhi devices of otad-sim over HTTPS, and at a broker on port 8883, which is TLS without being asked."""

import ssl

import pytest
from harness.board import Boards
from harness.image import app
from harness.process import Process, listening, until
from harness.scripted import Sequence, Server, echo, http
from test_tls import Certificates

HOST = "127.0.0.83"  # port 8883 of 127.0.0.1 may be somebody else's


@pytest.fixture
def certs(tmp_path):
    certs = Certificates(tmp_path / "tls")
    certs.sign("server", 1, f"IP:127.0.0.1,IP:{HOST}")
    return certs


@pytest.fixture
def server(certs):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.path("server.pem"), certs.path("server.key"))
    server = Server(lambda request: echo(request.version), context)
    yield server
    server.close()


@pytest.fixture
def broker(certs, tmp_path):
    config = tmp_path / "mosquitto.conf"
    lines = [f"listener 8883 {HOST}", f"certfile {certs.path('server.pem')}", f"keyfile {certs.path('server.key')}", "allow_anonymous true", "user root"]
    config.write_text("\n".join(lines) + "\n")
    broker = Process("mosquitto", tmp_path / "log")
    broker.spawn(["/usr/sbin/mosquitto", "-c", str(config)])
    broker.until_ready(lambda: listening(8883, HOST), 10)
    yield broker
    broker.end()


def test_an_update_over_https(certs, server):
    server.answer = Sequence({"firmware": {"version": "2.4.2", "url": f"{server.url}/a.bin"}}, echo("2.4.2"), image=http(app("2.4.2")))
    Boards(server.url, "2.0.4", "--cafile", certs.path("ca.pem"), "--exit-after", 1, "--timeout", "20s").done()


def test_a_slow_update_over_https(certs, server):
    server.answer = Sequence({"firmware": {"version": "2.4.2", "url": f"{server.url}/a.bin"}}, echo("2.4.2"), image=http(app("2.4.2", size=40_000)))
    Boards(server.url, "2.0.4", "--cafile", certs.path("ca.pem"), "--drip", "50k", "--exit-after", 1, "--timeout", "20s").done()


def test_a_certificate_of_nobody_it_trusts_is_refused(certs, server):
    certs.authority("other")
    with Boards(server.url, "2.0.4", "--cafile", certs.path("other.pem")) as boards:
        assert "certificate" in boards.event("check-failed")["text"]
    assert not server.requests


@pytest.mark.parametrize("endpoint", [HOST, f"{HOST}:8883"])
def test_port_8883_or_none_is_tls(certs, server, broker, endpoint):
    mqtt = {"endpoint": endpoint, "client_id": "c", "username": "u", "password": "p", "publish_topic": "t", "subscribe_topic": "null"}
    server.answer = lambda request: echo(request.version, mqtt=mqtt)
    Boards(server.url, "2.0.4", "--cafile", certs.path("ca.pem"), "--exit-after", 0, "--timeout", "20s").done()
    until(lambda: "New client connected" in broker.text(), "the broker has seen it")
