"""The questions of other brokers, asked over HTTP in the shapes of EMQX and RabbitMQ: who may log in, who may do what, who may ask."""

import json
from urllib.parse import urlencode

import pytest

from harness import credentials, keys
from harness.process import until

SECRET = "the-brokers.own_secret~0123456789"
KEY = (keys.KEY_ID, keys.KEY)
MAC = "aa_bb_cc_dd_ee_ff"
XIAOZHI = f"GID_test@@@{MAC}@@@uuid-1"
FORM = "application/x-www-form-urlencoded"

pytestmark = pytest.mark.config(broker_hook_secret=SECRET)


class Asker:
    """Both brokers' words for the same two questions. True: allowed."""

    def __init__(self, site):
        self.web = site.client(None)

    def emqx(self, what, body, headers=None):
        return self.web.post(f"/broker/emqx/{what}", body, headers={"Authorization": f"Bearer {SECRET}", **(headers or {})})

    def rabbit(self, what, **fields):
        fields = {"vhost": "/", **fields}
        return self.web.post(f"/broker/{SECRET}/rabbitmq/{what}", urlencode(fields).encode(), headers={"Content-Type": FORM})

    def emqx_says(self, answer):
        assert answer.status == 200 and answer.header("Content-Type") == "application/json", answer
        assert answer.json["result"] in ("allow", "deny") and not answer.json.get("is_superuser"), answer
        return answer.json["result"] == "allow"

    def rabbit_says(self, answer):
        assert answer.status == 200 and answer.body in (b"allow", b"deny"), answer
        return answer.body == b"allow"

    def login(self, client_id, username, password):
        """Asked in every way; all answers must be the same."""
        answers = {self.emqx_says(self.emqx("login", {"clientid": client_id, "username": username, "password": password}))}
        fields = {"username": username, "password": password, "client_id": client_id}
        answers.add(self.rabbit_says(self.rabbit("user", **fields)))
        if len(urlencode(fields)) < 3000:
            answers.add(self.rabbit_says(self.web.get(f"/broker/{SECRET}/rabbitmq/user", vhost="/", **fields)))
        assert len(answers) == 1, answers
        return answers.pop()

    def publish(self, client_id, username, topic, **more):
        body = {"clientid": client_id, "username": username, "topic": topic, "action": "publish", "qos": 1, "retain": False, **more}
        return self.emqx_says(self.emqx("access", body))

    def subscribe(self, client_id, username, topic):
        body = {"clientid": client_id, "username": username, "topic": topic, "action": "subscribe", "qos": "1", "retain": "undefined"}
        return self.emqx_says(self.emqx("access", body))

    def topic(self, client_id, username, permission, key, **more):
        fields = {"resource": "topic", "name": "amq.topic", "tags": "", **more}
        return self.rabbit_says(self.rabbit("topic", username=username, permission=permission, routing_key=key,
                                            **{"variable_map.client_id": client_id, "variable_map.username": username}, **fields))

    def resource(self, client_id, username, kind, name, permission):
        return self.rabbit_says(self.rabbit("resource", username=username, client_id=client_id, resource=kind, name=name, permission=permission))


@pytest.fixture(scope="module")
def asker(shared):
    product = shared.product("hooks")
    for name in ("lamp-1", "lamp-2", "lamp-11", MAC):
        shared.device(name, product, arrive=False)
    return Asker(shared)


def until_true(question, what):
    return until(question, what, 5, 0.05)


# ---- logins


def test_devices_of_both_forms_and_the_service_may_log_in(asker):
    assert asker.login("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1"))
    assert asker.login("chosen by the operator", *credentials.plain(KEY, "chosen by the operator", "lamp-1"))
    assert asker.login(XIAOZHI, *credentials.xiaozhi(KEY, XIAOZHI))
    assert asker.login("otad", keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD)
    assert asker.login("otad:second", keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD)


