"""Xiaozhi devices of every generation, played by otad-sim, at the real service and broker: none may be hurt, all get where they should."""

import hashlib
from types import SimpleNamespace

import pytest
from harness import image
from harness.board import MAC, NAME, Boards
from harness.process import until

BOARD = "bread-compact-wifi"
DEVICE = SimpleNamespace(name=NAME)
FLEET = "02:00:00:00:10:01"
WITH_CODES = ["1.2.1", "1.5.8", "1.6.2", "1.7.7", "1.8.x", "2.0.4"]
LICENCE = "00112233445566778899aabbccddeeff" * 2


@pytest.fixture
def product(site):
    return site.product(BOARD)


def app(version, **more):
    """An image whose build is its own."""
    return image.app(version, elf=hashlib.sha256(version.encode() + b"built").digest(), **more)


def publish(site, product, version="2.4.2", **image_of):
    """A firmware for whoever of the product comes."""
    firmware = site.firmware(product, name="fw" + version, data=app(version, **image_of))
    site.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": firmware.id, "productId": product, "versionName": version}).data
    return firmware


def enter(site, product, boards, device=NAME):
    """The operator types in what the device shows; its row."""
    code = boards.event("code", device=device)["text"]
    return site.operator.post("/api/v2/xiaozhi/otaManage", {"code": code, "productId": product, "nickName": "n"}).data


def boards(site, version, *arguments, **how):
    return Boards(site.otad.url, version, "--timeout", "60s", *arguments, **how)


@pytest.mark.parametrize("version", WITH_CODES)
def test_from_the_first_boot_to_an_update_that_is_proven(site, product, version):
    publish(site, product)
    with boards(site, version, "--exit-after", 1, "--linger", "300ms") as device:
        enter(site, product, device)
        device.done()
    story = [e["event"] for e in device.lines]
    assert device.summary["harmed"] == 0
    assert story.index("code") < story.index("offer") < story.index("installed") < story.index("valid") < story.index("connected")
    assert site.until_state(DEVICE, "succeeded")
    assert site.walk(DEVICE)[-3:] == ["downloading", "downloaded", "succeeded"]


def test_the_oldest_is_replaced_without_being_asked(site, product):
    """0.9.8 knows no codes, so it is nobody's; it is updated for its audio defect, shows its code then, and is let in."""
    publish(site, product)
    with boards(site, "0.9.8", "--exit-after", 1) as device:
        device.event("valid")
        enter(site, product, device)
        device.done()
    assert device.summary["harmed"] == 0 and device.events("valid")[0]["version"] == "2.4.2"


def test_firmware_that_knows_no_codes_may_be_updated_unbound(site, product):
    publish(site, product)
    site.admin.patch(f"/api/v3/products/{product}", {"unboundUpdates": True}).must(200)
    with boards(site, "1.0.1", "--exit-after", 1) as device:
        device.event("valid")
        enter(site, product, device)
        device.done()


def test_a_bad_image_is_rolled_back_and_not_offered_again(site, product):
    publish(site, product)
    with boards(site, "2.0.4", "--bad-image", 9) as device:
        enter(site, product, device)
        device.event("rolled-back")
        device.event("connected")
        device.power_cycle()
        device.event("connected", 2)
        assert len(device.events("offer")) == 1
    assert (site.task(DEVICE)["state"], site.task(DEVICE)["code"]) == ("failed", "rolled_back")


@pytest.mark.parametrize("version", ["1.5.8", "2.0.4"])
def test_power_lost_while_downloading(site, product, version):
    publish(site, product)
    with boards(site, version, "--power-loss", 1, "--reboot-every", "1s", "--exit-after", 1) as device:
        enter(site, product, device)
        device.done()
    assert device.summary["power-lost"] == 1 and device.summary["harmed"] == 0
    assert site.until_state(DEVICE, "succeeded")


def test_a_slow_link(site, product):
    publish(site, product, size=120_000)
    with boards(site, "2.0.4", "--drip", "60k", "--exit-after", 1) as device:
        enter(site, product, device)
        device.done()
    assert site.until_state(DEVICE, "succeeded")


def test_what_does_not_suit_the_board_is_never_fetched(site, product):
    publish(site, product)
    with boards(site, "2.0.4", "--chip", "esp32c3", "--exit-after", 0) as device:
        enter(site, product, device)
        device.done()
    assert not device.events("offer") and device.summary["harmed"] == 0


def test_a_quote_in_the_wifis_name_costs_the_update_but_not_the_device(site, product):
    publish(site, product)
    with boards(site, "2.0.4", "--ssid", 'My "home"', "--exit-after", 0) as device:
        enter(site, product, device)
        device.done()
    assert device.events("connected") and not device.events("offer")


