"""Direct uploads as a client of seed 002 does them: GET /oss_token/ota/, a form to `host`, the ETag as the md5, file_url = host/key; and every refusal, by its name."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import time
import uuid
import xml.etree.ElementTree as xml
from urllib.parse import urlsplit

import pytest

from harness.process import until
from harness.store import Store, new_key


@pytest.fixture
def store(shared):
    return Store(shared)


def refused(answer, status, code):
    """An error in OSS's shape."""
    assert answer.status == status, answer
    root = xml.fromstring(answer.body)
    assert root.tag == "Error" and [child.tag for child in root] == ["Code", "Message", "RequestId", "HostId"], answer
    assert root.find("Code").text == code, answer
    assert root.find("Message").text and root.find("RequestId").text
    assert answer.header("Content-Type") == "application/xml" and answer.header("Access-Control-Allow-Origin") == "*"
    assert int(answer.header("Content-Length")) == len(answer.body)
    return root.find("Message").text


def md5_of(data):
    return hashlib.md5(data).hexdigest()


def signed_by_us(store, policy):
    """A policy of any content with the service's own signature, from its master key."""
    master = bytes.fromhex((store.site.otad.dir / "master.key").read_text().strip())
    key = hmac.new(master, b"otad/object", hashlib.sha256).digest()
    text = base64.b64encode(policy if isinstance(policy, bytes) else json.dumps(policy).encode()).decode()
    return {"policy": text, "signature": base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()}


def policy(seconds=600, low=1, high=1 << 20, prefix="ota/", **more):
    return {"expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds)),
            "conditions": [["content-length-range", low, high], ["starts-with", "$key", prefix]], "issuer": "operator", **more}


# The token.


@pytest.mark.parametrize("path", ["/oss_token/ota", "/oss_token/ota/"])
def test_what_is_handed_out(store, path):
    token = store.ask(path)
    assert list(token) == ["accessid", "host", "policy", "signature", "expire", "dir", "callback"]
    assert token["dir"] == "ota/" and isinstance(token["expire"], int) and 0 < token["expire"] - time.time() <= 600
    assert token["host"].endswith("/oss") and isinstance(json.loads(base64.b64decode(token["callback"])), dict)
    assert len(base64.b64decode(token["signature"], validate=True)) == 20
    said = json.loads(base64.b64decode(token["policy"], validate=True))
    assert said["expiration"].endswith("Z") and ["starts-with", "$key", "ota/"] in said["conditions"]
    assert said["conditions"][0][:2] == ["content-length-range", 1]
    own = signed_by_us(store, base64.b64decode(token["policy"]))
    assert own == {"policy": token["policy"], "signature": token["signature"]}


@pytest.mark.parametrize("role,status", [(None, 401), ("viewer", 403)])
def test_who_gets_no_token(shared, role, status):
    answer = shared.client(shared.tokens[role] if role else None).get("/oss_token/ota/").must(status)
    assert set(answer.json) == {"meta", "data"} and answer.json["meta"]["code"] == status


@pytest.mark.parametrize("scheme", ["token ", "Token ", "Bearer ", ""])
def test_every_way_to_show_a_token(shared, scheme):
    shared.anybody.get("/oss_token/ota/", headers={"Authorization": scheme + shared.tokens["operator"]}).must(200)


# The upload.


@pytest.mark.parametrize("size", [1, 5000, 256 * 1024, 700_001])
def test_upload_and_download(store, size):
    data, key = os.urandom(size), new_key()
    answer = store.post(key, data).must(200)
    assert answer.header("ETag") == f'"{md5_of(data).upper()}"' and answer.body == b""
    assert "ETag" in answer.header("Access-Control-Expose-Headers") and answer.header("Access-Control-Allow-Origin") == "*"
    got = store.get(key).must(200)
    assert got.body == data and int(got.header("Content-Length")) == size and got.header("Transfer-Encoding") is None
    assert got.header("ETag") == f'"{md5_of(data).upper()}"'
    head = store.get(key, "HEAD").must(200)
    assert int(head.header("Content-Length")) == size and head.body == b""
    part = store.get(key, Range="bytes=0-").must(206)
    assert part.body == data and part.header("Content-Range") == f"bytes 0-{size - 1}/{size}"
    refused_range = store.get(key, Range=f"bytes={size}-").must(416)
    assert refused_range.header("Content-Range") == f"bytes */{size}"


def test_who_uploaded_stands_in_the_audit(site):
    store = Store(site)
    store.post("ota/who.bin", b"who").must(200)
    assert ("operator", "object.create", "object/ota/who.bin") in [row[:3] for row in site.audit()]


