"""Seed 003's own commands, character for character (names and port filled in), typed into a shell."""

import hashlib
import json
import time

import pytest

from harness import mqtt
from harness.site import password_of
from harness.web import curl

UPLOAD = """curl --location 'http://localhost:8080/api/v2/otaUpload?name={name}&productId={productId}' \\
--header 'Authorization: {your token}' \\
--form 'file=@"{file_path}"'"""

ENABLE = """curl --location --request POST 'http://localhost:8080/api/v2/otaEnable?name=serialTest&deviceName={deviceName}' \\
--header 'Authorization: {your token}'"""

PASSIVE = """curl --location 'http://localhost:8080/api/v2/otaPassive' \\
--header 'Authorization: {your token}' \\
--header 'Content-Type: application/json' \\
--data '{
  "deviceName": "{deviceName}",
  "name": "{name}",
  "description": "{description}",
  "versionName": "{versionName}"
}'"""

POLL = """curl -X GET "http://localhost:8080/api/v2/otaPassiveEnable?deviceName={deviceName}" -H "accept: */*\""""

MICRO = "http://localhost:8080/api/v2/micro/{fileName}"


def typed(site, command, **words):
    command = command.replace("localhost:8080", f"localhost:{site.otad.port}")
    for word, value in words.items():
        command = command.replace("{" + word.replace("_", " ") + "}", str(value)).replace("{" + word + "}", str(value))
    return curl("curl -s" + command.removeprefix("curl"))


def login(site):
    """As the seed's `{your token}`: with "Bearer " in front."""
    answer = site.anybody.post("/api/v2/login", {"username": "operator", "password": password_of("operator")})
    assert answer.data.startswith("Bearer ")
    return answer.data


@pytest.fixture
def binary(tmp_path):
    path = tmp_path / "xxx.bin"
    path.write_bytes(b"firmware of a lamp\n" * 5000)
    return path


def test_push_from_upload_to_success_with_a_device_made_of_mosquitto_sub_and_curl(site, binary):
    product = site.product()
    device = site.device("esp_1-A", product, arrive=False)
    token = login(site)

    answer = json.loads(typed(site, UPLOAD, name="serialTest", productId=product, your_token=token, file_path=binary))
    assert (answer["success"], answer["errorCode"], answer["errorMsg"]) == (True, 200, "成功")

    listener = mqtt.mosquitto_sub(site.broker.port, "esp_1-A", "/oc/devices/esp_1-A/sys/ota")
    time.sleep(0.3)
    answer = json.loads(typed(site, ENABLE, deviceName="esp_1-A", your_token=token))
    assert answer["errorCode"] == 200
    (row,) = answer["data"]
    assert set(row) == {"id", "path", "name", "productId"}
    assert (row["name"], row["productId"]) == ("serialTest", product)

    told, _ = listener.communicate(timeout=15)
    offer = json.loads(told)
    assert list(offer)[:3] == ["fileName", "version", "md5"], "the seed's keys come first"
    assert all(isinstance(offer[key], str) for key in ("fileName", "version", "md5"))
    assert offer["fileName"].endswith(".bin") and len(offer["fileName"]) <= 64
    assert offer["md5"] == hashlib.md5(binary.read_bytes()).hexdigest()

    site.until_state(device, "notified")  # a faster device would skip it: its download is the stronger evidence
    place = binary.with_name("fetched.bin")
    typed(site, f"curl -o {place} " + MICRO, fileName=offer["fileName"])
    assert place.read_bytes() == binary.read_bytes()
    site.until_state(device, "downloaded")

    replies = site.overseer().subscribe("/oc/devices/esp_1-A/sys/ota/report_reply")
    mqtt.mosquitto_pub(site.broker.port, "esp_1-A", "/oc/devices/esp_1-A/sys/ota/report", json.dumps({"version": offer["version"]}))
    assert replies.next().json["code"] == "200"
    assert site.task(device)["state"] == "succeeded", "the reply comes after the commit"
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded", "succeeded"]


def test_passive_from_upload_to_download(site, binary):
    product = site.product()
    site.device("esp_1-A", product, arrive=False)
    token = login(site)
    typed(site, UPLOAD, name="serialTest", productId=product, your_token=token, file_path=binary)

    answer = json.loads(
        typed(site, PASSIVE, deviceName="esp_1-A", name="serialTest", description="更好", versionName="1.8", your_token=token)
    )
    assert answer["errorCode"] == 200
    assert set(answer["data"]) == {"id", "otaId", "deviceId", "versionName", "description"}
    assert (answer["data"]["versionName"], answer["data"]["description"]) == ("1.8", "更好")

    answer = json.loads(typed(site, POLL, deviceName="esp_1-A"))
    assert (answer["success"], answer["errorCode"], answer["errorMsg"]) == (True, 200, "成功")
    assert answer["data"]["version"] == "1.8"
    assert answer["data"]["md5"] == hashlib.md5(binary.read_bytes()).hexdigest()

    place = binary.with_name("fetched.bin")
    typed(site, f"curl -o {place} " + MICRO, fileName=answer["data"]["fileName"])
    assert place.read_bytes() == binary.read_bytes()


@pytest.mark.parametrize("front", ["Bearer ", "Token ", ""])
def test_the_token_is_good_with_and_without_a_word_in_front(shared, front):
    headers = {"Authorization": front + shared.tokens["viewer"]}
    assert shared.anybody.get("/api/v2/otaList", headers=headers).code == 200
