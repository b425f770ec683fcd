"""SIGTERM: what runs may finish for drain_timeout; then the service ends, whatever its clients and its database do."""

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from harness.postgres import frozen
from harness.process import until
from harness.store import Store, new_key

DRAIN = 2
# Beyond the drain: a connection to the database that is just being made has 5 s.
LIMIT = DRAIN + 7

pytestmark = pytest.mark.config(drain_timeout=f"{DRAIN}s")


@contextmanager
def forms(store, count, data):
    """Forms posted from threads of their own; the answers come into the list, None for a broken connection."""
    answers = []

    def post():
        try:
            answers.append(store.post(new_key(), data).status)
        except OSError:
            answers.append(None)

    threads = [threading.Thread(target=post) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield answers
    for thread in threads:
        thread.join()


def stopped(site):
    """Seconds it took."""
    started = time.monotonic()
    status = site.otad.process.end(signal.SIGTERM, timeout=4 * LIMIT)
    assert status == 0, site.otad.process.tail()
    return time.monotonic() - started


@contextmanager
def locked(site):
    """Somebody else holds the table of the objects, as a careless migration would."""
    with site.cluster.connect(site.db.name) as link, link.cursor() as sql:
        sql.execute("BEGIN; LOCK TABLE objects IN ACCESS EXCLUSIVE MODE")
        yield
        sql.execute("ROLLBACK")


def waiting(site):
    return site.db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'otad/worker' AND wait_event_type = 'Lock'", site.db.name)


def test_forms_that_wait_for_a_lock(site):
    store = Store(site)
    with locked(site), forms(store, 3, os.urandom(300_000)) as answers:
        until(lambda: waiting(site) == 3, "all three wait for the lock")
        assert stopped(site) < LIMIT
    assert 200 not in answers
    site.otad.start()
    store.post(new_key(), b"after").must(200)


def test_a_database_that_hangs(site):
    store = Store(site)
    store.post(new_key(), b"so that workers are connected").must(200)
    with forms(store, 3, os.urandom(300_000)) as answers, frozen(site.cluster):
        time.sleep(0.3)
        assert stopped(site) < LIMIT
    assert 200 not in answers
    site.otad.start()
    store.post(new_key(), b"after").must(200)


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["no body", "half of it", "all but the end"])
def test_forms_that_never_end(site, part):
    store = Store(site)
    content_type, body = store.form(store.fields(new_key()), os.urandom(900_000))
    head = f"POST /oss HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    links = [socket.create_connection(("127.0.0.1", urlsplit(site.otad.url).port), timeout=10) for _ in range(6)]
    try:
        for link in links:
            link.sendall(head + body[: int((len(body) - 3) * part)])
        for link in links[:2]:
            link.close()
        assert stopped(site) < LIMIT
    finally:
        for link in links:
            link.close()
    site.otad.start()
    assert site.db.value("SELECT count(*) FROM objects") == 0
    site.nothing_left()
