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


@pytest.mark.parametrize("seed", [7, 11])
def test_whatever_comes_in_whatever_order_the_last_word_counts(site, seed):
    fog = Fog(site, site.product("p"))
    chance = random.Random(seed)
    devices = {fog.device(): {"mcu": "", "wifi": ""} for _ in range(6)}
    fog.make(version="1.0.2")  # some of the checks make tasks
    for _ in range(150):
        device, told = chance.choice(list(devices.items()))
        words = {part: chance.choice(["", "1.0.0", "1.0.1", "1.0.2", "1.0.3"]) for part in told}
        if not any(words.values()):
            continue
        if chance.random() < 0.5:
            fog.check(device_id=device, mcu_version=words["mcu"], wifi_version=words["wifi"])
        else:
            fog.tell(device, **words)
        told.update({part: version for part, version in words.items() if version})
        if chance.random() < 0.05:
            time.sleep(chance.random())
        if chance.random() < 0.02:
            site.otad.stop()
            site.otad.start()
    time.sleep(1.2)
    for device, told in devices.items():
        written(site, device, **{part: version for part, version in told.items() if version})
