"""Verified imports: the service fetches the bytes of a file's URL from a host that its configuration allows, and keeps them if they are the told ones; else nothing changes."""

import hashlib
import os
import socket
import threading
import time
import uuid

import pytest

from harness import image
from harness.origin import Origin, head, whole
from harness.process import until
from test_fog_device import Fog
from test_tls import Certificates

DATA = bytes(range(256)) * 1200


def md5(data):
    return hashlib.md5(data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def origin():
    origin = Origin()
    yield origin
    origin.close()


def allow(site, hosts, **more):
    """Puts the configuration in force."""
    done = site.otad.log().count("configuration reloaded")
    site.otad.write_config(import_hosts=hosts, **more)
    site.otad.reload()
    until(lambda: site.otad.log().count("configuration reloaded") > done, "the configuration is in force")
    return site


@pytest.fixture(scope="module")
def allowed(shared, origin):
    return allow(shared, f"files.example.com, {origin.place}")


@pytest.fixture
def files(allowed, origin):
    return Files(allowed, origin)


@pytest.fixture
def own(site, origin):
    """An installation for a test alone."""
    return Files(allow(site, origin.place), origin)


class Files:
    """A product of this test's own, whose files have URLs at the origin."""

    def __init__(self, site, origin, **product):
        self.site = site
        self.origin = origin
        self.fog = Fog(site, site.product("p" + uuid.uuid4().hex[:12]))
        if product:
            site.admin.patch(f"/api/v3/products/{self.fog.product}", product).must(200)

    def body(self, url, data=DATA, **more):
        return {"file_name": "a.bin", "file_url": url, "md5": md5(data), "size": str(len(data)), "version": "1.0.1", **more}

    def make(self, answer, data=DATA, host=None, **more):
        """A file, online; (its id, its URL)."""
        url = self.origin.url(answer, host)
        stage = more.pop("status", 1)
        return self.fog.make(**{**self.body(url, data), "status": stage, **more})["id"], url

    def fetch(self, file, body=None, client=None):
        return (client or self.site.client(self.site.tokens["operator"], timeout=90)).post(f"/api/v3/files/{file}/import", body)

    def native(self, file):
        return self.site.viewer.get(f"/api/v3/files/{file}").must(200).json

    def refused(self, file, status, sentence, body=None):
        """The answer of an import that fails, after which nothing has changed."""
        before = self.native(file)
        answer = self.fetch(file, body)
        assert answer.status == status and answer.header("Content-Type") == "application/problem+json", answer
        assert sentence in answer.json["detail"], answer
        assert self.native(file) == before and before["sha256"] is None
        self.site.nothing_left()
        return answer

    def post(self, method="POST", tail="", **body):
        answer = self.site.operator.request(method, f"/api/v1/ota/{self.fog.key}/files/{tail}", body=body)
        assert answer.status == 200, answer
        return answer.json["meta"], answer.json["data"]

    def count(self):
        return self.site.db.value("SELECT count(*) FROM firmware WHERE product_id = %s AND deleted_at IS NULL", self.fog.product)


# What it comes to.


@pytest.mark.thread_leg
def test_the_bytes_are_ours_and_the_order_stays_the_same(files):
    site = files.site
    file, url = files.make(whole(DATA))
    device = files.fog.device()
    assert files.fog.check(device_id=device)[0]["file_url"] == url, "until now it is told as it is, and makes a task"
    ordered = site.db.value("SELECT created_at FROM rollouts WHERE firmware_id = %s", file)
    before = files.native(file)
    answer = files.fetch(file).must(200)
    assert answer.json == {**before, "sha256": sha256(DATA), "updatedAt": answer.json["updatedAt"]}
    assert answer.header("ETag") == site.viewer.get(f"/api/v3/files/{file}").header("ETag") and files.native(file) == answer.json
    row = site.viewer.get(f"/api/v3/firmware/{file}").must(200).json
    assert (row["sha256"], row["md5"], row["size"], row["url"], row["image"]) == (sha256(DATA), md5(DATA), len(DATA), url, None)
    assert site.db.value("SELECT created_at FROM rollouts WHERE firmware_id = %s", file) == ordered, "it is not ordered anew"
    shown = site.operator.get(f"/api/v1/ota/{files.fog.key}/files/{file}").json["data"]
    assert (shown["file_url"], shown["md5"], shown["size"]) == (url, md5(DATA), str(len(DATA)))
    offered = files.fog.check(device_id=device)[0]
    assert "/api/v2/micro/" in offered["file_url"] and offered["md5"] == md5(DATA)
    stranger = files.fog.check()[0]
    for told in (offered, stranger):
        got = site.anybody.get("/api/v2/micro/" + told["file_url"].rpartition("/")[2])
        assert got.status == 200 and got.body == DATA
    files.fog.tell(device, mcu="1.0.1")
    assert files.fog.states(device) == [("mcu", "succeeded")], "the one task of before"
    detail, = [detail for action, target, detail in site.db.rows("SELECT action, target, detail FROM audit") if action == "file.import" and target.endswith(f"/{file}")]
    assert sha256(DATA) in detail and str(len(DATA)) in detail
    assert files.origin.was_asked(url) == 1
    sent = files.origin.heads["/" + url.rpartition("/")[2]]
    assert sent.startswith("GET ") and "Accept-Encoding: identity\r\n" in sent and "Authorization" not in sent and "Cookie" not in sent


def test_once_they_are_ours_nobody_is_asked_again(files):
    file, url = files.make(whole(DATA))
    first = files.fetch(file).must(200).json
    assert files.fetch(file, {"sha256": sha256(DATA)}).must(200).json == first
    answer = files.fetch(file, {"sha256": "00" * 32})
    assert answer.status == 409 and "another sha256" in answer.json["detail"]
    assert files.origin.was_asked(url) == 1 and files.native(file) == first


@pytest.mark.parametrize("told, body", [
    ({"size": "20kb"}, None), ({"md5": "gzsf12jkiu..."}, None), ({"md5": "gzsf12jkiu...", "size": "20kb"}, {"sha256": sha256(DATA)}),
])
def test_one_of_md5_size_and_sha256_suffices(files, told, body):
    file, url = files.make(whole(DATA), **told)
    device = files.fog.device()
    files.fog.check(device_id=device)
    ordered = files.site.db.value("SELECT created_at FROM rollouts WHERE firmware_id = %s", file)
    assert files.fetch(file, body).must(200).json["md5"] == md5(DATA)
    anew = files.site.db.value("SELECT created_at FROM rollouts WHERE firmware_id = %s", file) != ordered
    assert anew == ("md5" in told), "what the MD5 was before nobody knows"
    assert files.fog.states(device) == [("mcu", "cancelled" if anew else "notified")]
    assert "/api/v2/micro/" in files.fog.check(device_id=device)[0]["file_url"]


@pytest.mark.parametrize("answer", [
    head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA), DATA),
    b"HTTP/1.0 200 OK\r\n\r\n" + DATA,
    whole(DATA) + b"and more, which is not of it",
    whole(DATA, Content_Encoding="gzip"),
    head("103 Early Hints", Link="</x>") + whole(DATA),
], ids=["chunked", "1.0", "more", "gzip", "1xx"])  # fmt: skip
def test_bytes_are_bytes_however_they_come(files, answer):
    file, _ = files.make(answer)
    assert files.fetch(file).must(200).json["sha256"] == sha256(DATA)


