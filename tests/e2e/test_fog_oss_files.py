"""The whole way of a direct upload, from the token to the task that succeeded; what the bytes must be; and pages of other origins."""

import hashlib
import uuid

import pytest
from harness import image
from harness.store import Store, new_key

PAGE = "https://console.example.com"


@pytest.fixture
def store(shared):
    return Store(shared)


def make_product(site, **more):
    """(id, key)"""
    made = site.admin.post("/api/v3/products", {"key": "p" + uuid.uuid4().hex[:12], **more}).must(201).json
    return made["id"], made["key"]


def upload(store, data):
    """As the seed's client: its URL and its MD5."""
    key = new_key()
    etag = store.post(key, data).must(200).header("ETag")
    return f'{store.token["host"]}/{key}', etag.strip('"')


def name_it(store, product, data, version="1.0.1", method="POST", path="", **more):
    url, md5 = upload(store, data)
    body = {"file_name": "ota.bin", "file_url": url, "md5": md5, "size": str(len(data)), "version": version, **more}
    answer = store.site.operator.request(method, f"/api/v1/ota/{product}/files/{path}", body=body).must(200).json
    return answer["meta"]["code"], answer["meta"]["message"], answer["data"]


def firmware(store, file):
    return store.site.viewer.get(f'/api/v3/firmware/{file["id"]}').must(200).json


# The whole way.


def test_from_the_token_to_the_task_that_succeeded(store):
    site, data = store.site, b"\x00\xffany bytes" * 9000
    product, key = make_product(site)
    device = "d-" + uuid.uuid4().hex[:12]
    site.admin.post("/api/v3/devices", {"name": device, "productId": product}).must(201)
    code, message, file = name_it(store, key, data, "1.0.2")
    assert (code, message) == (0, "upload file ok") and file["status"] == 0

    def check(mcu="1.0.1"):
        return site.anybody.get("/api/v1/ota/device/", product_id=key, wifi_version="1.0.0", mcu_version=mcu, device_id=device).must(200).json["data"]

    assert check() == {"need_ota": False, "files": []}
    site.operator.request("PATCH", f'/api/v1/ota/{key}/files/{file["id"]}', body={"status": 1}).must(200)
    offer = check()
    assert offer["need_ota"] and len(offer["files"]) == 1
    told = offer["files"][0]
    assert (told["version"], told["ota_type"], told["md5"]) == ("1.0.2", 0, hashlib.md5(data).hexdigest())
    path = told["file_url"].removeprefix(site.otad.url)
    got = site.anybody.request("GET", path, headers={"Range": "bytes=0-"}).must(206)
    assert got.body == data and int(got.header("Content-Length")) == len(data) and got.header("Transfer-Encoding") is None
    report = {"device_id": device, "wifi_version": "", "mcu_version": "1.0.2"}
    assert site.anybody.request("PUT", "/api/v1/ota/version/", body=report).must(200).body.endswith(b'"data":{}}')
    row = site.db.rows("SELECT id FROM devices WHERE name = %s", device)[0][0]
    (task,) = site.viewer.get("/api/v3/tasks", device=row).must(200).json["items"]
    assert (task["state"], task["component"], task["firmwareId"]) == ("succeeded", "mcu", file["id"])
    whole = site.viewer.get(f'/api/v3/tasks/{task["id"]}').must(200).json
    assert [event["to"] for event in whole["timeline"]][-1] == "succeeded" and "downloaded" in [event["to"] for event in whole["timeline"]], whole
    told = " ".join(site.viewer.get(f"/api/v3/devices/{device}/explain", component="mcu").must(200).json["sentences"]["en"])
    rollout = site.admin.get(f'/api/v3/files/{file["id"]}').must(200).json["rolloutId"]
    assert f"the device already runs what rollout {rollout} brings" in told, told
    assert check("1.0.2") == {"need_ota": False, "files": []}


# What the bytes must be.


def test_bytes_are_read_as_an_upload_is(store):
    _, key = make_product(store.site)
    code, _, file = name_it(store, key, image.app("2.4.2", size=600_000), "1.0.1")
    assert code == 0
    facts = firmware(store, file)["image"]
    assert (facts["chip"], facts["version"], facts["elfSha256"]) == ("esp32s3", "2.4.2", image.ELF_SHA256.hex())
    code, _, file = name_it(store, key, b"no image", "1.0.2")
    assert code == 0 and firmware(store, file)["image"] is None


