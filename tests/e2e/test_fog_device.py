"""The fog dialect as devices see it: the seed's samples literally, both components, ranges of every kind, calls without identity, and the report that ends tasks."""

import json
import threading
import time
import uuid

import pytest

from harness import image
from harness.device import Device
from harness.fog import REPORTED, Fog
from harness.process import until
from harness.xiaozhi import Device as XiaozhiDevice

CHECKED = '{"meta":{"code":0,"message":"ota file info"},"data":{"need_ota":true,"files":[{"file_url":"https://xxx.com/mcu.bin","md5":"xxzz...","version":"1.0.1","ota_type":0,"customize":""},{"file_url":"https://xxx.com/wifi.bin","md5":"xxzz...","version":"1.0.1","ota_type":1,"customize":""}]}}'  # noqa: E501
NOTHING = '{"meta":{"code":0,"message":"ota file info"},"data":{"need_ota":false,"files":[]}}'

SLASHES = pytest.mark.parametrize("path", ["/api/v1/ota/device/", "/api/v1/ota/device", "/api/v1/ota/devce/", "/api/v1/ota/devce"])


@pytest.fixture
def fog(shared):
    return Fog(shared, shared.product("p" + uuid.uuid4().hex[:12]))


# The seed, literally.


@SLASHES
def test_the_seed_s_check(fog, path):
    fog.make()
    fog.make(ug_type=1, file_url="https://xxx.com/wifi.bin")
    assert fog.ask(path).body.decode() == CHECKED
    assert fog.ask(path, device_id=fog.device()).body.decode() == CHECKED
    assert fog.ask(path, mcu_version="1.0.1", wifi_version="1.0.1").body.decode() == NOTHING


@pytest.mark.parametrize("path", ["/api/v1/ota/version/", "/api/v1/ota/version"])
def test_the_seed_s_report(fog, path):
    device = fog.device()
    assert fog.report(device, mcu="1.0.1", wifi="1.0.1", path=path).body.decode() == REPORTED


@pytest.mark.parametrize("missing", ["product_id", "wifi_version", "mcu_version"])
def test_a_check_without_a_parameter_is_10000(fog, missing):
    assert fog.read(fog.ask(**{missing: None})) == (10000, f"参数错误:缺少{missing}参数")


@pytest.mark.parametrize("missing", ["device_id", "wifi_version", "mcu_version"])
def test_a_report_without_a_member_is_10000(fog, missing):
    body = {"device_id": fog.device(), "wifi_version": "1", "mcu_version": "1"}
    del body[missing]
    assert fog.read(fog.site.anybody.request("PUT", "/api/v1/ota/version/", body=body)) == (10000, f"参数错误:缺少{missing}参数")


def test_bad_calls_are_10000(fog):
    assert fog.read(fog.ask(product_id="nobody"))[0] == 10000
    assert fog.read(fog.ask(product_id=""))[1] == "参数错误:缺少product_id参数"
    assert fog.read(fog.ask(mcu_version="1" * 65))[0] == 10000
    assert fog.read(fog.ask(device_id="x" * 1000))[0] == 10000
    assert fog.read(fog.report("nobody", mcu="1"))[0] == 10000
    assert fog.read(fog.report("", mcu="1"))[0] == 10000
    for body in (b"", b"{", b"[]", b'{"device_id":{}}', b"\xff" * 100):
        answer = fog.site.anybody.request("PUT", "/api/v1/ota/version/", body=body, headers={"Content-Type": "application/json"})
        assert fog.read(answer)[0] == 10000, body


# What is newer.


@pytest.mark.parametrize("has, brings, offered", [
    ("1.0.0", "1.0.1", True), ("1.0.1", "1.0.1", False), ("1.0.2", "1.0.1", False), ("1.9", "1.10", True), ("1.10", "1.9", False),
    ("", "1.0.1", True), ("v1", "1.0.1", True), ("1.0.1", "beta", True), ("beta", "beta", False),
])
def test_it_is_offered_if_it_is_newer_or_not_comparable(fog, has, brings, offered):
    fog.make(version=brings)
    assert fog.versions(mcu_version=has) == ({0: brings} if offered else {})
    assert fog.versions(mcu_version=has, device_id=fog.device()) == ({0: brings} if offered else {})


