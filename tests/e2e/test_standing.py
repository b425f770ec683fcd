"""Standing rollouts: one firmware for whoever of a product comes. Seed 003's own command, and the native API."""

import hashlib
import json
import threading
import time

import pytest

from harness.process import until
from harness.site import password_of
from harness.web import curl

# Character for character; the seed forgot the backslashes at the ends of its lines, which joined() adds.
STANDING = """curl -X POST "http://localhost:8080/api/v2/xiaozhi/otaPassive" 
-H "accept: */*" 
-H "Content-Type: application/json" 
--header 'Authorization: {your token}'
-d "{\\"otaId\\":{otaId},\\"productId\\":{productId},\\"versionName\\":{versionName}}\""""

PASSIVE = "/api/v2/xiaozhi/otaPassive"


def joined(site, **words):
    command = " \\\n".join(line.rstrip() for line in STANDING.replace("localhost:8080", f"localhost:{site.otad.port}").split("\n"))
    for word, value in words.items():
        command = command.replace("{" + word.replace("_", " ") + "}", str(value)).replace("{" + word + "}", str(value))
    return json.loads(curl("curl -s" + command.removeprefix("curl")))


@pytest.fixture
def token(site):
    return site.anybody.post("/api/v2/login", {"username": "operator", "password": password_of("operator")}).data


@pytest.fixture
def lamp(site):
    product = site.product()
    return product, site.firmware(product)


def stand(site, product, firmware, **more):
    return site.operator.post("/api/v3/rollouts", {"productId": product, "firmwareId": firmware.id, **more}).must(201).json


# The platform's API.


def test_the_seed_s_command_and_what_a_device_then_gets(site, lamp, token):
    product, firmware = lamp
    device = site.device(product=product, arrive=False)
    answer = joined(site, otaId=firmware.id, productId=product, versionName="1.8", your_token=token)
    assert (answer["success"], answer["errorCode"], answer["errorMsg"]) == (True, 200, "成功")
    assert answer["data"] == {"id": answer["data"]["id"], "otaId": firmware.id, "productId": product, "versionName": "1.8"}
    assert site.tasks(device) == []
    offer = device.poll().data
    assert (offer["version"], offer["md5"]) == ("1.8", hashlib.md5(firmware.data).hexdigest())
    assert site.task(device)["state"] == "notified", "committed before the answer"
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).must(200).body == firmware.data
    site.until_state(device, "downloaded")
    device.arrive()
    device.report("1.8")
    assert site.task(device)["state"] == "succeeded"
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded", "succeeded"]
    assert device.poll().code == 1001


@pytest.mark.parametrize("version", ["3", '\\"1.2.3\\"'])
def test_the_version_name_comes_as_number_or_text(site, lamp, token, version):
    product, firmware = lamp
    answer = joined(site, otaId=firmware.id, productId=product, versionName=version, your_token=token)
    assert answer["data"]["versionName"] == version.replace('\\"', "")


def test_one_row_per_product_which_the_next_order_replaces(site, lamp):
    product, firmware = lamp
    other = site.firmware(product, "fw2")
    door = site.product("door")
    knob = site.firmware(door, "knob")
    for ota, of in ((firmware.id, product), (knob.id, door), (other.id, product)):
        site.operator.post(PASSIVE, {"otaId": ota, "productId": of, "versionName": "2"}).must(200)
    rows = site.viewer.get(PASSIVE).data
    assert [(row["otaId"], row["otaName"], row["productId"], row["productName"]) for row in rows] == [
        (knob.id, "knob", door, "door"),
        (other.id, "fw2", product, "lamp"),
    ]
    assert set(rows[0]) == {"id", "otaId", "productId", "versionName", "otaName", "productName"}


def test_a_deleted_row_takes_its_tasks_and_names_along(site, lamp):
    product, firmware = lamp
    device = site.device(product=product, arrive=False)
    row = site.operator.post(PASSIVE, {"otaId": firmware.id, "productId": product, "versionName": "2"}).data
    offer = device.poll().data
    assert site.operator.delete(PASSIVE, id=row["id"]).data is None
    assert site.task(device)["state"] == "cancelled"
    assert device.poll().code == 1001
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).status == 410
    assert site.viewer.get(PASSIVE).data == []
    assert site.operator.delete(PASSIVE, id=row["id"]).code == 1001


@pytest.mark.parametrize(
    "body, code",
    [
        ({"productId": 1, "versionName": "1"}, 1004),
        ({"otaId": 1, "versionName": "1"}, 1004),
        ({"otaId": 1, "productId": 1}, 1004),
        ({"otaId": "x", "productId": 1, "versionName": "1"}, 1003),
        ({"otaId": 1, "productId": 1, "versionName": ["1"]}, 1003),
        ({"otaId": 0, "productId": 1, "versionName": "1"}, 1001),
        ({"otaId": 99, "productId": 1, "versionName": "1"}, 1001),
        ({"otaId": 1, "productId": 99, "versionName": "1"}, 1001),
        ({"otaId": 1, "productId": 2, "versionName": "1"}, 1001),
    ],
)
def test_what_cannot_be_ordered(site, lamp, body, code):
    site.product("door")
    assert site.operator.post(PASSIVE, body).code == code
    assert site.viewer.get(PASSIVE).data == []


