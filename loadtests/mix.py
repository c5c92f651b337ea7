"""The device mix: plugin releases with their shares, read from a file. Otherwise pure.

The shares are an assumption, as `mix.toml` states; every release must be in the capability table.
"""

import itertools
import os
import random
import tomllib
from pathlib import Path
from typing import NamedTuple

from edge.device.profile import Profile, build_profile
from edge.domain.model import Platform

DEFAULT_MIX = Path(__file__).parent / "mix.toml"
MIX_VARIABLE = "LOAD_MIX"


class Share(NamedTuple):
    profile: Profile
    share: float


class Mix:
    def __init__(self, shares: list[Share]) -> None:
        """Raises ValueError if nothing can be drawn."""
        if not shares or any(share.share <= 0 for share in shares):
            raise ValueError("a mix needs at least one device, and shares above 0")
        self.shares = shares
        self._profiles = [share.profile for share in shares]
        self._sums = list(itertools.accumulate(share.share for share in shares))

    def draw(self, dice: random.Random) -> Profile:
        return dice.choices(self._profiles, cum_weights=self._sums)[0]


def parse_mix(text: str) -> Mix:
    """Raises ValueError, EdgeError for a release that does not exist, KeyError for a row that lacks a member."""
    rows = tomllib.loads(text).get("device", [])
    return Mix([Share(build_profile(Platform(row["platform"]), row["release"]), float(row["share"])) for row in rows])


def load_mix() -> Mix:
    return parse_mix(Path(os.environ.get(MIX_VARIABLE) or DEFAULT_MIX).read_text())