def test_force_and_downgrade_are_a_file_s_own(fog):
    fog.make(version="1.0.1", allow_downgrade=True)
    fog.make(ug_type=1, version="1.0.1", force=True)
    assert fog.versions(mcu_version="2.0", wifi_version="2.0") == {0: "1.0.1"}
    assert fog.versions(mcu_version="1.0.1", wifi_version="1.0.1") == {1: "1.0.1"}


def test_a_forced_file_is_installed_once_though_its_version_is_that_of_before(fog):
    fog.make(version="1.0.1", force=True)
    device = fog.device()
    for _ in range(3):
        assert fog.versions(device_id=device, mcu_version="1.0.1") == {0: "1.0.1"}, "a question tells nothing: it may not have begun"
    fog.tell(device, mcu="1.0.1")
    assert fog.states(device) == [("mcu", "succeeded")]
    assert fog.versions(device_id=device, mcu_version="1.0.1") == {}


def test_files_that_are_named_to_and_fro_keep_being_offered(fog):
    fog.make(version="1.0.1")
    device = fog.device()
    tested = fog.make(version="1.0.2", mac_range=[device])
    for _ in range(5):
        assert fog.versions(device_id=device) == {0: "1.0.2"}
        fog.edit(tested["id"], mac_range=["OTHER"])
        assert fog.versions(device_id=device) == {0: "1.0.1"}
        fog.edit(tested["id"], mac_range=[device])


def test_the_highest_eligible_version_wins_whatever_came_last(fog):
    for version in ("1.0.9", "1.0.10", "1.0.2"):
        fog.make(version=version)
    fog.make(version="2.0", status=0)
    fog.make(version="3.0", mac_range=["OTHER"])
    top = fog.make(version="4.0")
    assert fog.versions() == {0: "4.0"}
    fog.edit(top["id"], status=2)
    assert fog.versions() == {0: "1.0.10"}
    assert fog.versions(device_id=fog.device()) == {0: "1.0.10"}


def test_each_component_goes_by_itself(fog):
    fog.make()
    assert fog.versions() == {0: "1.0.1"}
    fog.make(ug_type=1, version="1.0.5")
    assert fog.versions() == {0: "1.0.1", 1: "1.0.5"}
    assert fog.versions(mcu_version="1.0.1") == {1: "1.0.5"}
    assert fog.versions(wifi_version="1.0.5") == {0: "1.0.1"}


@pytest.mark.parametrize("bundle, left", [("independent", {1: "1.0.1"}), ("together", {})])
def test_components_that_belong_together_wait_for_each_other(shared, fog, bundle, left):
    shared.admin.request("PATCH", f"/api/v3/products/{fog.product}", body={"bundle": bundle}).must(200)
    fog.make()
    fog.make(ug_type=1)
    device = fog.device()
    assert set(fog.check(device_id=device)) == {0, 1}
    task = shared.db.value("SELECT t.id FROM tasks t JOIN devices d ON d.id = t.device_id WHERE d.name = %s AND t.component = 'mcu'", device)
    shared.operator.post(f"/api/v3/tasks/{task}/cancel").must(204)
    assert fog.versions(device_id=device) == left, "an operator has cancelled the mcu's"
    assert fog.versions(device_id=device, mcu_version="1.0.1") == {1: "1.0.1"}, "it needs nothing any more"


# Whom it is for.


@pytest.mark.parametrize("entry, named, others", [
    ("C8:93:46:40:4A:B2", ["c89346404ab2", "C8-93-46-40-4A-B2"], ["C89346404AB3"]),
    ("C89346000000~C89346FFFFFF", ["C8:93:46:00:00:00", "c89346ffffff"], ["C89347000000"]),
    ("def1*", ["DEF1LUK", "d.e.f-1 x"], ["DEF2LUK"]),
    ("DEF1LUK", ["def1luk"], ["DEF1LUKX"]),
])
@pytest.mark.parametrize("status", [0, 1])
def test_ranges_name_devices_by_whatever_they_say(fog, entry, named, others, status):
    fog.make(mac_range=[entry], status=status)
    for identifier in named:
        for name in ("device_id", "mac", "dsn", "sn"):
            assert fog.versions(**{name: identifier}) == {0: "1.0.1"}, (name, identifier)
    for identifier in others:
        assert fog.versions(device_id=identifier) == {}
    assert fog.versions() == {}, "who says nothing is named by nothing"
    tasks = "SELECT count(*) FROM tasks t JOIN rollouts r ON r.id = t.rollout_id WHERE r.product_id = %s"
    assert fog.site.db.value(tasks, fog.product) == 0, "nobody knows them: they are shown files, and get no tasks"