def test_who_may(site, lamp):
    product, firmware = lamp
    body = {"otaId": firmware.id, "productId": product, "versionName": "1"}
    assert site.anybody.post(PASSIVE, body).must(401).code == 2001
    assert site.viewer.post(PASSIVE, body).must(403).code == 3001
    assert site.anybody.get(PASSIVE).must(401).code == 2001
    assert site.viewer.delete(PASSIVE, id=1).must(403).code == 3001
    assert site.viewer.get(PASSIVE).data == []


def test_what_is_in_use_is_not_deleted_and_the_answer_says_why(site, lamp):
    product, firmware = lamp
    row = site.operator.post(PASSIVE, {"otaId": firmware.id, "productId": product, "versionName": "1"}).data
    answer = site.operator.delete("/api/v2/otaDelete", id=firmware.id)
    assert answer.code == 3002
    assert f"rollout {row['id']}" in answer.json["errorMsg"]
    assert site.operator.delete(f"/api/v3/firmware/{firmware.id}").status == 409
    assert site.operator.delete(f"/api/v3/products/{product}").status == 409
    site.operator.delete(PASSIVE, id=row["id"]).must(200)
    assert site.operator.delete("/api/v2/otaDelete", id=firmware.id).code == 200


# The native API.


def test_native_rollouts(site, lamp):
    product, firmware = lamp
    row = stand(site, product, firmware, versionName="2.1", description="for all", component="app")
    assert row == {
        "id": row["id"], "productId": product, "component": "app", "firmwareId": firmware.id, "firmwareName": "fw",
        "versionName": "2.1", "description": "for all", "createdBy": "operator", "createdAt": row["createdAt"],
    }
    assert site.viewer.get(f"/api/v3/rollouts/{row['id']}").must(200).json == row
    assert site.viewer.get("/api/v3/rollouts").must(200).json["items"] == [row]
    assert site.viewer.get("/api/v3/rollouts", product=product).must(200).json["items"] == [row]
    assert site.viewer.get("/api/v3/rollouts", product=site.product("door")).must(200).json["items"] == []
    assert site.operator.post("/api/v3/rollouts", {"productId": product, "firmwareId": firmware.id, "component": "wifi"}).status == 400
    assert site.operator.post("/api/v3/rollouts", {"productId": product, "firmwareId": firmware.id, "x": 1}).status == 400
    assert site.operator.post("/api/v3/rollouts", {"productId": product, "firmwareId": 99}).status == 404
    assert site.viewer.post("/api/v3/rollouts", {"productId": product, "firmwareId": firmware.id}).status == 403
    site.operator.delete(f"/api/v3/rollouts/{row['id']}").must(204)
    assert site.operator.delete(f"/api/v3/rollouts/{row['id']}").status == 404
    assert [(who, what) for who, what, _, _ in site.audit() if what.startswith("rollout.")] == [
        ("operator", "rollout.order"),
        ("operator", "rollout.cancel"),
    ]


def test_three_offers_then_none_and_explain_says_so(site, lamp):
    product, firmware = lamp
    device = site.device(product=product)
    stand(site, product, firmware)
    for _ in range(3):
        offer = device.poll().data
        task = site.task(device)
        assert device.progress(str(task["id"]), -2)["code"] == "200"
        assert site.task(device)["state"] == "failed"
        assert offer["fileName"]
    assert device.poll().code == 1001
    sentences = site.viewer.get(f"/api/v3/devices/{device.name}/explain").must(200).json["sentences"]
    assert "three times" in sentences["en"][0] and "三次" in sentences["zh"][0]
    assert len(site.tasks(device)) == 3
    stand(site, product, firmware)
    assert device.poll().code == 200


def test_many_polls_at_once_of_many_devices_make_one_task_each(site, lamp):
    product, firmware = lamp
    devices = [site.device(f"lamp-{i}", product, arrive=False) for i in range(8)]
    stand(site, product, firmware)
    answers = {device.name: [] for device in devices}

    def ask(device):
        answers[device.name].append(device.poll().data["fileName"])

    threads = [threading.Thread(target=ask, args=(device,)) for device in devices for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for device in devices:
        assert len(answers[device.name]) == 5 and len(set(answers[device.name])) == 1
        assert [task["state"] for task in site.tasks(device)] == ["notified"]


def test_a_kill_between_loses_and_doubles_nothing(site, lamp):
    product, firmware = lamp
    devices = [site.device(f"lamp-{i}", product, arrive=False) for i in range(30)]
    stand(site, product, firmware)
    told = {}

    def ask():
        for device in devices:
            try:
                told[device.name] = device.poll().data["fileName"]
            except Exception:  # the service died over it
                pass

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: len(told) > 5, "some have been told")
    site.otad.kill()
    asker.join()
    site.otad.start()
    for device in devices:
        assert device.poll().data["fileName"] == told.get(device.name, device.poll().data["fileName"])
        assert len(site.tasks(device)) == 1


@pytest.mark.config(resend_min="10m", resend_max="10m")
def test_idle_polls_cost_no_SQL(site, lamp):
    product, firmware = lamp
    told = site.device(product=product, arrive=False)
    there = site.device("lamp-2", product, arrive=False)
    stand(site, product, firmware, versionName="7")
    assert told.poll().code == 200
    assert there.web.get("/api/v2/otaPassiveEnable", deviceName=there.name, version="7").code == 1001
    site.until_state(told, "notified")
    time.sleep(2)
    before = site.db.calls()
    for _ in range(100):
        assert told.poll().code == 200
        assert there.poll().code == 1001
    ran = [text for text, calls in site.db.calls().items() if calls > before.get(text, 0)]
    assert [text for text in ran if "FROM changes" not in text and "outbox" not in text] == []