def test_other_urls_and_other_bytes_there_are_external_again(files):
    file, url = files.make(whole(DATA))
    files.fetch(file).must(200)
    assert files.fog.edit(file, description="d", md5=md5(DATA).upper())["md5"] == md5(DATA)
    assert files.native(file)["sha256"] == sha256(DATA)
    files.fog.edit(file, md5=md5(b"new"), size="3", version="1.0.2")
    assert files.native(file)["sha256"] is None and files.fog.check()[0]["file_url"] == url
    files.origin.answers["/" + url.rpartition("/")[2]] = whole(b"new")
    assert files.fetch(file).must(200).json["sha256"] == sha256(b"new")
    other = files.origin.url(whole(b"new"))
    files.fog.edit(file, file_url=other)
    assert files.native(file)["sha256"] is None and files.fog.check()[0]["file_url"] == other


# The fog dialect.


def test_a_file_is_made_with_its_bytes_or_not_at_all(files):
    url = files.origin.url(whole(DATA))
    body = files.body(url, mac_range=["C8934640*", "DEF1LUK"])
    assert files.post(**{**body, "md5": md5(b"x")}, **{"import": True}) == (
        {"code": 10000, "message": f"参数错误:md5: theirs is {md5(DATA)}, not {md5(b'x')}"}, {})
    assert files.count() == 0
    meta, data = files.post(**body, **{"import": True})
    assert meta == {"code": 0, "message": "upload file ok"} and (data["file_url"], data["status"], data["mac_range"]) == (url, 0, body["mac_range"])
    assert files.native(data["id"])["sha256"] == sha256(DATA)
    meta, _ = files.post(**body, **{"import": True})
    assert meta["code"] == 10000 and "1.0.1" in meta["message"], "refused before anything is fetched"
    assert files.origin.was_asked(url) == 2 and files.count() == 1
    files.site.nothing_left()


