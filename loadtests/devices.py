"""Devices of the mix and what each sends: the bodies and headers of its release. Pure; randomness is passed in.

A device lives for one launch of its app: every arrival is a new one, as in a fleet larger than any test.
"""

import json
import random
import uuid
from typing import Any, NamedTuple

from edge.device.identity import Identity, build_info, user_agent, zip_user_agent
from edge.device.profile import Profile
from edge.device.updating.answer import ReadAnswer, read_answer
from loadtests.mix import Mix
from loadtests.world import APP, CURRENT, NATIVE

JSON_TYPE = "application/json"


class LoadDevice(NamedTuple):
    """`running` is the bundle that it runs."""

    profile: Profile
    identity: Identity
    running: str

    def check(self) -> bytes:
        return json.dumps(self._words(self.running)).encode()

    def report(self, *events: tuple[str, str], now_ms: int) -> list[bytes]:
        """The bodies that report `(action, version)`: one array, or one object each, as the release does."""
        words = [self._words(version) | {"action": action} for action, version in events]
        for each in words:
            if self.profile.sends_old_version_name:
                each["old_version_name"] = self.running
        if self.profile.stats_in_arrays:
            return [json.dumps([each | {"timestamp": now_ms} for each in words]).encode()]
        return [json.dumps(each).encode() for each in words]

    def read(self, status: int, body: bytes) -> ReadAnswer:
        return read_answer(self.profile, status, body, self.running)

    def json_headers(self) -> dict[str, str]:
        agent = user_agent(self.profile, self.identity)
        return {"Content-Type": JSON_TYPE, "Accept": JSON_TYPE, "Accept-Encoding": "gzip", "User-Agent": agent}

    def download_headers(self, *, zip_client: bool) -> dict[str, str]:
        agent = zip_user_agent if zip_client else user_agent
        # Explicit, because locust would add brotli and then decode `.br` files.
        return {"User-Agent": agent(self.profile, self.identity), "Accept-Encoding": "identity"}

    def _words(self, version: str) -> dict[str, Any]:
        return build_info(self.profile, self.identity, version, key_id="")


def draw_device(mix: Mix, dice: random.Random, *, app: str = APP, running: str = CURRENT) -> LoadDevice:
    identity = Identity(
        app=app,
        device_id=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        version_build=NATIVE,
        install_source="",
    )
    return LoadDevice(mix.draw(dice), identity, running)
