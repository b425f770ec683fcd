"""Who may do what: logins, tokens, roles."""

import pytest

from harness.site import password_of

READS = [("GET", "/api/v2/otaList"), ("GET", "/api/v2/otaPassive"), ("GET", "/api/v3/products"), ("GET", "/api/v3/devices"), ("GET", "/api/v3/tasks")]
WRITES = [
    ("POST", "/api/v2/otaUpload"), ("POST", "/api/v2/otaEnable"), ("POST", "/api/v2/otaPassive"), ("DELETE", "/api/v2/otaDelete"), ("DELETE", "/api/v2/otaPassive"),
    ("POST", "/api/v3/products"), ("POST", "/api/v3/devices"),
]


def login(site, username, password):
    return site.anybody.post("/api/v2/login", {"username": username, "password": password})


def test_login_gives_a_token_that_works(shared):
    token = login(shared, "operator", password_of("operator")).data
    assert token.startswith("Bearer ")
    assert shared.anybody.get("/api/v2/otaList", headers={"Authorization": token}).code == 200


def test_two_logins_two_tokens(shared):
    assert login(shared, "viewer", password_of("viewer")).data != login(shared, "viewer", password_of("viewer")).data


def test_a_wrong_password_and_an_unknown_account(site):
    assert login(site, "operator", "wrong").code == 2003
    assert login(site, "nobody", "wrong").code == 2007


@pytest.mark.parametrize("body, code", [
    pytest.param({"username": "operator"}, 1004, id="no password"),
    pytest.param({"password": "x"}, 1004, id="no user name"),
    pytest.param({"username": "", "password": "x"}, 1002, id="empty user name"),
    pytest.param({"username": "operator", "password": ""}, 1002, id="empty password"),
    pytest.param({"username": 1, "password": "x"}, 1003, id="a number"),
    pytest.param({"username": "x" * 500, "password": "x"}, 1001, id="a long user name"),
])
def test_login_refuses(site, body, code):
    assert site.anybody.post("/api/v2/login", body).code == code


def test_guessing_is_slowed_down(site):
    for _ in range(10):
        login(site, "operator", "wrong")
    answer = login(site, "operator", password_of("operator"))
    assert answer.status == 429 or answer.code != 200, "after ten failures from one address even the right password waits"


BAD_TOKENS = ["", "Bearer", "Bearer ", "Bearer x", "Bearer " + "A" * 43, "Basic b3BlcmF0b3I6eA==", "Bearer " + "A" * 4000, "\u00fc", "Bearer null"]


@pytest.mark.parametrize("token", BAD_TOKENS)
@pytest.mark.parametrize("method, path", READS[:1] + WRITES[:2] + READS[2:3])
def test_an_unknown_token_is_401(shared, method, path, token):
    answer = shared.anybody.request(method, path, headers={"Authorization": token.encode("latin-1")})
    assert answer.status == 401, answer
    if path.startswith("/api/v2"):
        assert answer.code == 2001
    else:
        assert answer.header("Content-Type") == "application/problem+json"


@pytest.mark.parametrize("method, path", READS + WRITES)
def test_no_token_is_401(shared, method, path):
    assert shared.anybody.request(method, path).status == 401


@pytest.mark.parametrize("method, path", WRITES)
def test_a_viewer_may_not_write(shared, method, path):
    answer = shared.viewer.request(method, path)
    assert answer.status == 403, answer
    if path.startswith("/api/v2"):
        assert answer.code == 3001


@pytest.mark.parametrize("method, path", READS)
@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_everybody_with_a_token_may_read(shared, method, path, role):
    assert shared.client(shared.tokens[role]).request(method, path).status == 200


def test_tokens_and_passwords_are_stored_hashed(site):
    token = login(site, "operator", password_of("operator")).data.removeprefix("Bearer ")
    secrets = [token, *site.tokens.values(), *map(password_of, site.tokens)]
    for table in ("operators", "tokens", "audit", "changes", "events", "idempotency"):
        for row in site.db.rows(f"SELECT t::text FROM {table} t"):
            assert not any(secret in row[0] for secret in secrets), f"{table} holds a secret"
    log = site.otad.log()
    assert not any(secret in log for secret in secrets), "the log holds a secret"


@pytest.mark.config(login_ttl="60s")
def test_a_login_has_an_end(site):
    login(site, "viewer", password_of("viewer"))
    (left,) = site.db.rows("SELECT extract(epoch FROM expires_at - now())::int FROM tokens WHERE expires_at IS NOT NULL")[0]
    assert 50 <= left <= 60


def test_an_expired_token_is_401(site):
    token = login(site, "viewer", password_of("viewer")).data
    site.otad.stop()
    site.db.rows("UPDATE tokens SET expires_at = now() - interval '1 s' WHERE expires_at IS NOT NULL")
    site.otad.start()
    assert site.anybody.get("/api/v2/otaList", headers={"Authorization": token}).status == 401


def test_an_operator_added_while_the_service_runs_can_log_in(site):
    generated = site.otad.do("user", "add", "newcomer", "--role", "viewer").strip().split()[-1]
    assert len(generated) >= 12
    assert login(site, "newcomer", generated).code == 200


@pytest.mark.parametrize("words", [
    ("user", "add", "operator", "--role", "viewer"),
    ("user", "add", "x", "--role", "emperor"),
    ("user", "add", "x"),
    ("user", "add", "", "--role", "viewer"),
    ("user", "add", "x" * 100, "--role", "viewer"),
    ("user", "add", "a\nb", "--role", "viewer"),
    ("user",),
    ("token", "add", "nobody"),
    ("token", "add"),
    ("dance",),
])
def test_commands_refuse_with_a_sentence(shared, words):
    done = shared.otad.run(*words)
    assert done.returncode not in (0, 99) and done.returncode > 0, done
    assert done.stderr.strip()
