"""What a region may say of devices: in its own name, within budgets, and nothing that others could not outdo."""

import pytest

from edge.domain.sharing.admitting import LEAP_LIMIT, SharedKind, admitted, is_sound
from edge.domain.sharing.state import NOTHING_SHARED, Choice, SharedBundle, SharedFacts, SharedVerdict, join

VERDICT = SharedVerdict(7, 3, 1, 0, "aaaa")
FAILED = SharedFacts(bundles=(SharedBundle(1, start=VERDICT),))
CHOSE = SharedFacts(choice=Choice(1, "aaaa", 5))
LIFTED = SharedFacts(bundles=(SharedBundle(1, 1),))
CLEARED = SharedFacts(bundles=(SharedBundle(1, 0, None, 1),))


@pytest.mark.parametrize(
    ("known", "brought", "kind"),
    [
        (NOTHING_SHARED, FAILED, SharedKind.FAILURE),
        (NOTHING_SHARED, CHOSE, SharedKind.CHOICE),
        (FAILED, LIFTED, SharedKind.LIFT),
        (NOTHING_SHARED, CLEARED, SharedKind.CLEARING),
        (FAILED, SharedFacts(1), SharedKind.ERASURE),
    ],
)
def test_each_thing_that_is_news_is_charged_to_its_budget(known, brought, kind):
    asked = []
    assert admitted(known, brought, "aaaa", lambda each: asked.append(each) or True) == join(known, brought)
    assert asked == [kind]
    assert admitted(known, brought, "aaaa", lambda each: False) == known
    assert admitted(join(known, brought), brought, "aaaa", lambda each: pytest.fail("no news")) == join(known, brought)


def test_what_a_node_brings_bears_its_name():
    state = admitted(NOTHING_SHARED, join(FAILED, CHOSE), "bbbb", lambda kind: True)
    assert (state.of(1).start.node, state.choice.node) == ("bbbb", "bbbb")
    assert admitted(FAILED, FAILED, "bbbb", lambda kind: True) == FAILED


@pytest.mark.parametrize(
    "brought",
    [
        SharedFacts(LEAP_LIMIT + 1),
        SharedFacts(choice=Choice(LEAP_LIMIT + 1, "aaaa", 5)),
        SharedFacts(bundles=(SharedBundle(1, LEAP_LIMIT + 1),)),
        SharedFacts(bundles=(SharedBundle(1, 0, None, LEAP_LIMIT + 1),)),
    ],
)
def test_no_counter_leaps_to_where_nobody_else_can_count(brought):
    assert admitted(NOTHING_SHARED, brought, "aaaa", lambda kind: True) == NOTHING_SHARED


@pytest.mark.parametrize(
    "state",
    [
        SharedFacts(-1),
        SharedFacts(choice=Choice(-1, "aaaa", 5)),
        SharedFacts(choice=Choice(1, "a" * 65, 5)),
        SharedFacts(choice=Choice(1, "aaaa", 1 << 48)),
        SharedFacts(bundles=(SharedBundle(0),)),
        SharedFacts(bundles=(SharedBundle(2), SharedBundle(1))),
        SharedFacts(bundles=(SharedBundle(1), SharedBundle(1))),
        SharedFacts(bundles=tuple(map(SharedBundle, range(1, 10)))),
        SharedFacts(bundles=(SharedBundle(1, -1),)),
        SharedFacts(bundles=(SharedBundle(1, start=VERDICT._replace(stage=2)),)),
        SharedFacts(bundles=(SharedBundle(1, start=VERDICT._replace(stage=8)),)),
        SharedFacts(bundles=(SharedBundle(1, download=VERDICT._replace(cause=16)),)),
        SharedFacts(bundles=(SharedBundle(1, download=VERDICT._replace(hour=1 << 19)),)),
        SharedFacts(bundles=(SharedBundle(1, download=VERDICT._replace(mark=64)),)),
    ],
)
def test_what_no_node_writes_is_not_sound(state):
    assert not is_sound(state)
    assert is_sound(join(FAILED, CHOSE))