def test_a_known_device_is_named_by_its_name_and_its_mac(fog):
    fog.make(mac_range=["AA:BB:CC:00:00:01"])
    device = fog.device(mac="AABBCC000001")
    assert fog.versions(device_id=device) == {0: "1.0.1"}
    assert fog.states(device) == [("mcu", "notified")]
    assert fog.versions(device_id=fog.device()) == {}


def test_a_file_in_test_is_for_nobody_until_it_names_somebody(fog):
    file = fog.make(status=0)
    device = fog.device()
    assert fog.versions(device_id=device) == {} == fog.versions()
    fog.edit(file["id"], mac_range=[device])
    assert fog.versions(device_id=device) == {0: "1.0.1"} and fog.versions() == {}
    fog.edit(file["id"], status=1, mac_range=[])
    assert fog.versions() == {0: "1.0.1"}


def test_no_check_sees_half_an_edit(fog):
    usual = fog.make(version="1.0.1")
    file = fog.make(version="2.0", status=0)
    over = threading.Event()
    seen = []

    def watch():
        while not over.is_set():
            seen.extend(("anybody", each["file_url"]) for each in fog.check().values())
            seen.extend(("named", each["file_url"]) for each in fog.check(sn="X1").values())

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for _ in range(40):
        fog.edit(file["id"], status=1, file_url="https://xxx.com/good.bin", mac_range=["X1"])
        fog.edit(file["id"], status=2, file_url="https://xxx.com/bad.bin", mac_range=[])
    over.set()
    for watcher in watchers:
        watcher.join()
    assert {url for who, url in seen if who == "anybody"} == {usual["file_url"]}
    assert {url for who, url in seen if who == "named"} == {usual["file_url"], "https://xxx.com/good.bin"}


# Tasks.


def test_a_check_makes_tasks_and_reports_end_them(fog):
    fog.make()
    fog.make(ug_type=1)
    device = fog.device()
    for _ in range(3):
        assert set(fog.check(device_id=device)) == {0, 1}
        assert fog.states(device) == [("mcu", "notified"), ("wifi", "notified")]
    fog.tell(device, mcu="1.0.1")
    assert fog.states(device) == [("mcu", "succeeded"), ("wifi", "notified")], "an empty version leaves its component"
    assert fog.versions(device_id=device, mcu_version="1.0.1") == {1: "1.0.1"}
    fog.tell(device, wifi="1.0.1", mcu="1.0.1")
    assert fog.states(device) == [("mcu", "succeeded"), ("wifi", "succeeded")]
    assert fog.versions(device_id=device, mcu_version="1.0.1", wifi_version="1.0.1") == {}


def test_a_check_with_the_new_version_ends_the_task_as_well(fog):
    fog.make()
    device = fog.device()
    fog.check(device_id=device)
    assert fog.versions(device_id=device, mcu_version="1.0.1") == {}
    assert fog.states(device) == [("mcu", "succeeded")]


def test_a_check_with_the_new_version_ends_it_also_after_a_report_of_the_old_one(fog):
    fog.make()
    device = fog.device()
    assert fog.versions(device_id=device) == {0: "1.0.1"}
    fog.tell(device, mcu="1.0.0")
    assert fog.versions(device_id=device) == {0: "1.0.1"}
    assert fog.versions(device_id=device, mcu_version="1.0.1") == {}
    assert fog.states(device) == [("mcu", "succeeded")]


def test_a_higher_file_takes_the_place_of_a_task_that_has_not_begun(fog):
    fog.make()
    device = fog.device()
    assert fog.versions(device_id=device) == {0: "1.0.1"}
    fog.make(version="1.0.2")
    assert fog.versions(device_id=device) == {0: "1.0.2"}
    assert fog.states(device) == [("mcu", "superseded"), ("mcu", "notified")]


def test_who_says_nothing_or_is_unknown_gets_no_task(fog):
    fog.make()
    before = fog.site.db.value("SELECT count(*) FROM tasks")
    assert fog.versions() == {0: "1.0.1"} == fog.versions(device_id="a-stranger")
    assert fog.site.db.value("SELECT count(*) FROM tasks") == before


