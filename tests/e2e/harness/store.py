"""A client of seed 002 that uploads directly: GET /oss_token/ota/, then a form to `host`."""

import uuid
from urllib.parse import urlsplit


def new_key():
    return f"ota/{uuid.uuid4().hex}.bin"


class Store:
    """The client."""

    def __init__(self, site):
        self.site = site
        self.token = self.ask()

    def ask(self, path="/oss_token/ota/", role="operator"):
        answer = self.site.client(self.site.tokens[role]).get(path).must(200)
        assert answer.body.startswith(b'{"meta":{"code":0,"message":"oss token"},"data":{"accessid":') and answer.body.endswith(b"}}")
        return answer.json["data"]

    def fields(self, key, **change):
        token = self.token
        fields = {"name": "x.bin", "key": key, "policy": token["policy"], "OSSAccessKeyId": token["accessid"], "success_action_status": "200",
                  "callback": token["callback"], "signature": token["signature"]}
        fields.update(change)
        return {name: value for name, value in fields.items() if value is not None}

    @staticmethod
    def form(fields, data, name="ota.bin", behind=()):
        mark = uuid.uuid4().hex
        def part(field, value):
            return f'--{mark}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
        body = b"".join(part(field, value) for field, value in (fields.items() if isinstance(fields, dict) else fields))
        if data is not None:
            body += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + data + b"\r\n"
        body += b"".join(part(field, value) for field, value in behind)
        return f"multipart/form-data; boundary={mark}", body + f"--{mark}--\r\n".encode()

    def send(self, content_type, body):
        path = urlsplit(self.token["host"]).path
        return self.site.anybody.request("POST", path, body=body, headers={"Content-Type": content_type, "Origin": "https://page.example.com"})

    def post(self, key, data, name="ota.bin", behind=(), **change):
        return self.send(*self.form(self.fields(key, **change), data, name, behind))

    def get(self, key, method="GET", **headers):
        return self.site.anybody.request(method, urlsplit(self.token["host"]).path + "/" + key, headers={k.replace("_", "-"): v for k, v in headers.items()})
