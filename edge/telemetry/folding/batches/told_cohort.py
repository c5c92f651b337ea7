"""The labels of a device that no check was heard of: from what it reports itself."""

import re

from edge.domain.model import Platform
from edge.domain.statistics.generations import ability_of
from edge.domain.statistics.observation import Cohort, Group
from edge.domain.versions import VERSION_LIMIT
from edge.wire.plugins.capabilities import family_of
from edge.wire.stats import bounded_text

OTHER = "other"
_PLATFORMS = frozenset(platform.value for platform in Platform)
_MAJOR = re.compile(r"(\d{1,3})(?:[.\s]|$)", re.ASCII)
_RELEASE = re.compile(r"\d{1,3}\.\d{1,4}\.\d{1,4}", re.ASCII)

ToldTraits = tuple[str | None, str | None, str | None, bool | None, bool | None, str]


def ability_told(told: ToldTraits) -> int:
    """What the device's reports can tell."""
    cohort = cohort_of(told)
    return ability_of(cohort.group.platform, cohort.os, cohort.plugin)


def cohort_of(told: ToldTraits) -> Cohort:
    """From platform, plugin, version of the system, `is_prod` and `is_emulator`, as an event has them, and the region
    of the node that received it."""
    platform, plugin, os, is_prod, is_emulator, region = told
    plugin = bounded_text(plugin, VERSION_LIMIT)
    family = family_of(plugin)
    name = family.value if family else platform or ""
    kind = "emulator" if is_emulator else "development" if is_prod is False else "device"
    group = Group(platform=name if name in _PLATFORMS else OTHER, kind=kind)
    major = _MAJOR.match((os or "").strip())
    release = plugin if not plugin or _RELEASE.fullmatch(plugin) else OTHER
    return Cohort(group, os=major[1] if major else OTHER if os else "", plugin=release, region=region)