@pytest.mark.parametrize("form", [[], ["--wrapped"]])
def test_a_licensed_device_binds_silently(site, product, form):
    site.admin.post("/api/v3/licences", {"serial": "SN-1", "key": LICENCE, "productId": product}).must(201)
    with boards(site, "2.0.4", "--serial", "SN-1", "--hmac-key", LICENCE, "--exit-after", 0, *form) as device:
        device.done()
    assert device.events("activated") and device.events("connected")


def test_the_python_client_keys_with_the_text(site, product):
    site.admin.post("/api/v3/licences", {"serial": "SN-1", "key": LICENCE, "productId": product, "encoding": "hex_text"}).must(201)
    boards(site, "py", "--board", BOARD, "--serial", "SN-1", "--hmac-key", LICENCE, "--exit-after", 0).done()


def test_an_erased_device_is_a_stranger_where_the_product_pins_it(site, product):
    site.admin.patch(f"/api/v3/products/{product}", {"identity": "pinned"}).must(200)
    with boards(site, "2.0.4", "--exit-after", 0) as device:
        enter(site, product, device)
        device.done()
    with boards(site, "2.0.4", "--exit-after", 0) as again:
        assert not again.done().events("code")
    with boards(site, "2.0.4", "--erased", 1, "--exit-after", 0) as erased:
        enter(site, product, erased)
        erased.done()


def test_a_push_that_waits_for_the_next_boot(site, product):
    """The order brings it back to an older image; the button is pressed."""
    old = site.firmware(product, name="old", data=app("1.9.0"))
    with boards(site, "2.0.4", "--exit-after", 1) as device:
        enter(site, product, device)
        device.event("connected")
        site.push(old, DEVICE)
        device.power_cycle()
        device.done()
    assert device.events("valid")[0]["version"] == "1.9.0"
    assert site.until_state(DEVICE, "succeeded")


# What reaches a device of that generation while it runs, in this order.
PUSHES = {
    "1.5.8": [],
    "1.6.2": ["reboot"],
    "1.7.7": ["reboot"],
    "1.8.x": ["reboot"],
    "2.0.4": ["self.upgrade_firmware"],
}


@pytest.mark.parametrize("version", PUSHES)
def test_a_push_reaches_a_device_that_runs_as_far_as_its_generation_goes(site, product, version):
    site.otad.write_config(public_url=site.otad.url)  # a call carries the whole address
    site.otad.restart()
    firmware = site.firmware(product, name="pushed", data=app("2.4.2"))
    with boards(site, version, "--exit-after", 1) as device:
        enter(site, product, device)
        device.event("connected")
        until(lambda: site.db.value("SELECT count(*) FROM device_facts") == 1, "what it told is written")
        site.push(firmware, DEVICE)
        if not PUSHES[version]:
            device.power_cycle()
        device.done()
    heard = [e["text"] for e in device.events("called")]
    assert heard == PUSHES[version], device.story()
    assert device.summary["harmed"] == 0 and device.events("valid")[0]["version"] == "2.4.2"
    assert site.until_state(DEVICE, "succeeded")


def test_a_fleet_of_all_generations_is_updated_and_none_is_hurt(site, product):
    site.admin.patch(f"/api/v3/products/{product}", {"unboundUpdates": True}).must(200)
    publish(site, product, size=60_000)
    fleet = boards(site, "0.9.8,1.0.1,1.2.1,1.5.8,1.6.2,1.7.7,1.8.x,2.0.4", "--count", 48, "--boot-over", "2s", mac=FLEET)
    with fleet:
        until(lambda: len(fleet.events("valid")) == 48, "48 devices are proven", 60)
        assert not fleet.events("harmed") and {e["version"] for e in fleet.events("valid")} == {"2.4.2"}
    assert fleet.summary["harmed"] == 0


def test_other_clients_are_served(site, product):
    publish(site, product)
    for kind, mac in (("py", MAC), ("web", FLEET)):
        with boards(site, kind, "--board", BOARD, mac=mac) as client:
            client.event("code")
            assert not client.events("harmed")


def test_who_checks_the_moment_it_is_bound_gets_its_offer(site, product):
    """It asks every few milliseconds, so the check comes before the service's memory knows of the binding; a real one would wait for its next boot."""
    publish(site, product)
    with boards(site, "2.0.4", "--exit-after", 1, speed=3000) as device:
        enter(site, product, device)
        device.event("connected", timeout=20)
    assert [e["text"] for e in device.events("checked")][-2:] == ["something newer", "nothing new"]
