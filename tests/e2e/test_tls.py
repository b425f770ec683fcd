"""HTTPS beside or instead of HTTP, certificates exchanged while all goes on, and the service's own TLS link to the broker."""

import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness.broker import Broker
from harness.process import Process, free_port, listening, until
from harness.site import Site
from harness.web import Client

PATIENCE = 20


class Certificates:
    """A private authority and what it signs, in one directory."""

    def __init__(self, directory):
        self.dir = directory
        self.dir.mkdir()
        self.authority("ca")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.dir, check=True, capture_output=True)

    def authority(self, name):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def sign(self, name, serial, names="IP:127.0.0.1,DNS:localhost", ca="ca"):
        """NAME.pem and NAME.key, put in place as certificate tools do: renamed over what was there."""
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", *curve, "-subj", "/CN=test", "-keyout", "new.key", "-out", "new.csr")
        (self.dir / "new.ext").write_text(f"subjectAltName={names}\n")
        signing = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-set_serial", str(serial), "-extfile", "new.ext"]
        self.openssl("x509", "-req", "-days", "2", "-in", "new.csr", *signing, "-out", "new.pem")
        (self.dir / "new.key").chmod(0o600)
        (self.dir / "new.key").rename(self.dir / f"{name}.key")
        (self.dir / "new.pem").rename(self.dir / f"{name}.pem")

    def path(self, name):
        return str(self.dir / name)

    def context(self):
        return ssl.create_default_context(cafile=self.path("ca.pem"))


@pytest.fixture
def certs(tmp_path):
    certs = Certificates(tmp_path / "tls")
    certs.sign("otad", 1)
    return certs


def https_settings(certs, **more):
    return {"https_port": 0, "tls_cert_file": certs.path("otad.pem"), "tls_key_file": certs.path("otad.key"), **more}


@pytest.fixture
def site(cluster, template, tmp_path, certs):
    """An installation that speaks both."""
    site = Site(cluster, *template, tmp_path, https_settings(certs))
    site.certs = certs
    yield site
    site.close()


def tls_port(otad):
    return int(until(lambda: re.findall(r'msg="listening \(TLS\)".*\bport=(\d+)', otad.log()), f"otad listens:\n{otad.process.tail()}")[-1])


def url(site, path):
    return f"https://localhost:{tls_port(site.otad)}{path}"


def connect(site, port=None):
    """A verified connection."""
    raw = socket.create_connection(("127.0.0.1", port or tls_port(site.otad)), PATIENCE)
    return site.certs.context().wrap_socket(raw, server_hostname="localhost")


def serial(site, port=None):
    with connect(site, port) as link:
        return int(link.getpeercert()["serialNumber"], 16)


def curl(site, *words):
    command = ["curl", "-sS", "--max-time", "60", "--cacert", site.certs.path("ca.pem"), *words]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, f"{command}\n{done.stderr.decode()}"
    return done.stdout


def operator(site):
    return ["-H", f"Authorization: Bearer {site.tokens['operator']}"]


def offered(site, data):
    """(the path of a firmware that was pushed, its device)"""
    device, firmware = site.lamp(data=data)
    site.push(firmware, device).must(200)
    return "/api/v2/micro/" + device.offer()["fileName"], device


# What curl does.


def test_requests_of_all_kinds(site, tmp_path):
    assert curl(site, url(site, "/healthz")).strip() == b"ok"
    body = json.dumps({"username": "operator", "password": "the operator's pass phrase"})
    answer = json.loads(curl(site, "-H", "Content-Type: application/json", "-d", body, url(site, "/api/v2/login")))
    assert answer["success"] and answer["data"].startswith("Bearer ")
    assert curl(site, "-I", url(site, "/healthz")).startswith(b"HTTP/1.1 200")
    assert b"200" == curl(site, "-o", os.devnull, "-w", "%{http_code}", "--tlsv1.3", url(site, "/healthz"))
    assert b"200" == curl(site, "-o", os.devnull, "-w", "%{http_code}", "--tls-max", "1.2", url(site, "/healthz"))


def test_http_1_1_only_and_connections_are_kept(site):
    told = curl(site, "--http2", "-w", "%{http_version} %{num_connects}\n", "-o", os.devnull, url(site, "/healthz"),
                "-o", os.devnull, url(site, "/metrics"), "-o", os.devnull, url(site, "/readyz"))
    assert told.decode().split("\n")[:3] == ["1.1 1", "1.1 0", "1.1 0"]


def test_an_upload_and_its_download(site, tmp_path):
    data = os.urandom(20_000_000)
    product = site.product()
    binary = tmp_path / "app.bin"
    binary.write_bytes(data)
    answer = json.loads(curl(site, *operator(site), "-F", f"file=@{binary}", url(site, f"/api/v2/otaUpload?name=big&productId={product}")))
    assert answer["success"], answer
    path = "/api/v2/micro/" + (answer["data"][0] if isinstance(answer["data"], list) else answer["data"])["path"]
    assert curl(site, *operator(site), url(site, path)) == data
    assert curl(site, *operator(site), "-r", "1000-4999999", url(site, path)) == data[1000:5_000_000]
    assert curl(site, *operator(site), "-r", "-500", url(site, path)) == data[-500:]
    several = curl(site, *operator(site), "-r", "0-9,100-109", url(site, path))
    assert data[:10] in several and data[100:110] in several
    plain = Client(site.otad.url, site.tokens["operator"]).get(path).must(200)
    assert plain.body == data