def test_idle_checks_ask_no_database(site):
    fog = Fog(site, site.product("idle"))
    device = fog.device()
    fog.make()
    fog.make(ug_type=1, mac_range=["D*"], version="1.0.0")
    assert fog.versions() == {0: "1.0.1"}
    before = site.db.statements()
    for _ in range(50):
        assert fog.versions(device_id=device, mcu_version="1.0.1") == {} and fog.versions() == {0: "1.0.1"}
    assert site.db.statements() - before < 20, "none of 100 checks; the tick and the feed ask now and then"
    assert fog.states(device) == []


def test_what_an_idle_check_tells_is_seen_by_operators_and_by_explanations(fog):
    device = fog.device()
    top = fog.make(version="1.0.2")
    path = f"/api/v3/devices/{device}"
    assert fog.site.operator.get(path).json["versions"] == []

    def shown():
        versions = fog.site.operator.get(path).json["versions"]
        assert all(row["reportedAt"] for row in versions)
        return [(row["component"], row["version"]) for row in versions]

    assert fog.versions(device_id=device, mcu_version="1.0.2", wifi_version="3.1") == {}
    until(lambda: shown() == [("mcu", "1.0.2"), ("wifi", "3.1")], "both are written behind")
    assert "already runs" in fog.site.operator.get(path + "/explain", component="mcu").json["sentences"]["en"][0]
    fog.tell(device, wifi="3.2")
    assert shown() == [("mcu", "1.0.2"), ("wifi", "3.2")]
    fog.edit(top["id"], status=2)
    fog.make(version="1.0.1")
    assert "the device runs 1.0.2" in fog.site.operator.get(path + "/explain", component="mcu").body.decode()


def test_what_is_no_news_is_not_written_again(site):
    fog = Fog(site, site.product("news"))
    device = fog.device()
    fog.versions(device_id=device, mcu_version="1.0.1", wifi_version="3.1")
    until(lambda: site.db.value("SELECT count(*) FROM device_versions") == 2, "written behind")
    before = site.db.rows("SELECT xmin::text, reported_at FROM device_versions")
    for _ in range(3):
        fog.versions(device_id=device, mcu_version="1.0.1", wifi_version="3.1")
    site.otad.stop()
    site.otad.start()
    fog.versions(device_id=device, mcu_version="1.0.1", wifi_version="3.1")
    site.otad.stop()
    assert site.db.rows("SELECT xmin::text, reported_at FROM device_versions") == before, "also after a start it is known"


def test_a_device_of_another_product_is_refused(shared, fog):
    other = Fog(shared, shared.product("q" + uuid.uuid4().hex[:12])).device()
    fog.make()
    assert fog.read(fog.ask(device_id=other))[0] == 10000
    assert fog.read(fog.report(other, mcu="1.0.1", product_id=fog.key))[0] == 10000
    assert fog.read(fog.ask(device_id=other, sn=fog.device()))[0] == 10000


def test_an_answer_stays_below_2048_bytes(fog):
    longest = {"md5": "q" * 64, "customize": '"' * 256, "file_url": "https://xxx.com/" + "a" * 240, "version": "x" * 32}
    fog.make(**longest)
    fog.make(ug_type=1, **longest)
    assert set(fog.check()) == {0, 1}
    assert set(fog.check(mcu_version="x" * 32)) == {1}


def test_bytes_of_ours_are_fetched_by_names_of_ours(site):
    fog = Fog(site, site.product("ours"))
    firmware = site.firmware(fog.product)
    site.db.rows("UPDATE firmware SET component = 'mcu', version = '1.0.1' RETURNING id")
    site.otad.stop()
    site.otad.start()
    body = {"productId": fog.product, "firmwareId": firmware.id, "component": "mcu"}
    site.operator.post("/api/v3/rollouts", body).must(201)
    device = fog.device()
    names = set()
    for query in ({}, {"device_id": device}):
        file = fog.check(**query)[0]
        assert (file["md5"], file["version"]) == (firmware.md5, "1.0.1")
        base, _, name = file["file_url"].rpartition("/api/v2/micro/")
        assert base == site.otad.url.rstrip("/")
        answer = site.anybody.request("GET", "/api/v2/micro/" + name, headers={"Range": "bytes=0-"})
        assert answer.status == 206 and answer.body == firmware.data and answer.header("Content-Length") == str(len(firmware.data))
        names.add(name)
    assert len(names) == 2, "the task's, and one that names no device"
    fog.tell(device, mcu="1.0.1")
    assert fog.states(device) == [("mcu", "succeeded")]


# The product's own say.


