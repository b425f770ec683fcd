"""Running it: health, metrics, configuration, signals, schema versions, logs, proxies, the simulator."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import psycopg2
import pytest

from harness.process import until
from harness.service import ENVIRONMENT, ROOT, SIMULATOR, Otad
from harness.web import raw, status_of


def test_healthz_asks_nobody(site):
    site.broker.kill()
    site.cluster.kill()
    assert site.anybody.get("/healthz").status == 200


def test_readyz_is_ready(shared):
    until(lambda: shared.anybody.get("/readyz").status == 200, "the feed follows the database, a moment after the port is open")


def test_metrics_are_prometheus_text(shared):
    answer = shared.anybody.get("/metrics").must(200)
    assert answer.header("Content-Type").startswith("text/plain")
    lines = answer.body.decode().splitlines()
    assert any(line.startswith("# HELP otad_") for line in lines) and any(line.startswith("# TYPE otad_") for line in lines)
    for line in lines:
        if not line.startswith("#") and line:
            assert re.fullmatch(r'otad_[a-z0-9_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+Inf-]+', line), line


def metric(site, name):
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", site.anybody.get("/metrics").body.decode(), re.M)
    return float(found.group(1)) if found else None


def test_every_metric_has_help_and_type(shared):
    text = shared.anybody.get("/metrics").body.decode()
    for name in {re.match(r"otad_[a-z0-9_]+", line).group() for line in text.splitlines() if line.startswith("otad_")}:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"# HELP {base} " in text or f"# HELP {name} " in text, name


# ---- configuration

def every_key():
    keys = re.findall(r"^\tX\((\w+), \w+,", (ROOT / "service/config/keys.h").read_text(), re.M)
    assert len(keys) > 20
    return keys


def test_check_config_says_yes(shared):
    assert shared.otad.run("--check-config").returncode == 0


def test_print_config_names_every_key_and_masks_secrets(site):
    del site.otad.settings["mqtt_password_file"]
    site.otad.write_config(mqtt_password="do not show", pg="postgresql://u:do-not-show@/x?host=/tmp")
    shown = site.otad.run("--print-config")
    assert shown.returncode == 0
    assert "do not show" not in shown.stdout and "do-not-show" not in shown.stdout
    for key in every_key():
        assert re.search(rf"^{key} *=", shown.stdout, re.M), key


BAD_CONFIG = [
    {"http_port": "70000"}, {"http_port": "x"}, {"http_port": ""}, {"http_port": "-1"}, {"colour": "red"}, {"upload_max": "12XB"}, {"resend_min": "soon"},
    {"log_level": "loud"}, {"log_format": "xml"}, {"trusted_proxies": "10.0.0.0/99"}, {"workers": "0"}, {"http_address": "somewhere"},
]


@pytest.mark.parametrize("change", BAD_CONFIG, ids=str)
def test_bad_configuration_is_refused_with_key_and_place(tmp_path, shared, change):
    otad = Otad(tmp_path / "otad", shared.otad.settings["pg"], "", 1, settings=change)
    done = otad.run("--check-config")
    assert done.returncode not in (0, 99) and done.returncode > 0
    assert next(iter(change)) in done.stderr, done.stderr


@pytest.mark.parametrize("text, word", [("http_port\n", "1"), ("= 5\n", "1"), ("http_port = 1\nhttp_port = 2\n", "2"), ("\x00\xff", "NUL")])
def test_a_malformed_file_is_refused_with_its_line(tmp_path, shared, text, word):
    otad = Otad(tmp_path / "otad", "", "", 1)
    otad.config.write_bytes(text.encode("latin-1"))
    done = otad.run("--check-config")
    assert done.returncode > 0 and word in done.stderr, done


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_master_key_that_others_can_read_is_refused(tmp_path, shared, mode):
    otad = Otad(tmp_path / "otad", shared.otad.settings["pg"], "", 1)
    otad.settings["master_key_file"].chmod(mode)
    otad.start(wait=False)
    try:
        assert otad.process.child.wait(20) not in (0, 99)
        assert "master.key" in otad.log()
    finally:
        otad.kill()


def test_the_environment_overrides_the_file(shared):
    assert re.search(r"^mqtt_port *= *1999", shared.otad.run("--print-config", env={"OTAD_MQTT_PORT": "1999"}).stdout, re.M)


def test_version_and_help(shared):
    assert re.search(r"\d+\.\d+\.\d+", shared.otad.do("--version"))
    help_text = shared.otad.do("--help")
    for word in ("migrate", "user add", "token add", "--check-config", "--print-config", "--config"):
        assert word in help_text


def test_the_example_configuration_names_every_key():
    text = (ROOT / "deploy/otad.conf.example").read_text()
    assert not [key for key in every_key() if not re.search(rf"^#? *{key} *=", text, re.M)]


# ---- signals

def test_SIGHUP_applies_what_can_be_reloaded(site):
    device, _ = site.lamp()
    site.otad.write_config(log_format="json")
    site.otad.reload()

    def in_json():
        site.anybody.get("/api/v2/nothing")
        lines = [line for line in site.otad.log().splitlines() if line.startswith("{")]
        return lines and json.loads(lines[-1])

    until(in_json, "log lines are JSON")
    assert device.poll().code == 1001


def test_SIGHUP_with_a_bad_file_changes_nothing(site):
    good = dict(site.otad.settings)
    site.otad.write_config(log_level="loud")
    site.otad.reload()
    site.otad.until_logged("log_level")
    assert site.anybody.get("/readyz").status == 200
    site.otad.settings = good
    site.otad.write_config()


@pytest.mark.thread_leg
def test_SIGTERM_finishes_what_runs_and_exits_0(site):
    """A slow download that has begun is finished; a new connection is refused."""
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmware = site.firmware(product, data=os.urandom(6_000_000))
    site.assign(firmware, device)
    path = "/api/v2/micro/" + device.poll().data["fileName"]
    device.web.get(path).must(200)
    got = bytearray()
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    link.connect(("127.0.0.1", site.otad.port))
    link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    got += link.recv(65536)
    site.otad.process.child.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    while part := link.recv(65536):
        got += part
    link.close()
    assert bytes(got).split(b"\r\n\r\n", 1)[1] == firmware.data
    assert site.otad.process.end() == 0


@pytest.mark.config(drain_timeout="1s")
def test_SIGTERM_does_not_wait_for_ever(site):
    with socket.create_connection(("127.0.0.1", site.otad.port), 10) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        time.sleep(0.2)
        began = time.monotonic()
        site.otad.stop()
        assert time.monotonic() - began < 8


def test_SIGINT_is_as_good_as_SIGTERM(site):
    assert site.otad.process.end(signal.SIGINT) == 0


def test_restart_under_load_loses_no_answer_that_was_given(site):
    device, firmware = site.lamp()
    site.assign(firmware, device)
    bad, stop = [], threading.Event()

    def poll():
        while not stop.is_set():
            try:
                answer = device.poll()
            except Exception:  # refused or reset while it is away
                continue
            if not (answer.status == 200 and answer.code == 200) and answer.status != 503:
                bad.append(answer)

    threads = [threading.Thread(target=poll) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.2)
        site.otad.restart()
    stop.set()
    for thread in threads:
        thread.join()
    assert not bad, bad[:3]


# ---- the schema

def test_migrate_twice_changes_nothing(site):
    site.otad.do("migrate")
    site.otad.do("migrate")


def test_many_migrations_at_once_are_one(cluster, tmp_path):
    name = cluster.create()
    otads = [Otad(tmp_path / f"otad{i}", cluster.uri(name, "otad_service"), cluster.uri(name, "otad_owner"), 1) for i in range(5)]
    results = []
    threads = [threading.Thread(target=lambda otad=otad: results.append(otad.run("migrate"))) for otad in otads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results] == [0] * 5, [done.stderr for done in results]
    cluster.drop(name)


def test_a_newer_schema_is_refused(site):
    site.otad.stop()
    columns = [row[0] for row in site.db.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'schema_migrations'")]
    number = next(column for column in columns if column in ("version", "number", "id", "n"))
    others = [column for column in columns if column != number]
    values = ", ".join([f"{number} + 1000", *others])
    site.db.rows(f"INSERT INTO schema_migrations ({', '.join([number, *others])}) SELECT {values} FROM schema_migrations ORDER BY {number} DESC LIMIT 1")
    site.otad.start(wait=False)
    until(lambda: not site.otad.process.running(), "it has ended", timeout=20)
    assert site.otad.process.child.wait() not in (0, 99)
    site.otad.process.child = None
    assert re.search("newer", site.otad.log())
    assert site.otad.run("migrate").returncode != 0


def test_the_service_s_role_cannot_change_tables(site):
    with psycopg2.connect(site.otad.settings["pg"]) as link, link.cursor() as sql:
        for statement in ("DROP TABLE tasks", "CREATE TABLE x (i int)", "DELETE FROM audit", "UPDATE audit SET actor = 'x'", "TRUNCATE tasks"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                sql.execute(statement)
            link.rollback()


# ---- logs and proxies

def test_a_request_s_id_is_in_the_log_and_in_the_audit(site):
    site.product()
    request = site.db.value("SELECT request FROM audit ORDER BY id DESC LIMIT 1")
    assert re.fullmatch(r"[0-9a-f]{16}", request)
    site.otad.until_logged(request)


def test_log_lines_cannot_be_forged(site):
    reply = raw(site.otad.url, b"GET /api/v2/otaPassiveEnable?deviceName=x%0Alevel=error%20msg=forged HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n")
    assert status_of(reply) in (200, 400)
    assert not re.search(r"^level=error msg=forged", site.otad.log(), re.M)


@pytest.mark.config(trusted_proxies="127.0.0.1, 10.0.0.0/8")
def test_a_trusted_proxy_s_word_counts(site):
    site.admin.post("/api/v3/products", {"key": "a"}, headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.1.2.3"}).must(201)
    assert site.audit()[-1][3] == "192.0.2.7", "the last address that is no proxy of ours"


def test_nobody_else_s_word_counts(site):
    site.admin.post("/api/v3/products", {"key": "a"}, headers={"X-Forwarded-For": "192.0.2.7"}).must(201)
    assert site.audit()[-1][3] == "127.0.0.1"


# ---- HTTP as it should not be

ODD = [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GARBAGE \x00\x01\x02\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    b"POST /api/v2/login HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"POST /api/v2/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /api/v2/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/v2/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
]


@pytest.mark.parametrize("request_bytes", ODD, ids=range(len(ODD)))
def test_odd_requests_are_answered_or_closed_and_harm_nobody(shared, request_bytes):
    status = status_of(raw(shared.otad.url, request_bytes))
    assert status is None or 200 <= status < 600 and status != 500, status
    assert shared.anybody.get("/healthz").status == 200


@pytest.mark.config(http_idle_timeout="1s")
def test_idle_and_dripping_clients_are_closed(site):
    with socket.create_connection(("127.0.0.1", site.otad.port), 15) as idle:
        assert idle.recv(10) == b"", "closed by the idle timeout"


# ---- the simulator

@pytest.mark.thread_leg
@pytest.mark.config(resend_min="1s")
def test_the_simulator_s_devices_are_all_updated(site):
    product = site.product()
    for number in range(1, 21):
        site.device(f"sim-{number}", product, arrive=False)
    firmware = site.firmware(product)
    for number in range(1, 21):
        site.operator.post("/api/v2/otaEnable", name=firmware.name, deviceName=f"sim-{number}").must(200)
    done = subprocess.run(
        [SIMULATOR, "--url", site.otad.url, "--mqtt", f"127.0.0.1:{site.broker.port}", "--devices", "sim-", "--mqtt-keys", site.keys.keys, "--count", "20", "--exit-after", "1", "--timeout", "60s"],
        capture_output=True, text=True, timeout=90, env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert site.db.rows("SELECT state, count(*) FROM tasks GROUP BY 1") == [("succeeded", 20)]