def test_a_form_asks_for_it_likewise(files):
    url = files.origin.url(whole(DATA))
    fields = "&".join(f"{name}={value}" for name, value in files.body(url, mac_range="A*", **{"import": "true"}).items())
    answer = files.site.operator.request("POST", f"/api/v1/ota/{files.fog.key}/files/", body=fields.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.json["meta"]["code"] == 0, answer
    assert files.native(answer.json["data"]["id"])["sha256"] == sha256(DATA) and answer.json["data"]["mac_range"] == ["A*"]


def test_an_edit_and_its_import_are_one(files):
    file, url = files.make(whole(DATA))
    assert files.post("PATCH", file, **{"import": True})[0] == {"code": 0, "message": "update file ok"}
    new = b"another image"
    files.origin.answers["/" + url.rpartition("/")[2]] = whole(new)
    change = {"file_url": url, "version": "1.0.2", "md5": md5(new), "size": str(len(new))}
    before = files.native(file)
    assert files.post("PUT", file, **{**change, "size": "12"}, **{"import": True})[0]["code"] == 10000
    assert files.native(file) == before, "neither the new members nor the bytes"
    assert files.post("PUT", file, **change, **{"import": True})[0]["code"] == 0
    now = files.native(file)
    assert (now["version"], now["sha256"]) == ("1.0.2", sha256(new))
    assert files.post("PUT", file, **{"import": True})[0]["code"] == 0
    assert files.post("PATCH", file, **{"import": False})[0]["code"] == 0 and files.native(file)["sha256"] == sha256(new)
    assert files.post("PATCH", file, **{"import": "maybe"})[0]["code"] == 10000
    assert files.post("PATCH", 10**9, **{"import": True})[0] == {"code": 10000, "message": "参数错误:找不到固件"}


# What is refused before anything is fetched.


def test_there_must_be_something_to_hold_them_against(files):
    file, url = files.make(whole(DATA), md5="gzsf12jkiu...", size="20kb")
    files.refused(file, 400, "there is nothing to hold the bytes against: md5 must be 32 hex digits, or size a number of bytes, or a sha256 be given")
    assert files.origin.was_asked(url) == 0


@pytest.mark.parametrize("body", [{"sha256": "0"}, {"sha256": ""}, {"sha256": 1}, {"sha256": "00" * 31 + "0g"}, {"md5": "00" * 16}, []])
def test_the_body_is_a_sha256_or_nothing(files, body):
    file, url = files.make(whole(DATA))
    files.refused(file, 400, "", body)
    assert files.origin.was_asked(url) == 0


def test_who_may(files):
    file, url = files.make(whole(DATA))
    assert files.fetch(file, client=files.site.viewer).status == 403 and files.fetch(file, client=files.site.anybody).status == 401
    assert files.fetch(10**9).status == 404 and files.fetch("x").status == 404
    assert files.origin.was_asked(url) == 0


def test_only_from_hosts_on_the_list(files):
    for host in ("files.example.org", "files.example.com:8080", f"{files.origin.address}:1", f"{files.origin.place}@evil.example"):
        file, _ = files.make(whole(DATA), host=host, version=uuid.uuid4().hex)
        sentence = "without a user" if "@" in host else f"the service fetches nothing from {host}: its configuration's import_hosts must name it"
        files.refused(file, 400, sentence)


def test_nobody_is_allowed_unless_the_configuration_says_so(site, origin):
    files = Files(site, origin)
    file, url = files.make(whole(DATA))
    files.refused(file, 400, f"file_url: the service fetches nothing from {origin.place}: its configuration's import_hosts must name it (it is empty: nobody)")
    site.otad.write_config(import_hosts="http://a")
    site.otad.reload()
    site.otad.until_logged("nothing can be imported until this is mended")
    files.refused(file, 400, 'import_hosts: "http://a" is no host')
    done = site.otad.run("--check-config")
    assert done.returncode == 1 and 'import_hosts: "http://a" is no host' in done.stderr
    assert origin.was_asked(url) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0",
                                  "169.254.169.254", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1"])
def test_not_even_from_listed_ones_that_are_this_machine_or_its_link(files, host):
    place = f"{host}:{files.origin.port}"
    allow(files.site, f"{place}, {files.origin.place}")
    file, url = files.make(whole(DATA), host=place)
    answer = files.refused(file, 400, "file_url: the host's address ")
    assert "such addresses are never fetched from" in answer.json["detail"]
    assert files.origin.was_asked(url) == 0, "the server was there, and nobody came"


def test_products_of_images_take_those_only(allowed, origin):
    files = Files(allowed, origin, images="esp32")
    app = image.app("2.4.2")
    file, _ = files.make(whole(app), app, version="2.4.2")
    assert files.fetch(file).must(200).json["sha256"] == sha256(app)
    assert allowed.viewer.get(f"/api/v3/firmware/{file}").json["image"]["version"] == "2.4.2"
    for data, version, sentence in ((image.bootloader(), "2.4.3", "this is a bootloader image"), (app, "2.4.4", 'the version given is "2.4.4", but the image says "2.4.2"')):
        file, _ = files.make(whole(data), data, version=version)
        files.refused(file, 400, sentence)


# What the server does wrong.


@pytest.mark.parametrize("answer, told, status, sentence", [
    (head("404 Not Found", Content_Length=0), {}, 400, "file_url: the server answered 404 instead of 200"),
    (head("500 Oh", Content_Length=0), {}, 503, "file_url: the server answered 500 instead of 200"),
    (b"", {}, 503, "file_url: the server closed the connection without an answer"),
    (b"SSH-2.0-OpenSSH\r\n", {}, 400, "file_url: the server does not speak HTTP"),
    (whole(b""), {}, 400, "the file is empty"),
    (whole(b""), {"size": "0", "md5": "x"}, 400, "the file is empty"),
    (head(Content_Length=len(DATA)) + DATA[:-1], {}, 503, f"the server closed the connection after {len(DATA) - 1} of {len(DATA)} bytes"),
    (head(Transfer_Encoding="chunked") + b"5\r\nhello\r\n", {}, 503, "after 5 bytes, in the middle"),
    (head(Content_Length=len(DATA) + 1) + DATA, {}, 400, f"more than {len(DATA)} bytes"),
    (b"HTTP/1.0 200 OK\r\n\r\n" + DATA + b"x", {}, 400, f"more than {len(DATA)} bytes"),
    (head(Content_Length=len(DATA) - 1) + DATA, {"md5": "x"}, 400, f"size: they are {len(DATA) - 1} bytes, not {len(DATA)}"),
    (whole(DATA[::-1]), {}, 400, f"md5: theirs is {md5(DATA[::-1])}, not {md5(DATA)}"),
    (whole(DATA[::-1]), {"md5": md5(DATA[::-1])}, 400, "sha256: theirs is"),
    (whole(DATA[::-1], Content_Encoding="gzip"), {}, 400, "the server sent them with Content-Encoding: gzip: md5: theirs is"),
], ids=lambda value: None)  # fmt: skip
def test_whatever_goes_wrong_there_is_said_and_changes_nothing(files, answer, told, status, sentence):
    file, url = files.make(answer, **told)
    files.refused(file, status, sentence, {"sha256": sha256(DATA)})
    assert files.origin.was_asked(url) == 1
    assert files.fog.check()[0]["file_url"] == url, "it stays offered as it was"
    code, message = files.post("PATCH", file, **{"import": True})[0].values() if status == 400 and "sha256" not in sentence else (10000, "")
    assert code == 10000


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_no_redirect_is_followed(files, status):
    elsewhere = files.origin.url(whole(DATA))
    file, url = files.make(head(status, Location=elsewhere, Content_Length=0))
    files.refused(file, 400, f"file_url: the server redirects to another place ({status[:3]}), and redirects are never followed")
    assert (files.origin.was_asked(url), files.origin.was_asked(elsewhere)) == (1, 0)


def drip(link):
    link.sendall(head(Content_Length=len(DATA)))
    for at in range(120):
        link.sendall(DATA[at : at + 1])
        time.sleep(0.5)


def test_a_dripping_server_is_left_and_others_are_not_kept(files):
    file, url = files.make(drip)
    other, _ = files.make(whole(DATA), version="1.0.0")
    began = time.monotonic()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(files.fetch(file)))
    waiting.start()
    until(lambda: files.origin.was_asked(url), "the server is asked")
    answer = files.fetch(other)
    assert answer.status == 503 and answer.header("Retry-After") and "another import is under way" in answer.json["detail"]
    fog = files.site.operator.request("PATCH", f"/api/v1/ota/{files.fog.key}/files/{other}", body={"import": True})
    assert fog.status == 503 and fog.header("Retry-After") and fog.json["meta"]["code"] == 503
    for _ in range(8):
        quick = time.monotonic()
        assert files.native(file)["sha256"] is None and time.monotonic() - quick < 5
    files.site.otad.until_logged(r"msg=importing file=%d url=\S+ bytes=\d+ seconds=1\d" % file, 30)
    waiting.join(60)
    assert answers[0].status == 503 and "the server sent fewer than 1024 bytes a second for 20 s" in answers[0].json["detail"], answers
    assert 19 < time.monotonic() - began < 50
    files.site.nothing_left()
    assert files.fetch(other).must(200).json["sha256"] == sha256(DATA)


