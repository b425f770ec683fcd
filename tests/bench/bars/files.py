"""What a page of a long list of fog files costs, wherever it stands."""

import http.client
import json
import time

from .measure import pairs

FILES = 100_000
PAGE = 10
REQUESTS = 200  # a run


def fill(db):
    """A product with so many files, each named by a few ranges."""
    with db.cluster.connect(db.name) as link:
        link.autocommit = True
        with link.cursor() as sql:
            sql.execute("INSERT INTO products (key, name) VALUES ('bench', 'bench')")
            sql.execute(
                "INSERT INTO firmware (product_id, component, name, file_name, version, url, told_md5, told_size, customize)"
                " SELECT 1, 'mcu', 'mcu/1.0.' || i, 'ota.bin', '1.0.' || i, 'https://xxx.com/' || i, md5(i::text), '20kb', '' FROM generate_series(1, %s) i",
                (FILES,),
            )
            sql.execute(
                "INSERT INTO rollouts (kind, way, ranked, stage, product_id, firmware_id, component, created_by)"
                " SELECT 'standing', 'standing', true, 'test', 1, id, 'mcu', 'bench' FROM firmware"
            )
            sql.execute(
                "INSERT INTO mac_ranges (rollout_id, place, kind, head) SELECT r.id, n, 'exact', upper(md5(r.id || '/' || n))"
                " FROM rollouts r, generate_series(1, 3) n"
            )
            sql.execute("VACUUM ANALYZE")


def page(ctx):
    """Milliseconds a request, one after the other on one connection: page 10,000 against page 1."""
    db = ctx.site.database()
    fill(db)
    otad = ctx.site.otad(db)
    link = http.client.HTTPConnection("127.0.0.1", otad.port, timeout=30)
    headers = {"Authorization": "token " + ctx.site.tokens["viewer"]}

    def run(number):
        began = time.monotonic()
        for _ in range(REQUESTS):
            link.request("GET", f"/api/v1/ota/bench/files/?page={number}", headers=headers)
            data = json.loads(link.getresponse().read())["data"]
            if data["count"] != FILES or len(data["results"]) != PAGE or len(data["results"][0]["mac_range"]) != 3:
                raise RuntimeError(f"page {number} is wrong")
        return (time.monotonic() - began) / REQUESTS * 1000

    run(1), run(FILES // PAGE)  # warm
    yield pairs("files", 2.0, "ms/page", lambda: run(FILES // PAGE), lambda: run(1), ctx.runs, at_least=False)
    link.close()
    ctx.site.drop(otad)
