"""The fog dialect: a product's files, and what its devices call."""

import uuid

REPORTED = '{"meta":{"code":0,"message":"update version ok"},"data":{}}'
ONLINE = {"file_name": "mcu.bin", "file_url": "https://xxx.com/mcu.bin", "md5": "xxzz...", "size": "20kb", "version": "1.0.1", "status": 1}


class Fog:
    """A product and its devices."""

    def __init__(self, site, product):
        self.site = site
        self.product = product
        self.key = site.admin.get(f"/api/v3/products/{product}").json["key"]

    def make(self, **more):
        data = self.read(self.site.operator.post(f"/api/v1/ota/{self.key}/files/", {**ONLINE, **more}), "upload file ok")
        if "status" not in more or more["status"]:
            data = self.edit(data["id"], status=more.get("status", 1))
        return data

    def edit(self, file, **changes):
        return self.read(self.site.operator.request("PATCH", f"/api/v1/ota/{self.key}/files/{file}", body=changes), "update file ok")

    @staticmethod
    def read(answer, message=None):
        assert answer.status == 200, answer
        assert answer.body.startswith(b"{") and answer.body.endswith(b"}")
        assert int(answer.header("Content-Length")) == len(answer.body) and answer.header("Transfer-Encoding") is None
        whole = answer.json
        if message:
            assert whole["meta"] == {"code": 0, "message": message}, whole
            return whole["data"]
        return whole["meta"]["code"], whole["meta"]["message"]

    def ask(self, path="/api/v1/ota/device/", client=None, **query):
        query = {"product_id": self.key, "wifi_version": "1.0.0", "mcu_version": "1.0.0", **query}
        return (client or self.site.anybody).request("GET", path, {name: value for name, value in query.items() if value is not None})

    def check(self, **query):
        """{ota_type: file}"""
        answer = self.ask(**query)
        assert len(answer.body) < 2048
        data = self.read(answer, "ota file info")
        assert data["need_ota"] == bool(data["files"])
        for file in data["files"]:
            assert set(file) == {"file_url", "md5", "version", "ota_type", "customize"} and None not in file.values()
        return {file["ota_type"]: file for file in data["files"]}

    def versions(self, **query):
        return {kind: file["version"] for kind, file in self.check(**query).items()}

    def report(self, device_id, mcu="", wifi="", path="/api/v1/ota/version/", client=None, **more):
        body = {"device_id": device_id, "wifi_version": wifi, "mcu_version": mcu, **more}
        return (client or self.site.anybody).request("PUT", path, body={name: value for name, value in body.items() if value is not None})

    def tell(self, device_id, **versions):
        assert self.report(device_id, **versions).body.decode() == REPORTED

    def device(self, name=None, mac=None):
        name = name or "d-" + uuid.uuid4().hex[:12]
        body = {"name": name, "productId": self.product, **({"mac": mac} if mac else {})}
        self.site.admin.post("/api/v3/devices", body).must(201)
        return name

    def states(self, device):
        """[(component, state)] of its tasks, the oldest first."""
        return self.site.db.rows("SELECT t.component, t.state FROM tasks t JOIN devices d ON d.id = t.device_id WHERE d.name = %s ORDER BY t.id", device)