def hold(link):
    """A beginning, and then nothing until the peer goes."""
    link.sendall(head(Content_Length=len(DATA)) + DATA[:1000])
    link.recv(1)


def test_an_import_has_its_time(own):
    allow(own.site, own.origin.place, import_timeout="2s")
    file, _ = own.make(hold)
    own.refused(file, 503, "file_url: not done within 2 s, after 1000 bytes")


def test_no_more_than_an_upload_may_have(site, origin):
    site.otad.stop()
    site.otad.write_config(upload_max="64KB", import_hosts=origin.place)
    site.otad.start()
    files = Files(site, origin)
    file, url = files.make(head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(DATA), DATA), size="300kb")
    files.refused(file, 400, "file_url: the answer has more than 65536 bytes")
    file, url = files.make(whole(DATA), version="1.0.2")
    files.refused(file, 400, f"size: {len(DATA)} bytes are more than upload_max (65536)")
    assert origin.was_asked(url) == 0


# What happens meanwhile.


class Gate:
    """Sends half, and the rest when it is opened."""

    def __init__(self, data=DATA):
        self.data = data
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, link):
        half = len(self.data) // 2
        link.sendall(head(Content_Length=len(self.data)) + self.data[:half])
        self.reached.set()
        assert self.open.wait(30)
        link.sendall(self.data[half:])