def test_a_product_may_demand_the_token(shared, fog):
    fog.make()
    device = fog.device()
    shared.admin.request("PATCH", f"/api/v3/products/{fog.product}", body={"deviceToken": True}).must(200)
    answer = fog.ask()
    assert (answer.status, answer.json["meta"]["code"]) == (401, 401)
    assert fog.report(device, mcu="1.0.1").status == 401
    assert fog.read(fog.ask(client=shared.viewer), "ota file info")["need_ota"]
    assert fog.report(device, mcu="1.0.1", client=shared.viewer).body.decode() == REPORTED


def test_unknown_devices_register_where_the_product_lets_them(site):
    fog = Fog(site, site.product("registers"))
    assert fog.read(fog.report("C8:93:46:40:4A:B2", mcu="1.0.0"))[0] == 10000
    site.admin.request("PATCH", f"/api/v3/products/{fog.product}", body={"autoRegister": True}).must(200)
    fog.tell("C8:93:46:40:4A:B2", mcu="1.0.0")
    fog.tell("c8-93-46-40-4a-b2", mcu="1.0.0")
    fog.tell("DEF1LUK", mcu="1.0.0")
    assert site.db.rows("SELECT name, mac FROM devices ORDER BY id") == [("c8_93_46_40_4a_b2", "C89346404AB2"), ("DEF1LUK", None)]
    assert fog.read(fog.report("no name", mcu="1"))[0] == 10000
    second = Fog(site, site.product("registers-too"))
    site.admin.request("PATCH", f"/api/v3/products/{second.product}", body={"autoRegister": True}).must(200)
    assert fog.read(fog.report("whose", mcu="1"))[0] == 10000, "of two products nobody knows which"
    assert fog.report("whose", mcu="1", product_id=second.key).body.decode() == REPORTED


def test_one_device_over_fog_and_xiaozhi_is_one_device(site):
    fog = Fog(site, site.product("bread-compact-ml307"))
    site.admin.request("PATCH", f"/api/v3/products/{fog.product}", body={"autoRegister": True}).must(200)
    speaker = XiaozhiDevice(site)
    fog.tell(speaker.mac, mcu="1.0.0")
    speaker.post()
    fog.make()
    assert fog.versions(mac=speaker.mac.upper()) == {0: "1.0.1"}
    assert fog.states(speaker.name) == [("mcu", "notified")]
    assert site.db.value("SELECT count(*) FROM devices") == 1
    assert "https://xxx.com" not in json.dumps(speaker.post().json), "a URL of somebody else's is for none of them"


def test_one_device_over_three_dialects_is_one_device(site):
    fog = Fog(site, site.product("bread-compact-ml307"))
    site.admin.patch(f"/api/v3/products/{fog.product}", {"autoRegister": True}).must(200)
    speaker = XiaozhiDevice(site)
    fog.tell(speaker.mac, mcu="1.0.0", wifi="1.0.0")
    speaker.bind(fog.product)
    lamp = Device(site, speaker.name).arrive()
    site.devices.append(lamp)
    fog.make(version="1.0.1")
    fog.make(version="1.0.2", ug_type=1)
    app = site.firmware(fog.product, data=image.app("2.1.0"))
    site.operator.post("/api/v3/rollouts", {"productId": fog.product, "firmwareId": app.id}).must(201)

    for _ in range(2):
        for query in ({"device_id": speaker.mac}, {"mac": speaker.mac.upper()}, {"device_id": speaker.name}):
            assert fog.versions(**query) == {0: "1.0.1", 1: "1.0.2"}
        assert speaker.check()["firmware"]["version"] == "2.1.0"
        name = lamp.poll().data["fileName"]
        assert speaker.check()["firmware"]["url"].endswith(name), "the same task, by the same name"
    assert sorted(fog.states(speaker.name)) == [("app", "notified"), ("mcu", "notified"), ("wifi", "notified")]

    lamp.report("1.0.1", component="mcu")
    fog.tell(speaker.name, wifi="1.0.2")
    assert sorted(fog.states(speaker.name)) == [("app", "notified"), ("mcu", "succeeded"), ("wifi", "succeeded")]
    assert not speaker.update()["firmware"]["url"]
    assert sorted(fog.states(speaker.name)) == [("app", "succeeded"), ("mcu", "succeeded"), ("wifi", "succeeded")]
    assert fog.versions(device_id=speaker.mac, mcu_version="1.0.1", wifi_version="1.0.2") == {}
    assert site.db.rows("SELECT name, mac FROM devices") == [(speaker.name, speaker.mac.replace(":", "").upper())]
    versions = site.operator.get(f"/api/v3/devices/{speaker.name}").json["versions"]
    assert [(row["component"], row["version"]) for row in versions] == [("app", "2.1.0"), ("mcu", "1.0.1"), ("wifi", "1.0.2")]


