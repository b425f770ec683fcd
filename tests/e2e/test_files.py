"""Files in the native API: components by name, stages, revisions; and what a change does to the tasks of devices."""

import uuid

import pytest

MADE = {"component": "display", "version": "1.0", "fileUrl": "https://a.com/a.bin", "md5": "x", "size": "20kb"}


@pytest.fixture
def product(shared):
    return shared.product("p" + uuid.uuid4().hex[:12])


def make(site, product, **more):
    return site.operator.post("/api/v3/files", {**MADE, "productId": product, **more}).must(201).json


def test_a_file_of_any_component(shared, product):
    made = make(shared, product, customize="c", description="d", force=True, fileName="a.bin", stage="online")
    assert {key: made[key] for key in ("component", "stage", "customize", "force", "allowDowngrade", "ranges")} == {
        "component": "display", "stage": "online", "customize": "c", "force": True, "allowDowngrade": False, "ranges": 0}  # fmt: skip
    assert shared.viewer.get(f"/api/v3/files/{made['id']}").must(200).json == made
    assert shared.viewer.get("/api/v3/files", product=product).must(200).json == {"items": [made], "next": None}
    row, = shared.operator.get(f"/api/v1/ota/{product}/files/").json["data"]["results"]
    assert (row["id"], row["ota_type"], row["status"]) == (made["id"], "display", 1)


def test_it_is_changed_by_its_revision_and_deleted_in_test(shared, product):
    made = make(shared, product)
    path = f"/api/v3/files/{made['id']}"
    etag = shared.operator.get(path).header("ETag")
    changed = shared.operator.patch(path, {"stage": "online", "description": "d"}, headers={"If-Match": etag}).must(200).json
    assert {**made, "stage": "online", "description": "d", "updatedAt": changed["updatedAt"]} == changed
    assert shared.operator.patch(path, {"description": "e"}, headers={"If-Match": etag}).status == 412
    assert shared.operator.delete(path).status == 409
    shared.operator.patch(path, {"stage": "test"}).must(200)
    shared.operator.delete(path).must(204)
    assert shared.operator.get(path).status == 404


@pytest.mark.parametrize("bad, status", [
    ({"component": "Display"}, 400), ({"component": ""}, 400), ({"fileUrl": "ftp://a"}, 400), ({"stage": "soon"}, 400), ({"productId": 10**9}, 404), ({"ranges": []}, 400),
    ({"version": None}, 400), ({"version": "x" * 33}, 400), ({"force": 1}, 400),
])
def test_what_is_refused(shared, product, bad, status):
    assert shared.operator.post("/api/v3/files", {**MADE, "productId": product, **bad}).status == status
    assert shared.operator.get("/api/v3/files", product=product).json["items"] == []


def test_one_of_a_component_and_version(shared, product):
    made = make(shared, product)
    assert shared.operator.post("/api/v3/files", {**MADE, "productId": product}).status == 409
    other = make(shared, product, component="motor")
    for change in ({"component": "motor"}, {"productId": product}):
        assert shared.operator.patch(f"/api/v3/files/{made['id']}", change).status == 400
    assert shared.operator.delete(f"/api/v3/rollouts/{other['rolloutId']}").status == 409, "a file's rollout goes with the file"
    assert shared.operator.delete("/api/v2/xiaozhi/otaPassive", id=other["rolloutId"]).code == 3002
    assert shared.operator.get(f"/api/v3/files/{other['id']}").json == other


def test_a_viewer_only_reads(shared, product):
    assert shared.viewer.post("/api/v3/files", {**MADE, "productId": product}).status == 403


