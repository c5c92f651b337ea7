"""The form is chosen once and revised for a quarter's gain; no preference sends what the rules forbid."""

import pytest
from factories import a_bundle
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.forms.choice import (
    CLEARLY,
    IOS_ZIP_LIMIT_BYTES,
    REVISED,
    LinkSince,
    choose_forms,
    compare,
    in_force,
    is_zip_faster,
)
from edge.domain.forms.link_model import Difference, LinkSpeed
from edge.domain.plugin import Prefer

SLOW, LONG, NEAR = LinkSpeed(0.04, 5e6), LinkSpeed(0.15, 200e6), LinkSpeed(0.001, 50e6)
SECONDS = st.floats(0.001, 1_000)
MANY_SMALL = Difference(66, 1_048_897, 204_071)  # tinymce 7.5.0 to 7.5.1
ALL = Difference(300, 3_000_000, 400_000)


def since(*links: LinkSpeed) -> list[LinkSince]:
    return [LinkSince(float(number * 86_400), link) for number, link in enumerate(links)]


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=20))
def test_each_revision_gains_a_quarter(history):
    for end in range(1, len(history)):
        before, after = is_zip_faster(history[:end]), is_zip_faster(history[: end + 1])
        zipped, files = history[end]
        if before is not after:
            was, becomes = (zipped, files) if before else (files, zipped)
            assert becomes <= REVISED * was


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=20))
def test_the_choice_never_costs_more_than_a_third_more_than_the_other(history):
    zipped, files = history[-1]
    chosen, other = (zipped, files) if is_zip_faster(history) else (files, zipped)
    assert chosen <= other / REVISED * (1 + 1e-9)


@given(SECONDS, SECONDS)
def test_the_first_choice_is_within_a_tenth_of_the_better(zipped, files):
    chosen = zipped if is_zip_faster([(zipped, files)]) else files
    assert chosen <= min(zipped, files) / CLEARLY * (1 + 1e-9)


@given(st.integers(1, 50_000_000), st.integers(1, 50_000_000), st.sampled_from([SLOW, LONG, NEAR]))
def test_a_smaller_zip_stays_a_zip(zip_bytes, more, link):
    chosen = [
        compare(a_bundle(zip_bytes=each, files=300), Prefer.FASTEST, since(link), MANY_SMALL).is_zip
        for each in (zip_bytes, zip_bytes + more)
    ]
    assert chosen != [False, True]


@pytest.mark.parametrize(
    ("zip_bytes", "difference", "link", "is_zip"),
    [
        (1_500_000, MANY_SMALL, LinkSpeed(0.04, 200e6), True),  # many round trips
        (1_500_000, MANY_SMALL, SLOW, False),  # the line is the limit
        (4_000_000, Difference(5, 808_203, 321_657), LinkSpeed(0.04, 200e6), False),  # swagger-ui-dist 5.18.2 to 5.18.3
        (4_000_000, Difference(0, 0, 0), LONG, False),
    ],
)
def test_the_faster_form(zip_bytes, difference, link, is_zip):
    found = compare(a_bundle(zip_bytes=zip_bytes, files=215), Prefer.FASTEST, since(link), difference)
    assert found.is_zip is is_zip


@pytest.mark.parametrize(
    ("prefer", "zip_bytes", "is_zip"),
    [
        (Prefer.MANIFEST, 1, False),
        (Prefer.ZIP, 100_000_000, True),
        (Prefer.FEWEST_BYTES, 1_000_000, True),
        (Prefer.FEWEST_BYTES, 1_200_000, False),
    ],
)
def test_other_preferences_ask_no_link(prefer, zip_bytes, is_zip):
    bundle = a_bundle(zip_bytes=zip_bytes, files=215)
    for link in (SLOW, LONG, NEAR):
        assert compare(bundle, prefer, since(link), MANY_SMALL).is_zip is is_zip


@pytest.mark.parametrize(
    ("published", "first"),
    [(-1.0, SLOW), (0.0, SLOW), (86_399.0, SLOW), (86_400.0, LONG), (9e9, NEAR)],
)
def test_what_was_known_before_a_bundle_does_not_count(published, first):
    assert in_force(since(SLOW, LONG, NEAR), published)[0].link is first


def test_links_that_came_later_revise_an_older_bundle_alone():
    older, newer = (a_bundle(zip_bytes=1_500_000, files=215, published=at) for at in (0.0, 2 * 86_400.0))
    links = since(LONG, LinkSpeed(0.04, 40e6), LinkSpeed(0.04, 30e6))  # worth less than a quarter at each
    found = [compare(each, Prefer.FASTEST, links, MANY_SMALL) for each in (older, newer)]
    assert [each.links for each in found] == [3, 1]
    assert found[0].is_zip is True


@pytest.mark.parametrize(("zip_bytes", "on_ios"), [(IOS_ZIP_LIMIT_BYTES, True), (IOS_ZIP_LIMIT_BYTES + 1, False)])
def test_no_large_zip_to_ios(zip_bytes, on_ios):
    forms = choose_forms(a_bundle(zip_bytes=zip_bytes), Prefer.ZIP, since(LONG), {}, ALL)
    assert forms.others
    assert forms.on_ios is on_ios