def test_a_licensed_device_is_known_and_named_by_its_serial_number(site):
    fog = Fog(site, site.product("bread-compact-ml307"))
    site.admin.post("/api/v3/licences", {"serial": "SN 00-17", "key": "01" * 32}).must(201)
    speaker = XiaozhiDevice(site)
    speaker.headers |= {"Activation-Version": "2", "Serial-Number": "SN 00-17"}
    site.admin.post("/api/v3/devices", {"name": speaker.name, "productId": fog.product}).must(201)
    speaker.prove(speaker.check()["activation"]["challenge"], "SN 00-17", bytes.fromhex("01" * 32)).must(200)
    fog.make(mac_range=["sn0017"])
    assert fog.versions(device_id=speaker.name) == {0: "1.0.1"}, "it is named by what it has not told"
    assert fog.states(speaker.name) == [("mcu", "notified")]
    for name in ("dsn", "sn"):
        assert fog.versions(**{name: "SN 00-17"}) == {0: "1.0.1"}
    fog.tell("SN 00-17", mcu="1.0.1")
    assert fog.states(speaker.name) == [("mcu", "succeeded")]
    assert b"already runs" in site.operator.get(f"/api/v3/devices/{speaker.name}/explain", component="mcu").body
    licence = site.admin.get("/api/v3/licences").json["items"][0]["id"]
    site.admin.delete(f"/api/v3/licences/{licence}").must(204)
    assert b"no range of rollout" in site.operator.get(f"/api/v3/devices/{speaker.name}/explain", component="mcu").body
    assert fog.versions(device_id=speaker.name) == {}
    assert fog.read(fog.report("SN 00-17", mcu="1.0.2"))[0] == 10000


# Bytes that are elsewhere.


@pytest.mark.config(stall_timeout="1s", install_timeout="1s", task_ttl="5s")
def test_a_task_of_bytes_elsewhere_waits_for_its_report_and_does_not_stall(site):
    fog = Fog(site, site.product("elsewhere"))
    fog.make()
    device = fog.device()
    assert fog.versions(device_id=device) == {0: "1.0.1"}
    task = site.db.value("SELECT id FROM tasks")
    path = f"/api/v3/devices/{device}/explain"
    said = site.operator.get(path, component="mcu").json["sentences"]
    assert f"the file of task {task} is on another server: its download is not seen, the device's report ends it" in said["en"]
    assert any(f"任务 {task} 的文件在其他服务器上" in line for line in said["zh"])
    time.sleep(3)
    assert fog.states(device) == [("mcu", "notified")], "the timers of downloads do not run"
    until(lambda: fog.states(device) == [("mcu", "timed_out")], "task_ttl does")
    assert "another server" not in site.operator.get(path, component="mcu").body.decode()
    fog.tell(device, mcu="1.0.1")
    assert fog.states(device) == [("mcu", "succeeded")], "late, and right"


def test_the_other_dialects_do_not_see_files(shared, fog):
    fog.make(version="9.9")
    device = fog.device()
    answer = shared.anybody.get("/api/v2/otaPassiveEnable", deviceName=device, version="1.0")
    assert not answer.json["success"]
    assert fog.states(device) == []


def test_explanations_name_the_range(shared, fog):
    device = fog.device()
    fog.make(mac_range=["AA*", device])
    text = shared.operator.get(f"/api/v3/devices/{device}/explain", component="mcu").body.decode()
    assert f"the range {device.upper().replace('-', '')} of rollout" in text


def test_explanations_say_each_reason_once(shared):
    product = shared.product("p" + uuid.uuid4().hex[:12])
    fog = Fog(shared, product)
    device = shared.device("d" + uuid.uuid4().hex[:12], product, arrive=False)
    shared.assign(shared.firmware(product, name=uuid.uuid4().hex), device).must(200)
    device.poll().must(200)
    fog.make()
    lines = shared.operator.get(f"/api/v3/devices/{device.name}/explain", component="mcu").json["sentences"]["en"]
    assert sum("for another component" in line for line in lines) == 1 and len(lines) == 2, lines
