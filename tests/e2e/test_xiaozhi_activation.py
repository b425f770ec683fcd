"""Activation of Xiaozhi devices, with attackers around: every form of proof, what each policy believes, and limits that never shut the owner out."""

import concurrent.futures
import json
import re
import uuid

import pytest

from harness.image import app
from harness.process import until
from harness.xiaozhi import Device

BOARD = "bread-compact-ml307"
CODES = "/api/v2/xiaozhi/otaManage"
KEY = "0123456789abcdef" * 4
HOME, ELSEWHERE, CAFE = "192.0.2.1", "198.51.100.7", "203.0.113.9"
pytestmark = pytest.mark.config(trusted_proxies="127.0.0.1")


@pytest.fixture
def product(site):
    return site.product(BOARD)


def policy(site, product, identity):
    site.admin.patch(f"/api/v3/products/{product}", {"identity": identity}).must(200)


def licence(site, serial="SN-1", key=KEY, encoding="raw", product=None):
    body = {"serial": serial, "key": key, "encoding": encoding, **({"productId": product} if product else {})}
    site.admin.post("/api/v3/licences", body).must(201)
    return bytes.fromhex(key) if encoding == "raw" else key.encode()


def licensed(site, serial="SN-1", at=HOME, **more):
    device = Device(site, **more)
    device.headers |= {"Activation-Version": "2", "Serial-Number": serial, "X-Forwarded-For": at}
    return device


def confirm(site, code, product, client=None):
    return (client or site.operator).post(CODES, {"code": code, "productId": product})


def bound(site):
    return site.db.value("SELECT count(*) FROM devices WHERE bound_at IS NOT NULL")


# --- forms ---


@pytest.mark.thread_leg
@pytest.mark.parametrize("wrap", [False, True], ids=["flat", "in a Payload"])
@pytest.mark.parametrize("encoding", ["raw", "hex_text"])
def test_a_licensed_device_proves_itself_in_silence(site, product, encoding, wrap):
    policy(site, product, "licence")
    device = licensed(site)
    key = licence(site, encoding=encoding, product=product)
    shown = device.check()["activation"]
    assert set(shown) == {"challenge"}, "nobody has to enter anything"
    done = device.prove(shown["challenge"], "SN-1", key, wrap=wrap).must(200).json
    answer = device.check()
    assert "activation" not in answer and answer["mqtt"]["client_id"].split("@@@")[1] == device.name
    assert done == {"message": "Device activated", "device_id": site.db.value("SELECT id FROM devices WHERE bound_at IS NOT NULL")}


def test_the_licences_of_an_imported_file_serve(site, product):
    rows = f"serial,key,encoding\nSN-RAW,{KEY},raw\nSN-HEX,{KEY},hex_text\n"
    site.admin.request("POST", "/api/v3/licences/import", body=rows.encode(), headers={"Content-Type": "text/csv"}, query={"productId": product}).must(200)
    for serial, key in (("SN-RAW", bytes.fromhex(KEY)), ("SN-HEX", KEY.encode())):
        device = licensed(site, serial)
        device.prove(device.check()["activation"]["challenge"], serial, key).must(200)
    assert bound(site) == 2


def test_a_device_without_a_proof_waits_for_its_code_whatever_empty_body_it_posts(site, product):
    device = Device(site)
    code = device.check()["activation"]["code"]
    no_hmac = {"algorithm": "hmac-sha256", "serial_number": "", "challenge": str(uuid.uuid4()), "hmac": ""}
    for body in ({}, b"", {"Payload": {}}, no_hmac, {"Payload": no_hmac}, {"Payload": None}, {"hmac": None}):
        assert device.activate(body).must(202).json["message"], body
    assert confirm(site, code, product).code == 200
    for body in ({}, b"", {"Payload": {}}, no_hmac):
        assert device.activate(body).must(200).json["message"] == "Device activated", body


@pytest.mark.parametrize("body", [
    b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"hmac":1}', b'{"Payload":[]}', b'{"Payload":"x"}', b'{"Payload":{},"Payload":{}}', b'{"hmac":"zz"}',
    {"hmac": "0" * 64}, {"hmac": "0" * 63, "serial_number": "s", "challenge": "c"}, {"algorithm": "none", "serial_number": "s", "challenge": "c", "hmac": "0" * 64},
    {"serial_number": "s" * 500, "challenge": "c", "hmac": "0" * 64}, b'{"a":' * 200,
], ids=lambda body: str(body)[:40])
def test_what_is_no_proof_is_400_and_costs_the_device_nothing(shared, body):
    device = Device(shared)
    device.check()
    for _ in range(12):
        assert device.activate(body).status == 400
    assert device.activate().status == 202


