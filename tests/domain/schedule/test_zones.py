import struct
import zoneinfo
from importlib import resources
from itertools import pairwise

import pytest

from edge.domain.errors import Invalid
from edge.domain.schedule.zones import (
    CHANGES_APART_SECONDS,
    ZONE_NAME_LIMIT,
    ZONES_VERSION,
    first_change,
    load_zone,
    offset_seconds,
    zone_names,
)

PARIS_SPRING_2026 = 1774746000  # 2026-03-29 01:00 UTC: 02:00 becomes 03:00


def test_every_listed_zone_can_be_loaded():
    assert {load_zone(name).key for name in zone_names()} == zone_names()
    assert max(map(len, zone_names())) <= ZONE_NAME_LIMIT
    assert {"UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"} <= zone_names()


def test_the_version_in_use_can_be_told():
    packaged = resources.files("tzdata.zoneinfo").joinpath("tzdata.zi").read_text().splitlines()[0]
    assert packaged.startswith(f"# version {ZONES_VERSION}")


def test_what_the_machine_calls_a_zone_does_not_count(tmp_path):
    tokyo = resources.files("tzdata.zoneinfo").joinpath("Asia", "Tokyo").read_bytes()
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Paris").write_bytes(tokyo)
    zoneinfo.reset_tzpath([tmp_path])
    load_zone.cache_clear()
    try:
        assert offset_seconds(zoneinfo.ZoneInfo.no_cache("Europe/Paris"), PARIS_SPRING_2026) == 9 * 3600
        assert offset_seconds(load_zone("Europe/Paris"), PARIS_SPRING_2026) == 2 * 3600
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(
    "name",
    [
        *("", "localtime", "posixrules", "Factory", "CET", "EST5EDT", "GMT", "Etc/GMT+5", "Etc/UTC", "utc", "Paris"),
        *(
            "CET-1CEST,M3.5.0,M10.5.0/3",
            ":Europe/Paris",
            "../../etc/passwd",
            "/etc/localtime",
            "Europe/../Europe/Paris",
        ),
        *("Europe", "Europe/", "/Europe/Paris", "Europe//Paris", "Europe/Paris\n", "Europe/Paris\0", "europe/paris"),
        *("posix/Europe/Paris", "Europe\\Paris", "tzdata.zi", "__init__.py", "\udc80", "a" * 100_000),
    ],
)
def test_what_is_no_name_of_a_zone_is_refused(name):
    with pytest.raises(Invalid) as refused:
        load_zone(name)
    assert refused.value.code == "unknown_zone"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Pari", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        ("Paris", "Europe/Paris"),
        ("America/NewYork", "America/New_York"),
        ("Asia/Katmandhu", "Asia/Katmandu"),
        ("utc", "UTC"),
    ],
)
def test_a_name_that_is_nearly_right_gets_a_suggestion(name, meant):
    with pytest.raises(Invalid, match=f"{name}.*did you mean {meant}\\?"):
        load_zone(name)


@pytest.mark.parametrize(
    ("zone", "second", "offset"),
    [
        ("UTC", 0, 0),
        ("Europe/Paris", PARIS_SPRING_2026 - 1, 3600),
        ("Europe/Paris", PARIS_SPRING_2026, 7200),
        ("America/New_York", 1768478400, -5 * 3600),
        ("Asia/Kathmandu", 1768478400, 5 * 3600 + 45 * 60),
        ("Europe/Paris", 4102444800 + 180 * 86_400, 7200),  # the summer of 2100: by rule, beyond any table
    ],
)
def test_offsets(zone, second, offset):
    assert offset_seconds(load_zone(zone), second) == offset


@pytest.mark.parametrize("before", [1, 2, 3600, 86_399, CHANGES_APART_SECONDS - 1])
def test_a_change_is_found_to_the_second(before):
    since = PARIS_SPRING_2026 - before
    paris = load_zone("Europe/Paris")
    assert first_change(paris, since, since + CHANGES_APART_SECONDS) == PARIS_SPRING_2026


def test_without_a_change_the_end_is_given():
    paris = load_zone("Europe/Paris")
    assert first_change(paris, PARIS_SPRING_2026, PARIS_SPRING_2026 + 86_400) == PARIS_SPRING_2026 + 86_400
    assert first_change(paris, PARIS_SPRING_2026 - 10, PARIS_SPRING_2026 - 1) == PARIS_SPRING_2026 - 1


def test_no_zone_ever_changed_its_clock_twice_within_the_limit():
    for name in zone_names():
        moments = changes_of(resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes())
        assert all(later - earlier > CHANGES_APART_SECONDS for earlier, later in pairwise(moments)), name


def changes_of(file: bytes) -> list[int]:
    """The moments at which the offset changes, from the 64-bit block of a TZif file (RFC 9636 §3)."""
    start = 0
    for number_bytes in (4, 8):
        utc, wall, leaps, moments, kinds, letters = struct.unpack_from(">6l", file, start + 20)
        start += 44
        if number_bytes == 4:
            start += moments * 5 + kinds * 6 + letters + leaps * 8 + wall + utc
    times = struct.unpack_from(f">{moments}q", file, start)
    indexes = file[start + 8 * moments : start + 9 * moments]
    offsets = [struct.unpack_from(">l", file, start + 9 * moments + 6 * kind)[0] for kind in indexes]
    return [times[at] for at in range(moments) if at == 0 or offsets[at] != offsets[at - 1]]
