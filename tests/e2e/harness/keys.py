"""The secrets an installation of the tests shares: signing keys of devices' passwords, and the service's own password at the broker."""

import base64
import hashlib
import hmac
from pathlib import Path

KEY_ID, KEY = "k1", "the-signing-key-of-the-tests"
SERVICE_USERNAME, SERVICE_PASSWORD = "otad", "the-service's-own-password"


class Keys:
    """mqtt.keys and service.secret in a directory, as deploy/up makes them."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.keys = self.dir / "mqtt.keys"
        self.secret = self.dir / "service.secret"
        self.write(self.keys, f"{KEY_ID} {KEY}\n")
        self.write(self.secret, SERVICE_PASSWORD + "\n")

    @staticmethod
    def write(path, text):
        path.touch(mode=0o600)
        path.write_text(text)


def password(name, client_id=None, epoch=1, key_id=KEY_ID, key=KEY):
    """What a device of that name presents (the plain form of service/INTERFACES.md)."""
    signed = f"{client_id or name}|{name}|{epoch}".encode()
    mac = hmac.new(key.encode(), signed, hashlib.sha256).digest()
    return f"{epoch}.{key_id}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