def test_the_same_bytes_again_are_no_error_and_other_ones_are(store):
    key = new_key()
    store.post(key, b"first").must(200)
    store.post(key, b"first").must(200)
    refused(store.post(key, b"other"), 409, "FileAlreadyExists")
    assert store.get(key).body == b"first"


def test_what_is_not_kept_is_no_success(site):
    store = Store(site)
    site.db.rows("ALTER TABLE objects RENAME TO gone")
    refused(store.post("ota/x.bin", b"lost"), 500, "InternalError")
    site.db.rows("ALTER TABLE gone RENAME TO objects")
    refused(store.get("ota/x.bin"), 404, "NoSuchKey")
    store.post("ota/x.bin", b"kept").must(200)


@pytest.mark.parametrize("wish,status", [("200", 200), ("201", 201), ("204", 204), (None, 204), ("302", 204)])
def test_the_status_that_the_form_wishes(store, wish, status):
    key = new_key()
    answer = store.post(key, b"bytes", success_action_status=wish).must(status)
    assert answer.header("ETag") == f'"{md5_of(b"bytes").upper()}"'
    if status == 201:
        assert xml.fromstring(answer.body).find("Key").text == key


def test_the_file_s_name_in_the_key(store):
    name = uuid.uuid4().hex + ".bin"
    store.post("ota/${filename}", b"named", name=name).must(200)
    assert store.get("ota/" + name).body == b"named"


def test_names_of_fields_in_any_case_and_fields_behind_the_file(store):
    key = new_key()
    fields = {("Signature" if name == "signature" else name): value for name, value in store.fields(key).items()}
    store.send(*store.form(fields, b"any case", behind=[("key", "ota/other.bin"), ("x", "y")])).must(200)
    assert store.get(key).body == b"any case"


def test_preflight(store):
    for path in ("/oss", "/oss/", "/oss/ota/x.bin"):
        answer = store.site.anybody.request("OPTIONS", path, headers={"Origin": "https://p.example.com", "Access-Control-Request-Method": "POST"}).must(200)
        assert answer.header("Access-Control-Allow-Origin") == "*" and "POST" in answer.header("Access-Control-Allow-Methods")
        assert answer.header("Access-Control-Allow-Headers") == "*"


def test_a_chunked_form(store):
    key, data = new_key(), os.urandom(600_000)
    content_type, body = store.form(store.fields(key), data)
    assert chunked(store, content_type, body)[0] == 200
    assert store.get(key).body == data