def attacks():
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    epoch, key_id, signature = word.split(".")
    flipped = "A" if signature[5] != "A" else "B"
    x_user, x_word = credentials.xiaozhi(KEY, XIAOZHI)
    two_parts = f"GID_test@@@{MAC}"
    return {
        "no password": ("lamp-1", user, ""),
        "no username": ("lamp-1", "", word),
        "no client id": ("", user, word),
        "another's client id": ("lamp-2", user, word),
        "another's name": ("lamp-1", "lamp-2", word),
        "one character of the signature": ("lamp-1", user, f"{epoch}.{key_id}.{signature[:5]}{flipped}{signature[6:]}"),
        "signature cut": ("lamp-1", user, word[:-1]),
        "signature longer": ("lamp-1", user, word + "A"),
        "epoch altered": ("lamp-1", user, f"2.{key_id}.{signature}"),
        "epoch 0": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", 0)),
        "an epoch that is not yet": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", 2)),
        "key id altered": ("lamp-1", user, f"{epoch}.k2.{signature}"),
        "another key": ("lamp-1", *credentials.plain(("k1", "not-the-key-of-the-tests"), "lamp-1", "lamp-1")),
        "a device nobody knows": ("ghost", *credentials.plain(KEY, "ghost", "ghost")),
        "two parts": (two_parts, *credentials.xiaozhi(KEY, two_parts)),
        "two parts, plain": (two_parts, *credentials.plain(KEY, two_parts, MAC)),
        "four parts": (XIAOZHI + "@@@x", *credentials.xiaozhi(KEY, XIAOZHI + "@@@x")),
        "xiaozhi, password altered": (XIAOZHI, x_user, "B" + x_word[1:] if x_word[0] != "B" else "C" + x_word[1:]),
        "xiaozhi, username of another": (XIAOZHI, credentials.xiaozhi(KEY, XIAOZHI, ip="192.0.2.8")[0], x_word),
        "xiaozhi, no base64": (XIAOZHI, "{}", x_word),
        "xiaozhi, an epoch that is not yet": (XIAOZHI, *credentials.xiaozhi(KEY, XIAOZHI, epoch=2)),
        "service id with a device's password": ("otad", *credentials.plain(KEY, "otad", "lamp-1")),
        "service id, wrong password": ("otad", "otad", "the-service's-own-passwore"),
        "service id, no password": ("otad", "otad", ""),
        "service password under a device's id": ("lamp-1", keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD),
        "client id like the service's": ("otadx", keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD),
        "a separator in the client id": ("lamp|1", *credentials.plain(KEY, "lamp|1", "lamp-1")),
        "long": ("a" * 3000, "b" * 3000, "c" * 3000),
        "control characters": ("lamp-1\n", user, word),
        "not ASCII": ("lämp", "lämp", word),
    }


@pytest.mark.parametrize("name", attacks())
def test_a_wrong_login_is_refused(asker, name):
    assert not asker.login(*attacks()[name])


def test_a_rotated_password_dies_and_the_new_one_lives(asker, shared):
    device = shared.device("rotated", shared.product("rotated"), arrive=False)
    old = credentials.plain(KEY, "rotated", "rotated")
    assert asker.login("rotated", *old)
    fresh = shared.admin.post(f"/api/v3/devices/{device.name}/credentials/rotate").must(200).json
    until_true(lambda: not asker.login("rotated", *old), "the old password is refused")
    assert asker.login("rotated", fresh["username"], fresh["password"])


def test_a_blocked_device_is_refused_and_may_do_nothing(asker, shared):
    device = shared.device("blocked", shared.product("blocked"), arrive=False)
    login = credentials.plain(KEY, "blocked", "blocked")
    assert asker.login("blocked", *login) and asker.publish("blocked", "blocked", "device-server/blocked")
    shared.admin.post(f"/api/v3/devices/{device.name}/credentials/block").must(200)
    until_true(lambda: not asker.login("blocked", *login), "it is refused")
    assert not asker.publish("blocked", "blocked", "device-server/blocked")
    assert not asker.topic("blocked", "blocked", "write", "device-server.blocked")
    assert not asker.rabbit_says(asker.rabbit("vhost", username="blocked", client_id="blocked", ip="192.0.2.1"))
    shared.admin.post(f"/api/v3/devices/{device.name}/credentials/unblock").must(200)
    until_true(lambda: asker.login("blocked", *login), "it is let in again")


# ---- topics


OWN = ["/oc/devices/lamp-1/#", "/oc/devices/lamp-1/sys/ota", "/oc/devices/lamp-1/+/ota", "/oc/devices/lamp-1/sys/ota/chunk/#"]
FOREIGN = [
    "#", "+", "+/+", "/#", "/+/devices/lamp-1/x", "/oc/#", "/oc/devices/#", "/oc/devices/+/sys/ota", "/oc/devices/lamp-2/sys/ota", "/oc/devices/lamp-11/x",
    "/oc/devices/lamp-1", "/oc/devices/LAMP-1/x", "oc/devices/lamp-1/x", "//oc/devices/lamp-1/x", "$SYS/#", "$share/g//oc/devices/lamp-2/#", "$share/x/#",
    "$CONTROL/otad/v1", "otad/v1/presence", "device-server/lamp-2", "device-server/#", "devices/p2p/lamp-1", "devices/p2p/#",
]