def test_its_ranges_are_its_rollout_s(shared, product):
    made = make(shared, product)
    assert shared.operator.get(f"/api/v3/rollouts/{made['rolloutId']}").must(200).json["firmwareId"] == made["id"]
    assert made["rolloutId"] not in [row["id"] for row in shared.operator.get("/api/v3/rollouts", product=product).json["items"]]
    path = f"/api/v3/rollouts/{made['rolloutId']}/ranges"
    shared.operator.post(path + "/import", b"C89346000000~C89346FFFFFF\nDEF1*\n", headers={"Content-Type": "text/csv"}).must(200)
    assert [row["range"] for row in shared.operator.get(path).must(200).json["items"]] == ["C89346000000~C89346FFFFFF", "DEF1*"]
    assert shared.operator.get(f"/api/v3/files/{made['id']}").json["ranges"] == 2
    row, = shared.operator.get(f"/api/v1/ota/{product}/files/").json["data"]["results"]
    assert row["mac_range"] == ["C89346000000~C89346FFFFFF", "DEF1*"]
    shared.operator.delete(path).must(204)
    assert shared.operator.get(f"/api/v1/ota/{product}/files/").json["data"]["results"][0]["mac_range"] is None


# What becomes of tasks.


def begun(site, product, file, state="downloading"):
    """A device with a task of the file under way."""
    device = site.device("d-" + uuid.uuid4().hex[:8], product=product, arrive=False)
    site.db.rows(
        "INSERT INTO tasks (rollout_id, device_id, firmware_id, way, component, state, token, offers)"
        " SELECT %s, id, %s, 'standing', %s, %s, gen_random_uuid(), 1 FROM devices WHERE name = %s RETURNING id",
        file["rolloutId"], file["id"], file["component"], state, device.name,
    )
    return device


@pytest.mark.parametrize("change", [{"version": "2.0"}, {"fileUrl": "https://b.com/b.bin"}, {"md5": "y"}, {"stage": "invalid"}])
def test_another_image_or_none_cancels_what_is_under_way(shared, product, change):
    made = make(shared, product, stage="online")
    device = begun(shared, product, made)
    before = shared.db.value("SELECT created_at FROM rollouts WHERE id = %s", made["rolloutId"])
    shared.operator.patch(f"/api/v3/files/{made['id']}", change).must(200)
    assert shared.task(device)["state"] == "cancelled"
    anew = shared.db.value("SELECT created_at FROM rollouts WHERE id = %s", made["rolloutId"]) > before
    assert anew is ("stage" not in change)
    if "stage" in change:
        shared.operator.patch(f"/api/v3/files/{made['id']}", {"stage": "online"}).must(200)
        assert shared.db.value("SELECT created_at FROM rollouts WHERE id = %s", made["rolloutId"]) > before, "it counts anew"


@pytest.mark.parametrize("change", [{"description": "d"}, {"size": "1"}, {"stage": "test"}, {"force": True}, {"customize": "c"}])
def test_other_changes_leave_it_alone(shared, product, change):
    made = make(shared, product, stage="online")
    device = begun(shared, product, made)
    shared.operator.patch(f"/api/v3/files/{made['id']}", change).must(200)
    assert shared.task(device)["state"] == "downloading"


def test_deleting_it_cancels_them_too(shared, product):
    made = make(shared, product)
    device = begun(shared, product, made, "notified")
    shared.operator.delete(f"/api/v3/files/{made['id']}").must(204)
    assert shared.task(device)["state"] == "cancelled"


def test_a_task_of_it_breaks_no_other_dialect(shared, product):
    made = make(shared, product, component="app", stage="online")
    device = begun(shared, product, made, "notified")
    shared.operator.patch(f"/api/v3/files/{made['id']}", {"description": "it is read again"}).must(200)
    task = shared.task(device)["id"]
    shared.db.rows("SELECT change_append('task', %s::bigint[])", [task])
    device.arrive()
    assert device.poll().code == 1001
    assert shared.operator.get(f"/api/v3/devices/{device.name}/explain").status == 200
    shared.operator.post(f"/api/v3/tasks/{task}/cancel").must(204)
    assert shared.task(device)["state"] == "cancelled"
