"""Who is in the fleet: real releases of the plugin on both systems, and what each of them tells.

What a release sends is `edge.device`'s profile of it; when launches, crashes and errors are told is PROTOCOL.md §4.3.
"""

import random
import uuid
from typing import NamedTuple

from edge.device.identity import Identity
from edge.device.profile import Profile, build_profile
from edge.domain.model import Platform
from tests.truth.diary import Owner

NATIVE = "1.0.0"


class Release(NamedTuple):
    """A published release; `weight` is its share of the fleet. `launches`: tells `app_launch_…`; `crashes`: tells
    crashes and errors."""

    platform: str
    plugin: str
    weight: int
    launches: bool = False
    crashes: bool = False


RELEASES = (
    Release("android", "8.51.14", 28, launches=True, crashes=True),
    Release("ios", "8.51.14", 20, launches=True, crashes=True),
    Release("android", "8.47.3", 10, crashes=True),
    Release("ios", "7.51.20", 8, launches=True, crashes=True),
    Release("android", "7.43.3", 8),
    Release("ios", "7.43.3", 6),
    Release("android", "6.14.28", 6),
    Release("android", "5.9.5", 4),
    Release("ios", "6.51.15", 4, launches=True, crashes=True),
    Release("android", "5.50.1", 6, crashes=True),
)
ANDROID_OS, IOS_OS = ("9", "11", "13", "14"), ("16.7", "17.4", "18.1")
MUTE = 0.02
COUNTRIES = ("DE", "JP", "US")  # with the zones below
ZONE_HOURS = (1, 9, -8)
CRASHES_FROM_ANDROID = 11  # the exit records that crashes come from


class Member(NamedTuple):
    """One device with all that does not change."""

    owner: Owner
    profile: Profile
    identity: Identity
    zone_ms: int
    skew_ms: int  # of its clock
    visits_a_day: float


def build_members(app: str, count: int, seed: int) -> list[Member]:
    """The same ones for the same seed."""
    draw = random.Random(f"members {seed}")
    weights = [release.weight for release in RELEASES]
    return [_build(app, draw, draw.choices(RELEASES, weights)[0], index) for index in range(count)]


def _build(app: str, draw: random.Random, release: Release, index: int) -> Member:
    profile = build_profile(Platform(release.platform), release.plugin)
    place, os = index % len(COUNTRIES), draw.choice(ANDROID_OS if profile.android else IOS_OS)
    kind = draw.choices(("device", "emulator", "development"), (95, 3, 2))[0]
    kind = "device" if kind == "development" and not release.launches else kind  # old ones call all builds production
    channel = "beta" if draw.random() < 0.1 else "production"
    identity = Identity(
        app=app,
        device_id=str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        version_build=NATIVE,
        version_os=os,
        default_channel="beta" if channel == "beta" else "",
        is_emulator=kind == "emulator",
        is_prod=kind != "development",
    )
    owner = Owner(
        id=identity.device_id,
        platform=release.platform,
        plugin=profile.plugin_version,
        os=os,
        kind=kind,
        channel=channel,
        country=COUNTRIES[place],
        peer=f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}",
        dated=profile.stats_in_arrays,
        tells_launches=release.launches,
        tells_crashes=release.crashes and profile.android and int(os.split(".")[0]) >= CRASHES_FROM_ANDROID,
        tells_errors=release.crashes,
        mute=draw.random() < MUTE,
    )
    skew_ms = draw.choice((-1, 1)) * draw.randrange(86_400_000, 9 * 86_400_000) if draw.random() < 0.06 else 0
    rate = draw.gammavariate(0.6, 2.0) + 0.05
    return Member(owner, profile, identity, ZONE_HOURS[place] * 3_600_000, skew_ms, rate)