def test_a_device_that_never_checked_is_told_to_check_first(site):
    assert "error" in Device(site).activate().must(404).json


# --- codes ---


@pytest.mark.config(activation_ttl="1s")
def test_unknown_expired_and_used_codes_are_told_apart(site, product):
    device, other = Device(site), Device(site)
    late = other.check()["activation"]["code"]
    code = device.check()["activation"]["code"]
    assert confirm(site, code, product).code == 200
    used = confirm(site, code, product)
    unknown = confirm(site, next(c for c in ("000000", "000001", "000002") if c not in (code, late)), product)

    def expired():
        answer = confirm(site, late, product) if site.db.value("SELECT bool_and(touched_at < now() - interval '1.1 s') FROM activations") else None
        return answer

    expired = until(expired, "the code has expired")
    said = [answer.json["errorMsg"] for answer in (used, unknown, expired)]
    assert [answer.code for answer in (used, unknown, expired)] == [1001] * 3
    assert "bound already" in said[0] and "unknown" in said[1] and "expired" in said[2], said
    fresh = other.check()["activation"]["code"]
    assert fresh != late and confirm(site, fresh, product).code == 200


def test_of_a_thousand_racing_confirmations_one_wins(site, product):
    device = Device(site)
    code = device.check()["activation"]["code"]
    clients = [site.operator, site.admin]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: confirm(site, code, product, clients[n % 2]), range(1000)))
    won = [answer for answer in answers if answer.code == 200]
    assert len(won) == 1
    assert all("bound already" in answer.json["errorMsg"] for answer in answers if answer is not won[0])
    assert bound(site) == 1 and site.db.value("SELECT count(*) FROM audit WHERE action = 'device.activate'") == 1
    assert "activation" not in device.check()


def test_who_guesses_codes_must_wait_and_others_need_not(site, product):
    code = Device(site).check()["activation"]["code"]
    wrong = [f"{n:06}" for n in range(40) if f"{n:06}" != code]
    said = [confirm(site, guess, product).json["errorMsg"] for guess in wrong]
    assert "unknown" in said[29] and "too many" in said[30]
    assert "too many" in confirm(site, code, product).json["errorMsg"], "the guesser, too, when it is right"
    assert confirm(site, code, product, site.admin).code == 200


# --- proofs that do not hold ---


def test_a_wrong_hmac_binds_nothing_and_says_not_which_serials_exist(site, product):
    device = licensed(site)
    key = licence(site, product=product)
    challenge = device.check()["activation"]["challenge"]
    wrong = device.prove(challenge, "SN-1", b"\0" * 32).must(403)
    unknown = device.prove(challenge, "SN-2", key).must(403)
    assert wrong.json == unknown.json
    assert bound(site) == 0 and "activation" in device.check()
    device.prove(challenge, "SN-1", key).must(200)


def test_a_device_whose_licence_was_imported_wrongly_shows_a_code_after_its_first_try(site, product):
    device = licensed(site)
    licence(site, encoding="hex_text", product=product)
    shown = device.check()["activation"]
    assert set(shown) == {"challenge"}
    assert device.prove(shown["challenge"], "SN-1", bytes.fromhex(KEY)).status == 403
    assert confirm(site, device.check()["activation"]["code"], product).code == 200
    assert "activation" not in device.check()


def test_a_challenge_serves_once_and_only_its_device(site, product):
    first, second = licensed(site, "SN-1"), licensed(site, "SN-2", at=ELSEWHERE)
    key = licence(site, "SN-1", product=product)
    other = licence(site, "SN-2", "fe" * 32, product=product)
    mine, yours = first.check()["activation"]["challenge"], second.check()["activation"]["challenge"]
    assert first.prove(yours, "SN-1", key).status == 403
    assert first.prove(str(uuid.uuid4()), "SN-1", key).status == 403
    first.prove(mine, "SN-1", key).must(200)
    assert first.prove(mine, "SN-1", key).status == 403, "a replay"
    assert second.prove(mine, "SN-2", other).status == 403
    stranger = licensed(site, "SN-1", mac=first.mac)
    assert stranger.prove(mine, "SN-1", key).status == 403, "the same MAC, another Client-Id"
    second.prove(yours, "SN-2", other).must(200)