def test_a_whole_download_is_evidence(site):
    data = os.urandom(3_000_001)
    path, device = offered(site, data)
    assert curl(site, url(site, path)) == data
    site.until_state(device, "downloaded")
    assert device.report("whatever it is called")["code"] == "200"
    site.until_state(device, "succeeded")


def test_half_a_download_is_none(site):
    data = os.urandom(3_000_001)
    path, device = offered(site, data)
    with connect(site) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = 0
        while got < 2_000_000:
            got += len(link.recv(65536))
    time.sleep(1)
    assert site.task(device)["state"] in ("notified", "downloading")
    assert curl(site, "-r", "1000000-", url(site, path)) == data[1_000_000:]
    site.until_state(device, "downloaded")  # the two overlap


# Certificates.


def test_a_new_certificate_while_a_download_runs(site):
    data = os.urandom(12_000_000)
    path, device = offered(site, data)
    with connect(site) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        got = link.recv(65536)
        site.certs.sign("otad", 2)
        site.otad.reload()
        until(lambda: serial(site) == 2, "new connections see the new certificate")
        assert int(link.getpeercert()["serialNumber"], 16) == 1
        while chunk := link.recv(65536):
            got += chunk
    assert got.partition(b"\r\n\r\n")[2] == data
    site.until_state(device, "downloaded")


def test_a_bad_new_file_changes_nothing(site):
    keep = (site.certs.dir / "otad.pem").read_text()
    (site.certs.dir / "otad.pem").write_text("no certificate\n")
    site.otad.reload()
    site.otad.until_logged(r"certificate not reloaded; the old one stays.*tls_cert_file.*holds no certificate")
    assert serial(site) == 1
    site.certs.sign("other", 3)
    (site.certs.dir / "otad.pem").write_text((site.certs.dir / "other.pem").read_text())
    site.otad.reload()
    site.otad.until_logged(r"certificate not reloaded.*is not the key of the first certificate")
    assert serial(site) == 1
    (site.certs.dir / "otad.pem").write_text(keep)
    (site.certs.dir / "otad.key").chmod(0o644)
    site.otad.reload()
    site.otad.until_logged(r"certificate not reloaded.*run: chmod o= ")
    site.certs.sign("otad", 4)
    site.otad.reload()
    until(lambda: serial(site) == 4, "a good one is taken after all")


def test_a_certificate_under_a_new_name(site):
    site.certs.sign("renamed", 7)
    site.otad.write_config(tls_cert_file=site.certs.path("renamed.pem"), tls_key_file=site.certs.path("renamed.key"))
    site.otad.reload()
    until(lambda: serial(site) == 7, "new connections see the new file")


def refused(otad):
    """What it says when it does not start."""
    done = otad.run("--check-config")
    assert done.returncode == 1, done
    otad.start(wait=False)
    until(lambda: not otad.process.running(), "it ended")
    assert otad.process.child.wait() == 1
    otad.process.child = None
    return done.stderr + otad.log()


@pytest.mark.parametrize(
    "changes, sentence",
    [
        pytest.param({"mode": 0o644}, r"tls_key_file: .* run: chmod o= ", id="a key that all may read"),
        pytest.param({"tls_key_file": ""}, "tls_key_file: must be set too", id="no key"),
        pytest.param({"tls_cert_file": ""}, "tls_cert_file: must be set too", id="no certificate"),
        pytest.param({"tls_cert_file": "/does/not/exist"}, "tls_cert_file: /does/not/exist: No such file", id="no file"),
        pytest.param({"tls_cert_file": "", "tls_key_file": "", "http_port": -1}, "nothing would listen", id="nothing at all"),
        pytest.param({"mqtt_tls": "on", "mqtt_ca_file": "/dev/null"}, "mqtt_ca_file: /dev/null holds no certificate", id="an empty authority"),
    ],
)
def test_a_bad_configuration_says_what_to_do(site, changes, sentence):
    mode = changes.pop("mode", None)
    other = site.service("other", {**https_settings(site.certs), **changes})
    if mode:
        (site.certs.dir / "otad.key").chmod(mode)
    told = refused(other)
    assert len(re.findall(sentence, told)) >= 2, told


def test_https_alone(site):
    only = site.service("only", https_settings(site.certs, http_port=-1))
    only.start(wait=False)
    port = tls_port(only)
    assert curl(site, f"https://127.0.0.1:{port}/healthz").strip() == b"ok"
    assert not re.search(r"msg=listening ", only.log())
    only.stop()


# Bad company.


