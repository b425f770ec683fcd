"""Who may connect: every way in which a login can be wrong, at the real broker."""

import base64
import concurrent.futures
import json
import time

import pytest
from harness import credentials
from harness.plugin_broker import ACCEPTED, KEY, REFUSED, SECRET, connect_packet, crowd, raw  # noqa: F401
from harness.process import until

MAC = "aa_bb_cc_dd_ee_ff"
XIAOZHI = f"GID_test@@@{MAC}@@@uuid-1"


def login(broker, client_id, username, password):
    """The CONNACK, or b"" when the broker just closed the connection."""
    sock, answer = raw(broker.port, connect_packet(client_id, username, password))
    sock.close()
    return answer


def alive(broker):
    peer = broker.device("canary")
    assert peer.accepted
    peer.close()
    return True


def test_both_forms_of_credentials_are_let_in(crowd):
    for peer in (crowd.device("plain-1"), crowd.device("plain-2", client_id="chosen by the operator"), crowd.xiaozhi(XIAOZHI)):
        assert peer.accepted
        peer.close()


def test_mqtt_5_is_let_in_and_refused_as_well(crowd):
    good = crowd.device("five-1", v5=True)
    assert good.accepted
    good.close()
    assert crowd.device("five-1", v5=True, key=("k1", "another secret of no use")).rc == 135


def test_a_later_epoch_is_as_good_as_the_first(crowd):
    peer = crowd.device("epoch-1", epoch=7)
    assert peer.accepted
    peer.close()


def plain_attacks():
    username, password = credentials.plain(KEY, "lamp-1", "lamp-1", 2)
    epoch, key_id, signature = password.split(".")
    other = "A" if signature[5] != "A" else "B"
    huge = "A" * 65535
    return {
        "nobody": ("lamp-1", None, None),
        "no password": ("lamp-1", username, None),
        "empty password": ("lamp-1", username, ""),
        "empty username": ("lamp-1", "", password),
        "another's client id": ("lamp-2", username, password),
        "another's name": ("lamp-1", "lamp-2", password),
        "altered signature": ("lamp-1", username, f"{epoch}.{key_id}.{signature[:5]}{other}{signature[6:]}"),
        "short signature": ("lamp-1", username, password[:-1]),
        "long signature": ("lamp-1", username, password + "A"),
        "altered epoch": ("lamp-1", username, f"3.{key_id}.{signature}"),
        "epoch with a zero": ("lamp-1", username, f"02.{key_id}.{signature}"),
        "epoch 0": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", 0)),
        "negative epoch": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", -1)),
        "epoch beyond all": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", 2**31)),
        "another key id": ("lamp-1", username, f"{epoch}.k2.{signature}"),
        "another key": ("lamp-1", *credentials.plain(("k1", "not the secret at all"), "lamp-1", "lamp-1")),
        "a key that is not there": ("lamp-1", *credentials.plain(("k9", "not the secret at all"), "lamp-1", "lamp-1")),
        "a name that is none": ("lamp-1", *credentials.plain(KEY, "lamp-1", "la/mp+1")),
        "a wildcard as name": ("#", *credentials.plain(KEY, "#", "#")),
        "a bar in the client id": ("a|b", *credentials.plain(KEY, "a|b", "lamp-1")),
        "64 KB username": ("lamp-1", huge, password),
        "64 KB password": ("lamp-1", username, huge),
        "64 KB client id": (huge, username, password),
        "32 KB of all three": (huge[:32000], huge[:32000], huge[:32000]),
        "64 KB name, rightly signed": ("lamp-1", *credentials.plain(KEY, "lamp-1", "n" * 65535)),
        "binary password": ("lamp-1", username, bytes(range(256)) * 200),
        "dots": ("lamp-1", username, "." * 65535),
        "a service id": ("otad", *credentials.plain(KEY, "otad", "lamp-1")),
        "a service id with a tail": ("otad:1", *credentials.plain(KEY, "otad:1", "lamp-1")),
        "a service id and the service's name": ("otad", *credentials.plain(KEY, "otad", "otad")),
        "a service id and a wrong password": ("otad", "otad", SECRET[:-1]),
        "a service id and a longer password": ("otad", "otad", SECRET + "x"),
        "a service id, no name": ("otad", "", SECRET),
        "a service id, another name": ("otad", "lamp-1", SECRET),
        "a service id with a wildcard": ("otad:+/#", "otad", SECRET),
        "the service's password, another id": ("lamp-1", "otad", SECRET),
    }


