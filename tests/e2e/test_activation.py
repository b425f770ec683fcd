"""Operators and devices that show a code, by /api/v2/xiaozhi/otaManage. Checks are made by the database's own function: no dialect here shows codes."""

MAC = "94A9902C84B8"
PATH = "/api/v2/xiaozhi/otaManage"


def check(site, mac=MAC, uuid="e2314aed-0a16-43f0-8128-766fbd3207f2", code="209835"):
    return site.db.value(
        f"SELECT given FROM activation_begin('{mac}', '{uuid}', 'b', 'b', '', '192.0.2.9', ARRAY['{code}'], gen_random_uuid(), interval '1 day', 100000, 200)"
    )


def test_a_code_is_entered_and_the_device_named_listed_and_unbound(site):
    product = site.product()
    code = check(site)
    assert site.viewer.post(PATH, {"code": code, "productId": product}).status == 403
    bound = site.operator.post(PATH, {"code": code, "nickName": "厨房", "productId": product}).data
    expected = {"deviceName": "94_a9_90_2c_84_b8", "nickName": "厨房", "productId": product, "autoUpdate": True, "versionName": ""}
    assert bound == {"id": bound["id"], **expected}
    assert site.viewer.get(PATH).data == [bound]
    site.device("other", product, arrive=False)  # known, but not bound
    assert site.viewer.get(PATH).data == [bound]
    renamed = site.operator.put(PATH, {"id": bound["id"], "nickName": "客厅", "autoUpdate": False}).data
    assert (renamed["nickName"], renamed["autoUpdate"]) == ("客厅", False)
    row = site.viewer.get(f"/api/v3/devices/{bound['id']}").must(200).json
    assert (row["nickName"], row["autoUpdate"], row["mac"]) == ("客厅", False, MAC)
    assert row["boundAt"] and "e2314aed" not in str(row)
    assert site.operator.delete(PATH, id=bound["id"]).data is None
    assert site.operator.delete(PATH, id=bound["id"]).code == 1001
    assert site.viewer.get(PATH).data == []
    actions = [action for actor, action, *_ in site.audit() if actor == "operator"]
    assert [a for a in actions if a in ("device.activate", "device.unbind")] == ["device.activate", "device.unbind"]


def test_unknown_expired_and_used_codes_are_told_apart(site):
    product = site.product()
    code = check(site)
    said = []
    for body in ({"code": "000000"}, {"code": code}, {"code": code}):
        answer = site.operator.post(PATH, {**body, "productId": product})
        said.append((answer.status, answer.code, answer.json["errorMsg"]))
    assert [row[:2] for row in said] == [(200, 1001), (200, 200), (200, 1001)]
    assert "unknown" in said[0][2] and "bound already" in said[2][2]


def test_what_is_no_code_or_no_product_is_refused(site):
    product = site.product()
    code = check(site)
    for body, expected in (
        ({"productId": product}, 1004), ({"code": "", "productId": product}, 1002), ({"code": "12345", "productId": product}, 1001),
        ({"code": code}, 1004), ({"code": code, "productId": 99}, 1001), ({"code": code, "productId": product, "nickName": "x" * 200}, 1001),
    ):
        assert site.operator.post(PATH, body).code == expected, body
    assert site.operator.put(PATH, {"id": 99, "nickName": "x"}).code == 1001
    assert site.operator.delete(PATH, id="x").code == 1003


def test_a_product_says_what_identifies_its_devices(site):
    product = site.product()
    path = f"/api/v3/products/{product}"
    assert site.viewer.get(path).json["identity"] == "mac"
    assert site.admin.patch(path, {"identity": "pinned"}).must(200).json["identity"] == "pinned"
    assert site.admin.patch(path, {"identity": "name"}).status in (400, 422)
