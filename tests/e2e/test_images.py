"""What products say of their images: ESP-IDF app images are read at upload, and what is none is refused where none else may come."""

import pytest

from harness import image


def firmware_of(site, firmware_id):
    return site.viewer.get(f"/api/v3/firmware/{firmware_id}").must(200).json


def esp32_product(site, key="xiaozhi"):
    return site.admin.post("/api/v3/products", {"key": key, "images": "esp32"}).must(201).json["id"]


FACTS = {"chip": "esp32s3", "project": "xiaozhi", "version": "2.4.2", "idfVersion": "v5.4.1", "elfSha256": image.ELF_SHA256.hex()}


def test_a_product_says_what_its_images_are(site):
    made = site.admin.post("/api/v3/products", {"key": "lamp"}).must(201)
    path = made.header("Location")
    assert made.json["images"] == "any"
    assert site.admin.patch(path, {"images": "esp32"}).must(200).json["images"] == "esp32"
    assert site.admin.patch(path, {"name": "Lamp"}).must(200).json["images"] == "esp32"
    assert site.viewer.get("/api/v3/products").json["items"][0]["images"] == "esp32"
    for wrong in ("ESP32", "", "esp8266", 1, ["any"]):
        answer = site.admin.patch(path, {"images": wrong})
        assert answer.status == 400 and answer.header("Content-Type") == "application/problem+json", answer
    assert site.admin.patch(path, {"images": "esp8266"}).json["detail"] == "images must be any or esp32"
    assert site.viewer.get(path).json["images"] == "esp32"


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("size", [256, 262_144 - 856, 600_000])
def test_an_app_image_brings_its_version_and_facts(site, size, hashed):
    product = esp32_product(site)
    firmware = site.firmware(product, data=image.app(size=size, hashed=hashed))
    row = firmware_of(site, firmware.id)
    assert (row["version"], row["image"], row["sha256"]) == ("2.4.2", FACTS, firmware.sha256)
    assert site.viewer.get("/api/v3/firmware").json["items"] == [row]
    (detail,) = [detail for action, detail in site.db.rows("SELECT action, detail FROM audit") if action == "firmware.upload"]
    assert "2.4.2 for esp32s3, compiled Nov 21 2026 12:34:56" in detail


def test_a_device_is_pushed_the_version_of_the_image(site):
    product = esp32_product(site)
    device = site.device(product=product)
    firmware = site.firmware(product, data=image.app("2.5.0"))
    assert site.push(firmware, device).code == 200
    assert device.offer()["version"] == "2.5.0"


@pytest.mark.parametrize("chip", image.CHIPS)
def test_the_chip_is_named_as_its_devices_do(shared, chip):
    product = shared.product(f"any-{chip}")
    firmware = shared.firmware(product, chip, image.app(chip=chip, size=400))
    assert firmware_of(shared, firmware.id)["image"]["chip"] == chip


def damaged(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


APP = image.app()
REFUSED = [
    ("text", b"firmware", "no ESP32 app image: it does not begin with 0xE9; upload the app image, the build's <project>.bin"),
    ("bootloader", image.bootloader(), "bootloader image: it has no app descriptor; upload the app image"),
    ("merged", image.merged(), "merged image (bootloader, partition table and app in one file), as merged-binary.bin; upload the app image"),
    ("merged for the esp32", image.merged(0x1000), "merged image"),
    ("partition table", b"\xaa\x50" + bytes(3070), "a partition table, no ESP32 app image; upload the app image"),
    ("cut off", APP[:-1], "cut off"),
    ("cut off in a segment", APP[:300_000], "cut off: after 300000 bytes it ends within a segment"),
    ("longer", APP + b"\xff" * 4096, "4096 bytes follow the image"),
    ("damaged", damaged(APP, 400_000), "its checksum is wrong"),
    ("other SHA-256", damaged(APP, len(APP) - 1), "its SHA-256 is wrong"),
    ("version with a v", image.app("v2.5.0"), 'version "v2.5.0" is not numbers with single dots'),
    ("dirty version", image.app("2.0.4-dirty"), 'version "2.0.4-dirty" is not numbers with single dots'),
    ("two dots", image.app("1..0"), 'version "1..0" is not numbers with single dots'),
    ("no version", image.app(""), 'version "" is not numbers with single dots'),
]


@pytest.fixture(scope="module")
def xiaozhi(shared):
    return esp32_product(shared)


@pytest.mark.parametrize("data, sentence", [pytest.param(d, s, id=i) for i, d, s in REFUSED])
def test_what_is_no_app_image_is_refused_and_leaves_nothing(shared, xiaozhi, data, sentence):
    chunks = shared.db.value("SELECT count(*) FROM chunks")
    answer = shared.operator.upload(data, name="wrong", productId=xiaozhi)
    assert (answer.status, answer.code) == (200, 1001), answer
    assert sentence in answer.json["errorMsg"], answer
    shared.nothing_left()
    assert shared.db.value("SELECT count(*) FROM firmware WHERE name = 'wrong'") == 0
    assert shared.db.value("SELECT count(*) FROM chunks") == chunks


def test_nothing_at_all_is_still_an_empty_file(shared, xiaozhi):
    assert shared.operator.upload(b"", name="empty", productId=xiaozhi).code == 1004


@pytest.mark.parametrize("data", [pytest.param(d, id=i) for i, d, _ in REFUSED if "version" not in i and "dots" not in i])
def test_other_products_take_any_file(shared, data):
    product = shared.product(f"lamp-{abs(hash(data))}")
    row = firmware_of(shared, shared.firmware(product, data=data).id)
    assert (row["image"], row["version"]) == (None, None)


@pytest.mark.parametrize("version", ["2.4.2", "v2.5.0", ""])
def test_other_products_show_what_an_image_says(shared, version):
    product = shared.product(f"lamp-v{version}")
    row = firmware_of(shared, shared.firmware(product, data=image.app(version)).id)
    assert row["image"] == {**FACTS, "version": version or None}
    assert row["version"] is None  # learnt from reports, as before


def test_the_rule_that_holds_is_that_of_the_upload(site):
    product = site.product()
    path = f"/api/v3/products/{product}"
    before = site.firmware(product, "before", b"firmware")
    site.admin.patch(path, {"images": "esp32"}).must(200)
    assert site.operator.upload(b"other", name="after", productId=product).code == 1001
    assert firmware_of(site, before.id)["image"] is None
    site.admin.patch(path, {"images": "any"}).must(200)
    assert site.operator.upload(b"other", name="after", productId=product).code == 200
