"""Unknown devices that register themselves by a report: forged ids fill nothing, whoever sends how many of them at once."""

import re
import threading
import time

import pytest

from harness.fog import REPORTED, Fog
from harness.process import until

FULL = "this product registers no more devices by itself; an operator must raise its autoRegisterMax"
ADDRESS = "too many new devices from this address; try again in an hour"
REFUSED = "SELECT count(*) FROM audit WHERE action = 'device.register_refused'"

DETAIL = "SELECT detail FROM audit WHERE action = 'device.register_refused'"


def opened(site, **more):
    """A product that registers devices."""
    fog = Fog(site, site.product("opened"))
    change(fog, autoRegister=True, **more)
    return fog


def change(fog, **more):
    return fog.site.admin.patch(f"/api/v3/products/{fog.product}", more).must(200)


def count(site, outcome):
    text = site.client().get("/metrics").body.decode()
    return int(re.search(rf'^otad_registrations_total{{outcome="{outcome}"}} (\d+)$', text, re.M).group(1))


def come(fog, device, address=None, client=None):
    body = {"device_id": device, "wifi_version": "", "mcu_version": "1.0", "product_id": fog.key}
    head = {"X-Forwarded-For": address} if address else {}
    return (client or fog.site.client()).request("PUT", "/api/v1/ota/version/", body=body, headers=head)


def all_at_once(threads, work):
    """work(i) in each of them; what they answered."""
    answers = [None] * threads
    begin = threading.Barrier(threads)

    def run(i):
        begin.wait()
        answers[i] = work(i)

    crowd = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return [answer for some in answers for answer in some]


def outcomes(fog, answers):
    made = sum(answer.body.decode() == REPORTED for answer in answers)
    refused = [fog.read(answer) for answer in answers if answer.body.decode() != REPORTED]
    return made, set(refused)


@pytest.mark.config(register_per_address=5)
def test_a_flood_from_one_address(site):
    fog = opened(site)
    answers = all_at_once(4, lambda i: [come(fog, f"d-{i}-{n}") for n in range(20)])
    assert outcomes(fog, answers) == (5, {(10000, ADDRESS)})
    assert site.db.value("SELECT count(*) FROM devices") == 5
    assert (count(site, "made"), count(site, "address"), count(site, "full")) == (5, 75, 0)
    assert site.db.value(REFUSED) == 1
    assert site.db.value(DETAIL) == "5 devices of 127.0.0.1 have registered within an hour (register_per_address); more are refused"
    device = site.db.value("SELECT name FROM devices LIMIT 1")
    assert come(fog, device).body.decode() == REPORTED, "who is known reports as ever"


@pytest.mark.config(register_per_address=5, trusted_proxies="127.0.0.1")
def test_addresses_are_counted_apart(site):
    fog = opened(site)
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8:1:2::9"):
        assert outcomes(fog, [come(fog, f"{address[-1]}-{n}", address) for n in range(6)]) == (5, {(10000, ADDRESS)})
    assert fog.read(come(fog, "other", "2001:db8:1:2:3::1")) == (10000, ADDRESS), "of the same /64"
    assert come(fog, "other", "2001:db8:1:3::1").body.decode() == REPORTED


@pytest.mark.config(trusted_proxies="127.0.0.1")
def test_a_flood_from_many_addresses_fills_no_more_than_the_product_may_have(site):
    fog = opened(site, autoRegisterMax=20)
    other = site.service("other", {"trusted_proxies": "127.0.0.1"})
    other.start()
    urls = [site.otad.url, other.url]

    def flood(i):
        client = site.client()
        client.url = urls[i % 2]
        return [come(fog, f"d-{i}-{n}", f"10.1.{i}.{n}", client) for n in range(40)]

    answers = all_at_once(8, flood)
    assert outcomes(fog, answers) == (20, {(10000, FULL)})
    assert site.db.value("SELECT count(*) FROM devices WHERE registered") == 20 == site.db.value("SELECT count(*) FROM devices")
    assert count(site, "full") > 0
    assert site.db.value(REFUSED) == 2, "one of each replica"
    assert site.db.value(DETAIL) == "20 devices have registered themselves, which is its autoRegisterMax; more are refused"
    assert site.db.value("SELECT count(*) FROM audit WHERE action = 'device.register'") == 20