@pytest.mark.parametrize("topic", OWN)
def test_a_device_subscribes_to_its_own_tree(asker, topic):
    assert asker.subscribe("lamp-1", "lamp-1", topic)
    assert asker.topic("lamp-1", "lamp-1", "read", topic.replace("/", ".").replace("+", "*"))


@pytest.mark.parametrize("topic", FOREIGN)
def test_a_device_has_no_foreign_topic(asker, topic):
    key = topic.replace("/", ".").replace("+", "*")
    assert not asker.subscribe("lamp-1", "lamp-1", topic) and not asker.topic("lamp-1", "lamp-1", "read", key)
    assert not asker.publish("lamp-1", "lamp-1", topic) and not asker.topic("lamp-1", "lamp-1", "write", key)


def test_a_device_publishes_in_its_own_tree_and_retains_nothing(asker):
    for topic in ("/oc/devices/lamp-1/sys/ota/report", "/oc/devices/lamp-1/sys/ota", "device-server/lamp-1"):
        assert asker.publish("lamp-1", "lamp-1", topic) and asker.topic("lamp-1", "lamp-1", "write", topic.replace("/", "."))
        for retain in (True, "true", 1, "1", "yes"):
            assert not asker.publish("lamp-1", "lamp-1", topic, retain=retain)
        for retain in (False, "false", 0, "undefined", None):
            assert asker.publish("lamp-1", "lamp-1", topic, retain=retain)
    assert not asker.subscribe("lamp-1", "lamp-1", "device-server/lamp-1")


def test_a_xiaozhi_device_is_told_by_its_client_id(asker):
    user = credentials.xiaozhi(KEY, XIAOZHI)[0]
    assert asker.subscribe(XIAOZHI, user, f"/oc/devices/{MAC}/#") and asker.topic(XIAOZHI, user, "write", f"device-server.{MAC}")
    assert not asker.subscribe(XIAOZHI, "lamp-1", "/oc/devices/lamp-1/#")
    assert not asker.topic(XIAOZHI, "lamp-1", "read", ".oc.devices.lamp-1.#")
    assert not asker.subscribe(f"GID_test@@@{MAC}", MAC, f"/oc/devices/{MAC}/#")


def test_the_service_has_the_devices_trees_and_no_more(asker):
    assert asker.subscribe("otad", "otad", "/oc/devices/+/sys/ota/#") and asker.publish("otad:b", "otad", "/oc/devices/lamp-1/sys/ota")
    assert asker.topic("otad", "otad", "read", ".oc.devices.*.sys.ota.#")
    assert not asker.subscribe("otad", "otad", "#") and not asker.subscribe("otad", "lamp-1", "/oc/devices/+/sys/ota/#")


def test_a_device_nobody_knows_may_do_nothing(asker):
    assert not asker.subscribe("ghost", "ghost", "/oc/devices/ghost/#") and not asker.publish("ghost", "ghost", "device-server/ghost")


def test_rabbitmq_resources_are_the_clients_own_queues_and_one_exchange(asker):
    for permission in ("configure", "write", "read"):
        for qos in (0, 1):
            assert asker.resource("lamp-1", "lamp-1", "queue", f"mqtt-subscription-lamp-1qos{qos}", permission)
            assert not asker.resource("lamp-1", "lamp-1", "queue", f"mqtt-subscription-lamp-2qos{qos}", permission)
        assert not asker.resource("lamp-1", "lamp-1", "queue", "mqtt-subscription-lamp-11qos1", permission)
        assert not asker.resource("lamp-1", "lamp-1", "queue", "orders", permission)
        assert not asker.resource("lamp-1", "lamp-1", "exchange", "amq.fanout", permission)
        assert asker.resource("lamp-1", "lamp-1", "exchange", "amq.topic", permission) is (permission != "configure")
        assert not asker.resource("", "lamp-1", "queue", "mqtt-subscription-qos1", permission)
    assert not asker.resource("ghost", "ghost", "queue", "mqtt-subscription-ghostqos1", "configure")


def test_clients_live_in_one_virtual_host(asker):
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    ask = {"username": user, "password": word, "client_id": "lamp-1"}
    assert asker.rabbit_says(asker.rabbit("user", **ask))
    assert not asker.rabbit_says(asker.rabbit("user", **{**ask, "vhost": "other"}))
    assert asker.rabbit_says(asker.rabbit("vhost", username=user, client_id="lamp-1", ip="192.0.2.1", tags=""))
    assert not asker.rabbit_says(asker.rabbit("vhost", username=user, client_id="lamp-1", vhost="other"))
    assert not asker.topic("lamp-1", "lamp-1", "read", ".oc.devices.lamp-1.#", name="other")


