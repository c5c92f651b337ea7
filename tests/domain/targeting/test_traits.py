"""Traits of devices: two that agree in what a segment reads are both in it, or both not."""

import pytest
from expression_world import DEVICES, IDS, SEGMENT, SETS, conditions, worlds, written
from factories import APP
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.buckets import bucket_of
from edge.domain.targeting.segments import compile_segment
from edge.domain.targeting.traits import Draw, OnList, Traits, segment_traits, together

MORE_DEVICES = [f"{number:08x}-2222-4000-8000-000000000000" for number in range(40)]
CUSTOM_IDS = ["", "qa-1", "a", "nobody", DEVICES[2]]


def read_by(where):
    return segment_traits(APP, SEGMENT, where, SETS)


@settings(max_examples=300)
@given(conditions, worlds(), st.integers(0, 4))
def test_devices_that_agree_are_in_a_segment_together(condition, world, shift):
    where = written(condition)
    traits = read_by(where)
    matches = compile_segment(APP, SEGMENT, where, place=world.place, sets=SETS)
    found = {}
    for place, device in enumerate([*DEVICES, *MORE_DEVICES]):
        custom_id = CUSTOM_IDS[(place + shift) % len(CUSTOM_IDS)]
        if traits.device_id or (custom_id and traits.custom_id):
            continue
        kind = tuple(trait.of(device.encode(), custom_id) for trait in traits.read)
        check = world.check._replace(device=device, custom_id=custom_id)
        found.setdefault(kind, set()).add(matches(check, world.facts))
    assert all(len(same) == 1 for same in found.values())


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("is_prod", Traits()),
        ("not an expression", Traits()),
        ('in_set("gone")', Traits()),  # no such set: unknown for every device
        ('in_set("vip") && in_set("vip")', Traits((OnList(SETS["vip"]),))),
        ('custom_id == "a" || custom_id.startsWith("b")', Traits(custom_id=True)),
        ('!device_id.endsWith("7")', Traits(device_id=True)),
        ("install_source == custom_id", Traits(custom_id=True)),
        (f'device_id in ["{DEVICES[0]}"]', Traits(device_id=True)),
    ],
)
def test_a_segment_tells_what_it_reads_of_a_device(where, expected):
    assert read_by(where) == expected


def test_shares_of_one_segment_are_one_draw():
    (draw,) = read_by("bucket(40) || (is_prod && bucket(0.5))").read
    assert draw.borders == (500, 40_000)
    buckets = {device: bucket_of(draw.salt, device) for device in MORE_DEVICES}
    assert {device: draw.of(device.encode(), "") for device in MORE_DEVICES} == {
        device: (bucket >= 500) + (bucket >= 40_000) for device, bucket in buckets.items()
    }


def test_a_listed_custom_id_counts_as_a_listed_device():
    assert "qa-1" in IDS["vip"]
    listed = OnList(SETS["vip"])
    assert listed.of(MORE_DEVICES[0].encode(), "qa-1") and listed.of(DEVICES[1].encode(), "")
    assert not listed.of(MORE_DEVICES[0].encode(), "") and not listed.of(MORE_DEVICES[0].encode(), "nobody")


def test_together_names_each_trait_once():
    one, other = Traits((Draw(b"a", (1,)),)), Traits((Draw(b"b", (1,)), Draw(b"a", (1,))), custom_id=True)
    assert together([one, other]) == Traits((Draw(b"a", (1,)), Draw(b"b", (1,))), custom_id=True)
