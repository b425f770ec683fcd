"""Credentials of devices as INTERFACES.md says, written again from there: not the service's own code."""

import base64
import hashlib
import hmac
import json


def sign(secret, text):
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def plain(key, client_id, device, epoch=1):
    """(username, password); key: (id, secret)."""
    key_id, secret = key
    signature = base64.urlsafe_b64encode(sign(secret, f"{client_id}|{device}|{epoch}")).decode().rstrip("=")
    return device, f"{epoch}.{key_id}.{signature}"


def xiaozhi(key, client_id, epoch=1, ip="192.0.2.7"):
    key_id, secret = key
    username = base64.b64encode(json.dumps({"ip": ip, "epoch": epoch, "key": key_id}, separators=(",", ":")).encode()).decode()
    return username, base64.b64encode(sign(secret, f"{client_id}|{username}")).decode()