def test_a_client_of_another_protocol_has_no_client_id_and_is_refused(asker):
    """AMQP: right name and password are not enough."""
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    assert not asker.rabbit_says(asker.rabbit("user", username=user, password=word))
    assert not asker.rabbit_says(asker.rabbit("user", username=keys.SERVICE_USERNAME, password=keys.SERVICE_PASSWORD))


# ---- shapes


def test_what_emqx_may_add_is_ignored(asker):
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    body = {"clientid": "lamp-1", "username": user, "password": word, "peerhost": "192.0.2.1", "proto_name": "MQTT", "cert_subject": None, "more": {"a": [1]}}
    assert asker.emqx("login", body).must(200).json == {"result": "allow", "is_superuser": False}


@pytest.mark.parametrize("what", ["login", "access"])
@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b'{"clientid":"lamp-1"', b'{"clientid":1,"username":"lamp-1","password":"x"}',
    b'{"clientid":"lamp-1","clientid":"lamp-2","username":"lamp-1","password":"x"}', b'{"clientid":{"a":"lamp-1"},"username":"lamp-1"}', b"[" * 5000,
    b'{"a":' * 3000, b'{"clientid":"lamp-1","username":"lamp-1","topic":"device-server/lamp-1","action":"delete","retain":false}',
    b'{"clientid":"lamp-1","username":"lamp-1","topic":"device-server/lamp-1","action":"publish","retain":[false]}',
    b'{"clientid":"lamp-1","username":"lamp-1","topic":["device-server/lamp-1"],"action":"publish","retain":false}',
    b'{"clientid":"lamp-1","username":"lamp-1","topic":"device-server/lamp-1\\u0000","action":"publish","retain":false}',
], ids=range(17))
def test_an_emqx_question_that_cannot_be_read_is_denied(asker, what, body):
    """By an answer: EMQX takes another status for "ask the next one"."""
    assert not asker.emqx_says(asker.emqx(what, body, {"Content-Type": "application/json"}))


@pytest.mark.parametrize("what", ["user", "vhost", "resource", "topic"])
@pytest.mark.parametrize("body", [
    b"", b"username", b"=", b"&", b"username=lamp-1&username=lamp-1", b"username=%", b"username=%00", b"username=%ff&vhost=%2F", b"a=1&" * 1000, b"\x00",
    b"username=lamp-1&client_id=lamp-1", b"x" * 16000,
], ids=range(12))
def test_a_rabbitmq_question_that_cannot_be_read_is_denied(asker, what, body):
    answer = asker.web.post(f"/broker/{SECRET}/rabbitmq/{what}", body, headers={"Content-Type": FORM})
    assert not asker.rabbit_says(answer)
    assert not asker.rabbit_says(asker.web.get(f"/broker/{SECRET}/rabbitmq/{what}", username="lamp-1", nothing="else"))


def test_large_bodies_and_foreign_types_are_refused(asker):
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    large = json.dumps({"clientid": "lamp-1", "username": user, "password": word, "more": "x" * 1_000_000}).encode()
    assert asker.emqx("login", large, {"Content-Type": "application/json"}).status == 413
    assert asker.emqx("login", b"a=b", {"Content-Type": FORM}).status == 415
    path = f"/broker/{SECRET}/rabbitmq/user"
    assert asker.web.post(path, b"a=" + b"x" * 1_000_000, headers={"Content-Type": FORM}).status == 413
    assert asker.web.post(path, {"username": "lamp-1"}).status == 415
    assert asker.web.put(path, b"").status == 405
    assert asker.web.get(f"/broker/{SECRET}/rabbitmq/else").status == 404


# ---- who may ask


WRONG = [SECRET[:-1], SECRET + "x", SECRET.upper(), "x", "%2e", "the-brokers.own_secret~0123456780"]


def test_whoever_does_not_know_the_secret_is_told_nothing(asker):
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    body = {"clientid": "lamp-1", "username": user, "password": word}
    for wrong in WRONG:
        assert asker.web.post("/broker/emqx/login", body, headers={"Authorization": f"Bearer {wrong}"}).status == 403
        assert asker.web.post(f"/broker/{wrong}/emqx/login", body).status == 403
        assert asker.web.get(f"/broker/{wrong}/rabbitmq/user", username=user, password=word, client_id="lamp-1", vhost="/").status == 403
    for headers in ({}, {"Authorization": SECRET}, {"Authorization": f"Basic {SECRET}"}, {"Authorization": "Bearer"}):
        assert asker.web.post("/broker/emqx/login", body, headers=headers).status == 403
    assert asker.web.post(f"/broker/x{SECRET}/emqx/login", body, headers={"Authorization": f"Bearer {SECRET}"}).status == 403
    assert asker.web.post("/broker//emqx/login", body, headers={"Authorization": f"Bearer {SECRET}"}).status == 404