def during(files, file, gate, act):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(files.fetch(file)))
    waiting.start()
    assert gate.reached.wait(20)
    try:
        act()
    finally:
        gate.open.set()
        waiting.join(60)
    files.site.nothing_left()
    return answers[0]


@pytest.mark.parametrize("change", [{"file_url": "https://files.example.com/b.bin"}, {"md5": md5(b"x")}, {"size": "5"}, {"version": "1.0.7"}])
def test_a_file_that_means_something_else_by_then_is_left_alone(files, change):
    gate = Gate()
    file, _ = files.make(gate)
    answer = during(files, file, gate, lambda: files.fog.edit(file, **change))
    assert answer.status == 409 and "the file was changed while its bytes were fetched" in answer.json["detail"], answer
    now = files.site.operator.get(f"/api/v1/ota/{files.fog.key}/files/{file}").json["data"]
    assert {name: now[name] for name in change} == change and files.native(file)["sha256"] is None


def test_what_is_not_of_the_bytes_may_change(files):
    gate = Gate()
    file, _ = files.make(gate, status=0)
    answer = during(files, file, gate, lambda: files.fog.edit(file, description="d", status=1, mac_range=["A*"]))
    assert answer.status == 200 and (answer.json["description"], answer.json["stage"], answer.json["sha256"]) == ("d", "online", sha256(DATA))