def test_the_wrong_protocol_is_dropped(site):
    with socket.create_connection(("127.0.0.1", tls_port(site.otad)), PATIENCE) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            while link.recv(4096):
                pass
        except ConnectionResetError:
            pass
    with pytest.raises((ssl.SSLError, OSError)):
        connect(site, site.otad.port)
    for junk in (b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000, os.urandom(5000), b"\x15\x03\x03\x00\x02\x02\x28", b"\x80\x2e\x01\x00\x02"):
        with socket.create_connection(("127.0.0.1", tls_port(site.otad)), PATIENCE) as link:
            try:
                link.sendall(junk)
                link.shutdown(socket.SHUT_WR)
                while link.recv(4096):
                    pass
            except OSError:
                pass
    assert curl(site, url(site, "/healthz")).strip() == b"ok"
    assert site.anybody.get("/healthz").must(200)


def cpu_seconds(otad):
    fields = open(f"/proc/{otad.process.pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_handshakes_that_never_end_starve_nobody(site):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    port = tls_port(site.otad)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01"
    links = []
    for i in range(200):
        link = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if i % 2:
            link.sendall(hello)
        links.append(link)
    started = time.monotonic()
    before = cpu_seconds(site.otad)
    for _ in range(5):
        assert curl(site, url(site, "/healthz")).strip() == b"ok"
        assert site.anybody.get("/healthz").must(200)
    assert time.monotonic() - started < 5
    time.sleep(2)
    assert cpu_seconds(site.otad) - before < 1, "waiting for the client costs nothing"
    for link in links:
        link.settimeout(PATIENCE)
        try:
            while link.recv(100):
                pass
        except ConnectionResetError:
            pass
        link.close()
    assert time.monotonic() - started > 8, "a slow client has its time"
    assert curl(site, url(site, "/healthz")).strip() == b"ok"


# The broker.


def tls_lines(certs):
    return [f"certfile {certs.path('broker.pem')}", f"keyfile {certs.path('broker.key')}"]


@pytest.fixture
def tls_broker(site, tmp_path):
    """The broker as the service knows it, with its plugin, by TLS."""
    site.certs.sign("broker", 100)
    broker = Broker(tmp_path / "tls-broker", site.keys)
    broker.extra = tls_lines(site.certs)
    broker.start()
    yield broker
    if broker.process.running():
        broker.stop()


@pytest.fixture
def bare_broker(site, tmp_path):
    """(Debian's Mosquitto and nothing else, its port)"""
    site.certs.sign("broker", 100)
    port = free_port()
    lines = [f"listener {port} 127.0.0.1", *tls_lines(site.certs), "allow_anonymous true", "log_type all"]
    lines += ["user root"] if os.geteuid() == 0 else []
    (tmp_path / "bare.conf").write_text("\n".join(lines) + "\n")
    broker = Process("mosquitto", tmp_path / "bare.log")
    broker.spawn(["/usr/sbin/mosquitto", "-c", str(tmp_path / "bare.conf")])
    broker.until_ready(lambda: listening(port), 10)
    yield broker, port
    broker.end()


def hears_the_broker(otad):
    return Client(otad.url).get("/readyz").json.get("broker") == "ok"


def test_mosquitto_reads_its_certificate_again_on_sighup(site, bare_broker):
    """Without dropping a connection: what deploy/up relies on."""
    broker, port = bare_broker
    words = ["-h", "localhost", "-p", str(port), "--cafile", site.certs.path("ca.pem"), "-t", "t", "-q", "1"]
    with subprocess.Popen(["mosquitto_sub", *words, "-i", "listener", "-C", "2"], stdout=subprocess.PIPE, text=True) as listener:
        until(lambda: "Received SUBSCRIBE from listener" in broker.text(), "it listens")
        subprocess.run(["mosquitto_pub", *words, "-m", "before"], check=True, timeout=PATIENCE)
        assert serial(site, port) == 100
        site.certs.sign("broker", 101)
        broker.child.send_signal(signal.SIGHUP)
        until(lambda: serial(site, port) == 101, "new connections see the new certificate")
        subprocess.run(["mosquitto_pub", *words, "-m", "after"], check=True, timeout=PATIENCE)
        assert listener.communicate(timeout=PATIENCE)[0].split() == ["before", "after"]
    assert broker.text().count("as listener ") == 1, "it connected once"


def test_the_service_trusts_its_broker_by_its_certificate(site, tls_broker):
    settings = {"mqtt_host": "localhost", "mqtt_tls": "on", "mqtt_ca_file": site.certs.path("ca.pem"), "mqtt_port": tls_broker.port}
    otad = site.service("by-tls", settings)
    otad.start()
    assert hears_the_broker(otad)
    site.certs.sign("broker", 102)
    tls_broker.process.child.send_signal(signal.SIGHUP)
    until(lambda: serial(site, tls_broker.port) == 102, "the broker has a new certificate")
    assert hears_the_broker(otad) and "mqtt_down" not in otad.log()
    tls_broker.process.kill()
    until(lambda: not hears_the_broker(otad), "the broker is missed")
    site.certs.sign("broker", 103, names="DNS:somebody.else")
    tls_broker.start()
    otad.until_logged(r"certificate does not name localhost")
    assert not hears_the_broker(otad)
    site.certs.sign("broker", 104)
    tls_broker.process.child.send_signal(signal.SIGHUP)
    until(lambda: hears_the_broker(otad), "it is trusted again", 30)