def chunked(store, content_type, body):
    link = http.client.HTTPConnection(urlsplit(store.site.otad.url).netloc, timeout=20)
    try:
        try:
            link.request("POST", "/oss", body=iter([body[i : i + 50_000] for i in range(0, len(body), 50_000)]), headers={"Content-Type": content_type}, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = link.getresponse()
        return got.status, got.read()
    finally:
        link.close()


# Refusals.


def test_no_policy(store):
    for field in ("policy", "signature", "OSSAccessKeyId"):
        refused(store.post(new_key(), b"x", **{field: None}), 403, "AccessDenied")
        refused(store.post(new_key(), b"x", **{field: ""}), 403, "AccessDenied")


def test_fields_behind_the_file_do_not_count(store):
    fields = store.fields(new_key())
    late = [("signature", fields.pop("signature"))]
    refused(store.send(*store.form(fields, b"x", behind=late)), 403, "AccessDenied")


def test_a_foreign_access_key(store):
    refused(store.post(new_key(), b"x", OSSAccessKeyId="wHQNXGL"), 403, "InvalidAccessKeyId")


def test_an_altered_policy(store):
    said = json.loads(base64.b64decode(store.token["policy"]))
    said["conditions"][0][2] *= 2
    refused(store.post(new_key(), b"x", policy=base64.b64encode(json.dumps(said).encode()).decode()), 403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("signature", ["AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "x", "=" * 500])
def test_a_wrong_signature(store, signature):
    refused(store.post(new_key(), b"x", signature=signature), 403, "SignatureDoesNotMatch")


def test_an_expired_policy(store):
    assert "expired" in refused(store.post(new_key(), b"x", **signed_by_us(store, policy(seconds=-1))), 403, "AccessDenied")


@pytest.mark.parametrize("what", [b"no json", b"{}", b"[]", {"expiration": "tomorrow", "conditions": [], "issuer": "x"}, {"conditions": []}])
def test_a_policy_that_cannot_be_read(store, what):
    refused(store.post(new_key(), b"x", **signed_by_us(store, what)), 400, "InvalidPolicyDocument")


def test_a_policy_without_a_condition(store):
    for gone in (0, 1):
        said = policy()
        del said["conditions"][gone]
        refused(store.post(new_key(), b"x", **signed_by_us(store, said)), 400, "InvalidPolicyDocument")


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_too_large_for_the_policy(store, way):
    key = new_key()
    content_type, body = store.form(store.fields(key, **signed_by_us(store, policy(high=100_000))), os.urandom(100_001))
    if way == "length":
        refused(store.send(content_type, body), 400, "EntityTooLarge")
    else:
        status, text = chunked(store, content_type, body)
        assert status == 400 and b"<Code>EntityTooLarge</Code>" in text
    refused(store.get(key), 404, "NoSuchKey")
    store.post(key, os.urandom(100_000), **signed_by_us(store, policy(high=100_000))).must(200)


def test_too_small_for_the_policy(store):
    refused(store.post(new_key(), b""), 400, "EntityTooSmall")
    refused(store.post(new_key(), b"12345", **signed_by_us(store, policy(low=6))), 400, "EntityTooSmall")


def test_larger_than_the_service_takes(site):
    site.otad.stop()
    site.otad.write_config(upload_max="64k")
    site.otad.start()
    refused(Store(site).post(new_key(), os.urandom(200_000)), 400, "EntityTooLarge")
    site.nothing_left()


@pytest.mark.parametrize("key", ["other/x.bin", "x.bin", "OTA/x.bin", "otax/y.bin"])
def test_a_key_outside_the_directory(store, key):
    refused(store.post(key, b"x"), 403, "AccessDenied")


@pytest.mark.parametrize("key", ["ota/../x.bin", "ota/./x.bin", "/ota/x.bin", "ota//x.bin", "ota/", "ota/a b.bin", "ota/a%2e.bin", "ota/a?b", "ota/固件.bin",
                                 "ota/<x>", "ota/a\\b", "ota/" + "a" * 160, "ota/a/b/c/d.bin", "ota/" + "a" * 2000])
def test_a_key_that_no_object_can_have(store, key):
    refused(store.post(key, b"x"), 400, "InvalidObjectName")


@pytest.mark.parametrize("name", ["../../x.bin", "a/../../b.bin", "a b.bin", "x<y>.bin"])
def test_a_file_name_that_makes_no_key(store, name):
    refused(store.post("ota/${filename}", b"x", name=name), 400, "InvalidObjectName")


def test_no_key(store):
    refused(store.post(None, b"x"), 400, "InvalidArgument")


def test_forms_that_are_none(store):
    refused(store.send(*store.form(store.fields(new_key()), None)), 400, "MalformedPOSTRequest")
    refused(store.send("application/json", b"{}"), 400, "MalformedPOSTRequest")
    refused(store.send("multipart/form-data", b"x"), 400, "MalformedPOSTRequest")
    content_type, body = store.form(store.fields(new_key()), b"x" * 1000)
    refused(store.send(content_type, body[:-100]), 400, "MalformedPOSTRequest")
    fields = [*store.fields(new_key()).items(), ("file", "no file name")]
    refused(store.send(*store.form(fields, None)), 400, "MalformedPOSTRequest")
    refused(store.send(*store.form([(f"f{i}", "x") for i in range(70)] + list(store.fields(new_key()).items()), b"x")), 400, "MalformedPOSTRequest")


def test_a_field_twice_or_with_a_nul(store):
    fields = list(store.fields(new_key()).items())
    refused(store.send(*store.form([*fields, ("key", "ota/b.bin")], b"x")), 400, "InvalidArgument")
    refused(store.post(new_key(), b"x", callback=b"a\0b"), 400, "InvalidArgument")


def test_nobody_is_called_back(store):
    wish = base64.b64encode(json.dumps({"callbackUrl": "http://127.0.0.1:1/", "callbackBody": "x"}).encode()).decode()
    refused(store.post(new_key(), b"x", callback=wish), 400, "InvalidArgument")


@pytest.mark.parametrize("key", ["ota/none.bin", "ota/..%2f..%2fetc", "ota/a/b/c/d/e", "x", "ota/%00"])
def test_what_is_not_there(store, key):
    answer = store.get(key)
    if key.endswith("%00"):
        refused(answer, 400, "MalformedPOSTRequest")
    else:
        refused(answer, 404, "NoSuchKey")


def test_a_method_that_is_none(store):
    refused(store.get("ota/x.bin", "DELETE"), 405, "MethodNotAllowed")


def test_refusals_leave_nothing(site):
    store = Store(site)
    refused(store.post(new_key(), os.urandom(900_000), **signed_by_us(store, policy(high=800_000))), 400, "EntityTooLarge")
    refused(store.post("ota/../x", os.urandom(900_000)), 400, "InvalidObjectName")
    site.nothing_left()
    assert site.db.value("SELECT count(*) FROM objects") == 0 and site.db.value("SELECT count(*) FROM artifacts") == 0


def test_strangers_do_not_crowd_out_the_rest(site):
    store = Store(site)
    content_type, body = store.form(store.fields("ota/x.bin"), b"x")
    head = f"POST /oss HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    links = []
    try:
        for _ in range(80):
            links.append(socket.create_connection(("127.0.0.1", urlsplit(site.otad.url).port), timeout=10))
            links[-1].sendall(head + body[:50])
        until(lambda: store.post("ota/y.bin", b"y").status == 503, "no more forms of strangers are taken")
        refused(store.post("ota/y.bin", b"y"), 503, "ServiceUnavailable")
        site.product("meanwhile")
    finally:
        for link in links:
            link.close()
    until(lambda: store.post("ota/y.bin", b"y").status == 200, "and again when they are gone")


# Files that name an object.


def make(store, key, md5, url=None, version="1.0.1"):
    name = "p" + uuid.uuid4().hex[:12]
    product = store.site.product(name)
    key_of = store.site.admin.get(f"/api/v3/products/{product}").json["key"]
    body = {"file_name": "ota.bin", "file_url": url or f'{store.token["host"]}/{key}', "md5": md5, "size": "5b", "version": version}
    return key_of, store.site.operator.request("POST", f"/api/v1/ota/{key_of}/files/", body=body).must(200).json


def test_the_whole_way(store):
    data, key = os.urandom(70_000), new_key()
    etag = store.post(key, data).must(200).header("ETag").strip('"')
    product, made = make(store, key, etag)
    assert made["meta"] == {"code": 0, "message": "upload file ok"}
    assert made["data"]["file_url"] == f'{store.token["host"]}/{key}' and made["data"]["md5"] == md5_of(data)
    row = store.site.admin.get(f'/api/v3/firmware/{made["data"]["id"]}').must(200).json
    assert row["sha256"] == hashlib.sha256(data).hexdigest() and row["size"] == len(data)
    # edits that do not touch the URL keep the bytes, those that do give them up
    path = f'/api/v1/ota/{product}/files/{made["data"]["id"]}'
    for body in ({"description": "still ours"}, {"status": 1}):
        assert store.site.operator.request("PATCH", path, body=body).must(200).json["meta"]["code"] == 0
        assert store.site.admin.get(f'/api/v3/firmware/{made["data"]["id"]}').json["sha256"] == row["sha256"]
    assert store.site.operator.request("PATCH", path, body={"md5": "0" * 32}).must(200).json["meta"]["code"] == 10000
    assert store.site.operator.request("PATCH", path, body={"file_url": "https://elsewhere.example.com/a.bin"}).must(200).json["meta"]["code"] == 0
    assert store.site.admin.get(f'/api/v3/firmware/{made["data"]["id"]}').json["sha256"] is None


def test_a_file_with_another_md5_than_its_bytes(store):
    key = new_key()
    store.post(key, b"bytes").must(200)
    assert make(store, key, "0" * 32)[1]["meta"]["code"] == 10000
    assert make(store, key, "gzsf12jkiu...")[1]["data"]["md5"] == md5_of(b"bytes")


def test_a_file_of_a_key_that_nobody_uploaded(store):
    for key in (new_key(), "ota/../x", ""):
        _, made = make(store, key, "0" * 32)
        assert made["meta"]["code"] == 10000 and "file_url" in made["meta"]["message"]


def test_a_url_of_another_host_is_not_ours(store):
    key = new_key()
    store.post(key, b"bytes").must(200)
    _, made = make(store, key, md5_of(b"bytes"), url=f"https://elsewhere.example.com/oss/{key}")
    assert store.site.admin.get(f'/api/v3/firmware/{made["data"]["id"]}').json["sha256"] is None


def test_what_is_used_stays_and_what_is_not_goes(site):
    store = Store(site)
    for name in ("used", "named", "left", "fresh"):
        store.post(f"ota/{name}.bin", name.encode()).must(200)
    make(store, "ota/used.bin", md5_of(b"used"))
    _, named = make(store, "ota/named.bin", md5_of(b"named"))
    site.db.rows("UPDATE firmware SET sha256 = NULL WHERE id = %s", named["data"]["id"])  # as one made before the upload
    site.db.rows("UPDATE objects SET touched_at = now() - interval '2 days' WHERE key <> 'ota/fresh.bin'")
    site.db.rows("UPDATE artifacts SET sealed_at = now() - interval '2 days'")
    site.otad.stop()
    site.otad.start()
    until(lambda: store.get("ota/left.bin").status == 404, "what nobody uses is gone", 30)
    until(lambda: site.db.value("SELECT count(*) FROM artifacts") == 3, "and its bytes", 30)
    for name in ("used", "named", "fresh"):
        assert store.get(f"ota/{name}.bin").must(200).body == name.encode()