def xiaozhi_attacks():
    username, password = credentials.xiaozhi(KEY, XIAOZHI)

    def signed(client_id, name):
        return client_id, name, base64.b64encode(credentials.sign(KEY[1], f"{client_id}|{name}")).decode()

    def wrapped(value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return signed(XIAOZHI, base64.b64encode(data).decode())

    deep = "[" * 80 + "]" * 80
    two = f"GID_test@@@{MAC}"
    return {
        "a 2-part id": signed(two, username),
        "a 2-part id and a device's name": (two, *credentials.plain(KEY, two, "lamp-1")),
        "a 4-part id": signed(XIAOZHI + "@@@x", username),
        "no mac in the middle": signed("GID_test@@@lamp-1@@@uuid-1", username),
        "a mac in capitals": signed("GID_test@@@AA_BB_CC_DD_EE_FF@@@uuid-1", username),
        "another's mac": (XIAOZHI.replace("aa_bb", "aa_bc"), username, password),
        "another's uuid": (XIAOZHI + "2", username, password),
        "altered password": (XIAOZHI, username, ("A" if password[0] != "A" else "B") + password[1:]),
        "another key": (XIAOZHI, *credentials.xiaozhi(("k1", "not the secret at all"), XIAOZHI)),
        "another key id": signed(XIAOZHI, credentials.xiaozhi(("k7", KEY[1]), XIAOZHI)[0]),
        "not base64": signed(XIAOZHI, "{not base64!}"),
        "base64 with a tail": signed(XIAOZHI, username + "===="),
        "base64 of bytes": wrapped(bytes(range(128, 200))),
        "no object": wrapped([1]),
        "deep JSON": wrapped(b'{"ip":"","epoch":1,"key":"k1","x":' + deep.encode() + b"}"),
        "very deep JSON": wrapped(b'{"x":' + b"[" * 20000 + b"]" * 20000 + b"}"),
        "unfinished JSON": wrapped(b'{"ip":"1.2.3.4","epoch":'),
        "epoch as text": wrapped({"ip": "", "epoch": "x", "key": "k1"}),
        "epoch 0": wrapped({"ip": "", "epoch": 0, "key": "k1"}),
        "epoch twice": wrapped(b'{"epoch":1,"epoch":2,"key":"k1"}'),
        "a long key id": wrapped({"ip": "", "epoch": 1, "key": "k" * 100}),
        "a public gateway's name, which has no epoch": wrapped({"ip": "1.2.3.4"}),
        "64 KB username": (XIAOZHI, "A" * 65532, password),
        "64 KB username, rightly signed": signed(XIAOZHI, "A" * 65532),
    }


@pytest.mark.parametrize("attack", [*plain_attacks()])
def test_a_bad_login_of_the_plain_form_is_refused(crowd, attack):
    assert login(crowd, *plain_attacks()[attack]) == REFUSED
    assert alive(crowd)


@pytest.mark.parametrize("attack", [*xiaozhi_attacks()])
def test_a_bad_login_of_the_xiaozhi_form_is_refused(crowd, attack):
    assert login(crowd, *xiaozhi_attacks()[attack]) == REFUSED
    assert alive(crowd)


def test_what_is_larger_than_a_packet_may_be_is_not_read(crowd):
    assert login(crowd, "A" * 65535, "A" * 65535, "A" * 65535) == b""
    assert alive(crowd)


@pytest.mark.parametrize("username", [b"\xff\xfe", b"lamp\x001", b"\xed\xa0\x80"])
def test_a_username_that_is_not_text_never_gets_in(crowd, username):
    assert login(crowd, b"lamp-1", username, b"x") != ACCEPTED
    assert alive(crowd)


def test_an_empty_client_id_is_not_a_way_in(crowd):
    username, password = credentials.plain(KEY, "", "lamp-1")
    assert login(crowd, "", username, password) == REFUSED


def test_mqtt_5_extended_authentication_is_no_way_around(crowd):
    method = b"\x15" + len(b"SCRAM").to_bytes(2, "big") + b"SCRAM"
    username, password = credentials.plain(KEY, "lamp-1", "lamp-1")
    body = b"\x00\x04MQTT\x05\xc2\x00\x3c" + bytes([len(method)]) + method
    for part in ("lamp-1", username, password):
        body += len(part).to_bytes(2, "big") + part.encode()
    sock, answer = raw(crowd.port, b"\x10" + bytes([len(body) % 128 | 128, len(body) // 128]) + body)
    sock.close()
    assert answer[:1] == b"\x20" and answer[3] >= 0x80
    assert alive(crowd)


def test_the_service_is_known_by_its_password(crowd):
    for client_id in ("otad", "otad:replica-2"):
        service = crowd.service(client_id)
        assert service.ask("status")["ok"]
        service.close()


def test_a_refused_login_never_takes_over(crowd):
    device = crowd.device("steady")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: login(crowd, "steady", "steady", f"1.k1.{i:043d}"), range(100)))
    assert set(answers) == {REFUSED}
    assert not device.gone.is_set()
    device.close()


def test_refused_logins_are_logged_once_a_second_and_without_secrets(crowd):
    client_id = 'evil"\u00e9' + "x" * 100
    username, password = credentials.plain(("k1", "not the secret at all"), client_id, "chatty")
    begin = time.monotonic()
    before = crowd.process.text().count("otad: login of")
    for _ in range(100):
        assert login(crowd, client_id, username, password) == REFUSED
    time.sleep(1.1)
    assert login(crowd, client_id, username, password) == REFUSED
    seconds = time.monotonic() - begin
    log = until(lambda: "xxx..." in crowd.process.text() and crowd.process.text(), "the refusal is logged")
    assert log.count("otad: login of") - before <= seconds + 2
    assert password not in log and "chatty" not in log
    assert f'otad: login of "evil\\x22\\xc3\\xa9{"x" * 41}..." refused: wrong' in log
    assert log.count("\n", log.index("xxx...")) < 50, "the broker itself has no lines for strangers"