def test_a_file_deleted_meanwhile_stays_deleted(files):
    gate = Gate()
    file, _ = files.make(gate, status=0)
    answer = during(files, file, gate, lambda: files.site.operator.delete(f"/api/v3/files/{file}").must(204))
    assert answer.status == 404 and files.count() == 0


def test_who_closes_the_connection_has_asked_all_the_same(files):
    gate = Gate()
    file, _ = files.make(gate)
    with socket.create_connection(("127.0.0.1", files.site.otad.port)) as link:
        token = files.site.tokens["operator"]
        link.sendall(f"POST /api/v3/files/{file}/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n".encode())
        assert gate.reached.wait(20)
    gate.open.set()
    until(lambda: files.native(file)["sha256"] == sha256(DATA), "it is done without him")
    assert files.fetch(file).status == 200


@pytest.mark.thread_leg
def test_a_stopping_service_lets_go_of_it(own):
    file, url = own.make(hold)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(own.fetch(file)))
    waiting.start()
    until(lambda: own.origin.was_asked(url), "the server is asked")
    began = time.monotonic()
    own.site.otad.stop()
    assert time.monotonic() - began < 8
    waiting.join(20)
    assert answers[0].status == 503 and "the service is stopping" in answers[0].json["detail"], answers
    own.site.otad.start()
    assert own.native(file)["sha256"] is None
    own.site.nothing_left()


def test_a_database_that_goes_away_leaves_the_file_as_it_was(own):
    gate = Gate(os.urandom(2_000_000))
    file, _ = own.make(gate, gate.data)
    answer = during(own, file, gate, lambda: own.site.db.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'otad' AND pid <> pg_backend_pid()"))
    assert answer.status in (200, 503), answer
    assert (own.native(file)["sha256"] is not None) == (answer.status == 200)
    until(lambda: own.site.anybody.get("/readyz").json["database"] == "ok", "the database is back")
    assert own.fetch(file).status == 200 or own.fetch(file).status == 200


# TLS.


def test_a_certificate_must_be_good(site, tmp_path):
    certs = Certificates(tmp_path / "tls")
    certs.sign("good", 1, "IP:" + (Origin().address))
    certs.sign("wrong", 2, "DNS:files.example.com")
    good, wrong = (Origin(tls=(certs.path(f"{name}.pem"), certs.path(f"{name}.key"))) for name in ("good", "wrong"))
    hosts = f"{good.place}, {wrong.place}"
    allow(site, hosts)
    files = Files(site, good)
    file, url = files.make(whole(DATA))
    assert "certificate" in files.refused(file, 400, "file_url: ").json["detail"]
    allow(site, hosts, fetch_ca_file=certs.path("ca.pem"))
    assert files.fetch(file).must(200).json["sha256"] == sha256(DATA)
    files.origin = wrong
    file, url = files.make(whole(DATA), version="1.0.2")
    files.refused(file, 400, "file_url: SSL: ")
    assert wrong.asked == []