def test_any_of_the_latest_challenges_serves(site, product):
    device = licensed(site)
    key = licence(site, product=product)
    given = [device.check()["activation"]["challenge"] for _ in range(6)]
    assert len(set(given)) == 6
    assert device.prove(given[0], "SN-1", key).status == 403, "four are kept"
    device.prove(given[2], "SN-1", key).must(200)


def test_racing_proofs_of_one_challenge_have_one_winner(site, product):
    device = licensed(site)
    key = licence(site, product=product)
    challenge = device.check()["activation"]["challenge"]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: device.prove(challenge, "SN-1", key).status, range(40)))
    assert statuses.count(200) == 1 and set(statuses) <= {200, 403, 429}
    assert bound(site) == 1


def test_failed_proofs_for_a_MAC_are_limited_and_its_real_device_gets_through(site, product):
    device = licensed(site)
    key = licence(site, product=product)
    challenge = device.check()["activation"]["challenge"]
    thief = licensed(site, mac=device.mac, at=ELSEWHERE)
    assert [thief.prove(challenge, "SN-1", b"guess").status for _ in range(12)] == [403] * 10 + [429] * 2
    lodger = licensed(site, mac=device.mac, at=HOME)  # behind the same router
    assert lodger.prove(challenge, "SN-1", b"guess").status == 429
    device.prove(challenge, "SN-1", key).must(200)


def test_failed_proofs_of_an_address_are_limited_and_real_devices_get_through(site, product):
    device = licensed(site, at=CAFE)
    key = licence(site, product=product)
    challenge = device.check()["activation"]["challenge"]
    statuses = []
    for n in range(110):
        statuses.append(licensed(site, mac=f"02:00:00:00:01:{n:02x}", at=CAFE).prove(challenge, "SN-1", b"guess").status)
    assert statuses == [403] * 100 + [429] * 10
    assert licensed(site, mac="02:00:00:00:02:01", at=HOME).prove(challenge, "SN-1", b"guess").status == 403, "elsewhere it is another matter"
    device.prove(challenge, "SN-1", key).must(200)


# --- who is believed ---


def voice(site, product):
    """All that a product can give away."""
    path = f"/api/v3/products/{product}"
    site.admin.put(f"{path}/gateway", {"endpoint": "mqtt.example.com", "signatureKey": "the signature key"}).must(201)
    site.admin.put(f"{path}/voice", {"mqtt": "gateway", "websocket": {"url": "wss://v.example.com/", "token": "the token", "version": 3}}).must(201)


def publish(site, product, version="2.4.2"):
    firmware = site.firmware(product, name=f"fw {version}", data=app(version))
    site.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": firmware.id, "productId": product, "versionName": version}).data
    return firmware


def activated(site, product, identity):
    """A device of a product with that policy, activated as the policy asks."""
    if identity != "licence":
        return Device(site).bind(product)
    device = licensed(site)
    device.prove(device.check()["activation"]["challenge"], "SN-1", licence(site, product=product)).must(200)
    return device


@pytest.mark.parametrize("identity", ["pinned", "licence"])
def test_who_borrows_a_MAC_gets_nothing_and_says_nothing(site, product, identity):
    policy(site, product, identity)
    device = activated(site, product, identity)
    firmware = publish(site, product)
    voice(site, product)
    offered = until(lambda: device.check()["firmware"], "it is offered")
    assert offered["url"]
    facts, task = site.db.rows("SELECT version, client_uuid FROM devices"), site.task(device)
    for thief in (Device(site, mac=device.mac), Device(site, mac=device.mac, version="9.9.9")):
        thief.elf = app("2.4.2")[0xB0:0xD0].hex()
        for client_id in (thief.uuid, None, "", "@@@", "x"):
            answer = thief.post(Client_Id=client_id, body={**thief.body(), "uuid": client_id or ""}).must(200).json
            assert "activation" in answer and answer["firmware"] == {"version": thief.version, "url": ""}
            assert not {"mqtt", "websocket"} & set(answer), "credentials for this MAC are its device's"
    assert site.db.rows("SELECT version, client_uuid FROM devices") == facts and site.task(device) == task
    assert "mqtt" in device.check() and device.check()["firmware"]["url"]
    assert device.fetch(offered)[1] == firmware.data
    assert site.db.value("SELECT count(*) FROM audit WHERE action = 'device.stranger'") > 0


