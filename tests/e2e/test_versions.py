"""What a device's components run: the last word counts, by whichever way it came."""

import random
import time

import pytest

from harness.fog import Fog
from harness.process import until

NOTED = "SELECT component, version FROM device_versions WHERE device_id = (SELECT id FROM devices WHERE name = %s)"


def written(site, device, **told):
    """Everything told so far is in the database."""
    until(lambda: dict(site.db.rows(NOTED, device)) == told, f"{device} runs {told}")


def test_a_report_right_after_a_check_is_the_last_word(site):
    fog = Fog(site, site.product("p"))
    devices = [fog.device() for _ in range(8)]
    for device in devices:
        fog.check(device_id=device, mcu_version="1.0.0", wifi_version="1.0.0")
        fog.tell(device, mcu="1.0.1")
    time.sleep(1.2)
    for device in devices:
        written(site, device, mcu="1.0.1", wifi="1.0.0")


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_in_whatever_order_the_last_word_counts(site, seed):
    fog = Fog(site, site.product("p"))
    chance = random.Random(seed)
    devices = {fog.device(): {} for _ in range(6)}
    for step in range(200):
        if step == 20:
            fog.make(version="2.0")  # from here on checks make tasks
        device, told = chance.choice(list(devices.items()))
        words = {part: chance.choice(["", f"1.{step}"]) for part in ("mcu", "wifi")}
        if chance.random() < 0.6:
            fog.check(device_id=device, mcu_version=words["mcu"], wifi_version=words["wifi"])
        elif any(words.values()):
            fog.tell(device, **words)
        told.update({part: version for part, version in words.items() if version})
        if chance.random() < 0.05:
            time.sleep(chance.random())
        if chance.random() < 0.02:
            site.otad.stop()
            site.otad.start()
    time.sleep(1.2)
    for device, told in devices.items():
        written(site, device, **told)