def test_an_operator_makes_room(site):
    fog = opened(site, autoRegisterMax=2)
    assert fog.site.admin.get(f"/api/v3/products/{fog.product}").json["autoRegisterMax"] == 2
    by_hand = fog.device()
    assert outcomes(fog, [come(fog, name) for name in "abc"]) == (2, {(10000, FULL)})

    def shown():
        return fog.site.admin.get(f"/api/v3/products/{fog.product}").json["registered"]

    def is_let_in(name):
        return come(fog, name).body.decode() == REPORTED

    assert shown() == 2
    assert site.admin.get("/api/v3/devices/a").json["registered"] and not site.admin.get(f"/api/v3/devices/{by_hand}").json["registered"]
    site.admin.delete(f"/api/v3/devices/{by_hand}").must(204)
    site.admin.delete("/api/v3/devices/a").must(204)
    assert shown() == 1
    until(lambda: is_let_in("c"), "one place is free")
    assert outcomes(fog, [come(fog, "d")]) == (0, {(10000, FULL)})
    change(fog, autoRegisterMax=3)
    until(lambda: is_let_in("d"), "one more")
    other = Fog(site, site.product("other"))
    site.admin.patch("/api/v3/devices/d", {"productId": other.product}).must(200)
    assert shown() == 2 and site.admin.get(f"/api/v3/products/{other.product}").json["registered"] == 1
    assert site.db.value(REFUSED) == 1


def test_the_same_device_at_once_is_one(site):
    fog = opened(site, autoRegisterMax=3)
    answers = all_at_once(6, lambda i: [come(fog, "C8:93:46:40:4A:B2" if i % 2 else "c8-93-46-40-4a-b2")])
    assert outcomes(fog, answers) == (6, set())
    assert site.db.rows("SELECT name, mac FROM devices") == [("c8_93_46_40_4a_b2", "C89346404AB2")]
    assert site.db.value("SELECT registered FROM products WHERE id = %s", fog.product) == 1 == count(site, "made")


@pytest.mark.config(register_per_address=1, trusted_proxies="127.0.0.1", workers=1)
def test_who_was_refused_a_moment_ago_is_refused_from_memory(site):
    fog = opened(site)

    def is_quick(n):
        """Is one of a /64 that was refused answered while the only worker waits for the database?"""
        outcomes(fog, [come(fog, f"a-{n}-{i}", f"2001:db8:1:{n}::{i}") for i in (1, 2)])
        began = time.monotonic()
        with site.cluster.connect(site.db.name) as link, link.cursor() as sql:
            link.autocommit = False
            sql.execute("SELECT FROM products FOR UPDATE")
            busy = threading.Thread(target=come, args=(fog, f"b-{n}", f"192.0.2.{n}"))
            busy.start()
            until(lambda: site.db.value("SELECT count(*) FROM pg_locks WHERE NOT granted"), "the worker waits")
            free = threading.Timer(1.5, link.rollback)
            free.start()
            assert fog.read(come(fog, f"a-{n}-3", f"2001:db8:1:{n}::3")) == (10000, ADDRESS)
            took = time.monotonic() - began
            free.join()
            busy.join()
        return took < 1

    assert any(is_quick(n) for n in range(1, 4))


@pytest.mark.config(register_per_address=30)
def test_who_takes_another_s_client_id_for_a_name_holds_up_nobody(site):
    fog = opened(site)
    other = site.product("other")
    site.admin.post("/api/v3/devices", {"name": "n1", "clientId": "taken", "productId": other}).must(201)
    began = time.monotonic()
    answers = all_at_once(20, lambda i: [come(fog, "taken")])
    site.viewer.get("/api/v3/devices/n1").must(200)
    assert time.monotonic() - began < 3, "no worker waits for a device that will never be there"
    assert outcomes(fog, answers) == (0, {(10000, "this device_id is the clientId of another device")})
    assert fog.read([come(fog, "taken") for _ in range(12)][-1]) == (10000, ADDRESS), "these count, too"
    assert site.db.value("SELECT count(*) FROM devices") == 1 and site.db.value("SELECT sum(registered) FROM products") == 0


def test_a_limit_out_of_bounds_is_refused(site):
    product = site.product()
    assert site.admin.get(f"/api/v3/products/{product}").json["autoRegisterMax"] == 10000
    for limit in (0, -1, 10_000_001, "many", 1.5):
        site.admin.patch(f"/api/v3/products/{product}", {"autoRegisterMax": limit}).must(400)
    site.admin.patch(f"/api/v3/products/{product}", {"autoRegisterMax": 10_000_000}).must(200)
    site.admin.patch(f"/api/v3/products/{product}", {"registered": 0}).must(400)