def test_an_operators_token_is_no_secret_of_the_broker(asker, shared):
    assert shared.admin.post("/broker/emqx/login", {"clientid": "lamp-1"}).status == 403


def test_both_places_of_the_secret_serve_both_brokers(asker):
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    body = {"clientid": "lamp-1", "username": user, "password": word}
    assert asker.emqx_says(asker.web.post(f"/broker/{SECRET}/emqx/login", body))
    fields = urlencode({"username": user, "password": word, "client_id": "lamp-1", "vhost": "/"}).encode()
    answer = asker.web.post("/broker/rabbitmq/user", fields, headers={"Content-Type": FORM, "Authorization": f"bearer {SECRET}"})
    assert asker.rabbit_says(answer)


def test_nothing_secret_is_logged(asker, shared):
    """At debug level, where every request's path is."""
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    assert asker.login("lamp-1", user, word) and not asker.login("lamp-2", user, word)
    asker.web.get(f"/broker/{SECRET}/rabbitmq/nonsense")
    asker.web.get(f"/broker/{SECRET}/rabbitmq/user", x="%")
    log = shared.otad.log()
    assert "path=/broker/{secret}/rabbitmq/user " in log and "path=/broker/ " in log and "broker_hook_login_refused" in log
    for secret in (SECRET, word, word.split(".")[2], keys.SERVICE_PASSWORD):
        assert secret not in log
    shown = shared.otad.do("--print-config")
    assert "broker_hook_secret = ********" in shown and SECRET not in shown


def test_logins_and_denials_are_counted(asker, shared):
    def counters():
        lines = shared.anybody.get("/metrics").body.decode().splitlines()
        return {name: int(value) for name, value in (line.split() for line in lines if line.startswith("otad_hook_"))}

    before = counters()
    assert asker.emqx_says(asker.emqx("login", dict(zip(("clientid", "username", "password"), ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1"))))))
    asker.emqx("login", {"clientid": "lamp-1"})
    asker.emqx("login", b"{", {"Content-Type": "application/json"})
    asker.subscribe("lamp-1", "lamp-1", "#")
    asker.emqx("access", {})
    asker.web.post("/broker/emqx/login", {})
    after = counters()
    grown = {name.removeprefix("otad_hook_").removesuffix("_total"): after[name] - before[name] for name in after}
    assert grown == {"logins": 1, "logins_refused": 2, "access_denied": 2, "strangers": 1}


@pytest.mark.config(broker_hook_secret="")
def test_without_a_secret_there_is_nothing(site):
    assert site.anybody.post("/broker/emqx/login", {"clientid": "lamp-1"}).status == 404
    assert site.anybody.post("/broker//emqx/login", {}).status == 404
    assert site.anybody.post("/broker/x/emqx/login", {}, headers={"Authorization": "Bearer "}).status == 404


def test_the_secret_can_be_exchanged_and_a_bad_one_is_told(site):
    asker = Asker(site)
    body = {"clientid": "otad", "username": keys.SERVICE_USERNAME, "password": keys.SERVICE_PASSWORD}
    assert asker.emqx_says(asker.emqx("login", body))
    secret = site.dir / "hook.secret"
    secret.write_text("another-secret-of-the-broker\n")
    secret.chmod(0o600)
    del site.otad.settings["broker_hook_secret"]
    site.otad.write_config(broker_hook_secret_file=secret)
    site.otad.reload()
    until(lambda: asker.emqx("login", body).status == 403, "the old secret is of no use")
    assert asker.emqx_says(site.anybody.post("/broker/another-secret-of-the-broker/emqx/login", body))
    for bad in ("short", "with a blank in it 0123", "with/slash/0123456789", "x" * 129):
        secret.write_text(bad + "\n")
        done = site.otad.run("--check-config")
        assert done.returncode == 1 and "broker_hook_secret" in done.stderr and bad not in done.stderr, done.stderr
    site.otad.write_config(broker_hook_secret_file="")
    site.otad.reload()
    until(lambda: site.anybody.post("/broker/emqx/login", body).status == 404, "there is nothing any more")


def test_answers_come_from_memory(site):
    """With the database gone, logins go on."""
    asker = Asker(site)
    site.device("lamp-1", arrive=False)
    site.cluster.kill()
    assert asker.login("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1"))
    assert asker.subscribe("lamp-1", "lamp-1", "/oc/devices/lamp-1/#") and not asker.subscribe("lamp-1", "lamp-1", "#")