@pytest.mark.parametrize("identity", ["mac", "pinned", "licence"])
def test_the_other_dialects_poll_is_no_way_around_the_policy(site, product, identity):
    policy(site, product, identity)
    device = activated(site, product, identity)
    publish(site, product)
    answers = [site.anybody.get("/api/v2/otaPassiveEnable", deviceName=device.name, version=version) for version in ("9.9.9", None)]
    if identity == "mac":
        assert all(answer.status == 200 for answer in answers)
        return
    assert all((answer.status, answer.code) == (403, 3001) for answer in answers)
    assert site.tasks(device) == [] and site.db.value("SELECT count(*) FROM devices WHERE version = '9.9.9'") == 0
    assert device.check()["firmware"]["url"]


def test_where_the_MAC_is_trusted_it_suffices(site, product):
    device = Device(site).bind(product)
    again = Device(site, mac=device.mac)
    assert "activation" not in again.check() and "mqtt" in again.check()


def test_a_product_that_asks_for_licences_gives_strangers_no_credentials_of_its_gateway(site, product):
    policy(site, product, "licence")
    voice(site, product)
    answer = Device(site).check()
    assert "activation" in answer and not {"mqtt", "websocket"} & set(answer)


def test_a_code_does_not_do_where_a_licence_is_asked_for(site, product):
    policy(site, product, "licence")
    code = Device(site).check()["activation"]["code"]
    assert confirm(site, code, product).code == 3002
    assert bound(site) == 0


def test_a_licensed_device_with_erased_flash_proves_itself_again(site, product):
    policy(site, product, "pinned")
    device = licensed(site)
    key = licence(site, product=product)
    device.prove(device.check()["activation"]["challenge"], "SN-1", key).must(200)
    before = device.check()["mqtt"]
    device.uuid = str(uuid.uuid4())
    shown = device.check()["activation"]
    assert set(shown) == {"challenge"}
    device.prove(shown["challenge"], "SN-1", key).must(200)
    after = device.check()
    assert "activation" not in after and after["mqtt"]["password"] != before["password"]
    assert bound(site) == 1


def test_a_licence_of_ones_own_does_not_take_over_anothers_device(site, product):
    policy(site, product, "pinned")
    device = Device(site).bind(product)
    key = licence(site, "SN-SPARE", product=product)
    thief = licensed(site, "SN-SPARE", mac=device.mac)
    shown = thief.check()["activation"]
    assert thief.prove(shown["challenge"], "SN-SPARE", key).status == 409
    assert "mqtt" in device.check() and "mqtt" not in thief.check()
    assert re.fullmatch(r"\d{6}", shown.get("code", "")), "the owner may still enter its code"


@pytest.mark.parametrize("odd", ["2.1.1", "2", "1", "3", "", "x" * 3000, None])
def test_any_activation_version_is_served(shared, odd):
    device = Device(shared)
    shown = device.check(Activation_Version=odd, Serial_Number="SN-NOBODY")["activation"]
    assert re.fullmatch(r"\d{6}", shown["code"]) and shown["challenge"] and json.dumps(shown)


def test_two_services_share_what_waits_and_what_is_bound(site, product):
    other = site.service("other", {"trusted_proxies": "127.0.0.1"})
    other.start()
    device = Device(site)
    code = device.check()["activation"]["code"]
    here, site.otad = site.otad, other
    assert device.check()["activation"]["code"] == code
    site.otad = here
    assert confirm(site, code, product).code == 200
    site.otad = other
    assert device.activate().must(200)
    until(lambda: "activation" not in device.check(), "the other service knows", timeout=5)
    assert "mqtt" in device.check()
    site.otad = here
    row = site.viewer.get(CODES).data[0]
    assert site.operator.delete(CODES, id=row["id"]).data is None
    site.otad = other
    until(lambda: "activation" in device.check(), "and that it is unbound", timeout=5)
    assert "mqtt" not in device.check()