REFUSED = [
    (image.bootloader(), "1.0.1", "this is a bootloader image"),
    (image.merged(), "1.0.1", "this is a merged image"),
    (b"PK\x03\x04" + bytes(400_000), "1.0.1", "this is a zip archive"),
    (b"no image", "1.0.1", "does not begin with 0xE9"),
    (image.app("2.4.2")[:-100], "2.4.2", "the image is cut off"),
    (image.app("2.4.2") + b"more", "2.4.2", "4 bytes follow the image"),
    (image.app("2.4.2")[:-33] + b"\x01" + image.app("2.4.2")[-32:], "2.4.2", "the image is damaged"),
    (image.app("v2.4.2"), "v2.4.2", "PROJECT_VER"),
    (image.app("2.4.2"), "2.4.3", 'the version given is "2.4.3", but the image says "2.4.2"'),
]


@pytest.mark.parametrize("data,version,sentence", REFUSED, ids=[row[2] for row in REFUSED])
def test_a_product_of_images_takes_no_other_bytes(store, data, version, sentence):
    product, key = make_product(store.site, images="esp32")
    code, message, _ = name_it(store, key, data, version)
    assert code == 10000 and sentence in message and ("file_url:" in message or "version:" in message), message
    assert store.site.viewer.get("/api/v3/files", product=product).json["items"] == []


def test_edits_are_judged_too(store):
    _, key = make_product(store.site, images="esp32")
    code, _, file = name_it(store, key, image.app("2.4.2"), "2.4.2")
    assert code == 0 and firmware(store, file)["image"]["version"] == "2.4.2"
    path = str(file["id"])
    assert name_it(store, key, b"no image", "2.4.3", "PUT", path)[0] == 10000
    assert firmware(store, file)["version"] == "2.4.2"
    assert name_it(store, key, image.app("2.5.0", chip="esp32c3"), "2.5.0", "PUT", path)[0] == 0
    assert firmware(store, file)["image"]["chip"] == "esp32c3"

    def edit(**body):
        return store.site.operator.request("PATCH", f"/api/v1/ota/{key}/files/{path}", body=body).must(200).json["meta"]
    assert "but the image says" in edit(version="2.5.1")["message"]
    assert edit(version="2.5.0", description="the same version", status=1)["code"] == 0
    assert edit(file_url="https://elsewhere.example.com/a.bin", version="2.5.1")["code"] == 0
    row = firmware(store, file)
    assert (row["image"], row["sha256"], row["version"]) == (None, None, "2.5.1"), "a URL of somebody else's is not read"


def test_the_rule_is_that_of_the_moment(store):
    product, key = make_product(store.site)
    _, _, file = name_it(store, key, b"no image", "1.0.1")
    store.site.admin.patch(f"/api/v3/products/{product}", {"images": "esp32"}).must(200)
    answer = store.site.operator.request("PATCH", f'/api/v1/ota/{key}/files/{file["id"]}', body={"status": 1, "version": "1.0.2"})
    assert answer.must(200).json["meta"]["code"] == 0


# Pages of other origins: with a token of an operator's they go the whole way, without one they read nothing.


CALLS = [("GET", "/oss_token/ota/"), ("GET", "/oss_token/ota"), ("POST", "/api/v1/ota/{key}/files/"), ("GET", "/api/v1/ota/{key}/files"), ("PUT", "/api/v1/ota/{key}/files/1"),
         ("PATCH", "/api/v1/ota/{key}/files/1/"), ("DELETE", "/api/v1/ota/{key}/files/1"), ("GET", "/api/v1/ota/{key}/files/1")]


@pytest.mark.parametrize("method,path", CALLS)
def test_a_browser_asks_before_it_sends_a_token(shared, method, path):
    path = path.format(key="lamp")
    wish = {"Origin": PAGE, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    said = shared.anybody.request("OPTIONS", path, headers=wish).must(200)
    assert said.header("Access-Control-Allow-Origin") == "*" and method in said.header("Access-Control-Allow-Methods").split(", ")
    allowed = said.header("Access-Control-Allow-Headers").lower().split(", ")
    assert "authorization" in allowed and "content-type" in allowed
    assert said.header("Access-Control-Allow-Credentials") is None
    for client in (shared.operator, shared.anybody, shared.client("no token")):
        answer = client.request(method, path, body={} if method[0] == "P" else None, headers={"Origin": PAGE})
        assert answer.header("Access-Control-Allow-Origin") == "*", answer
        assert (answer.status == 401) == (client.token != shared.tokens["operator"]), answer


@pytest.mark.parametrize("path", ["/api/v1/ota/device/?product_id=x&wifi_version=1&mcu_version=1", "/api/v2/login", "/api/v3/products"])
def test_what_is_open_or_not_of_this_family_is_not_for_pages(shared, path):
    answer = shared.operator.request("GET", path, headers={"Origin": PAGE})
    assert answer.header("Access-Control-Allow-Origin") is None
    assert shared.anybody.request("OPTIONS", path, headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"}).status == 405
