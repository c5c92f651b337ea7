"""How a team releases: what counts as a release, as taken back, as paused and as recovered."""

from edge.domain.statistics.releases import BundleReach, Shift, development, releases_of

WEEK = 7 * 86_400.0
NOBODY = BundleReach(None, None, None)


def shift(at, kind, before, after, *, move="", channel="production", rollout=""):
    return Shift(at, kind, move, channel, frozenset(before), frozenset(after), rollout)


def times(shifts, reached=None, since=0.0, until=2 * WEEK):
    reached = reached or {}
    rows = [(each, reached.get(each.bundle, NOBODY)) for each in releases_of(shifts)]
    return development("com.acme.app", rows, since, until, cut=False)


def test_a_bundle_is_released_once_whatever_channels_follow():
    made = times(
        [
            shift(60, "publish_bundle", (), ("1.0.0",)),
            shift(120, "set_channel", (), ("1.0.0",), channel="beta"),
            shift(180, "publish_bundle", ("1.0.0",), ("1.1.0",)),
        ]
    )
    assert [(each.bundle, each.published) for each in made.releases] == [("1.1.0", 180), ("1.0.0", 60)]
    assert (made.a_week.value, made.a_week.of, made.taken_back.value) == (1.0, 2, 0.0)


def test_what_was_offered_before_the_history_begins_is_no_release():
    made = times([shift(60, "publish_bundle", ("1.0.0",), ("1.1.0",)), shift(90, "roll_back", ("1.1.0",), ("1.0.0",))])
    assert [each.bundle for each in made.releases] == ["1.1.0"]


def test_a_way_back_to_an_unknown_bundle_releases_nothing():
    assert times([shift(90, "roll_back", (), ("0.9.0",))]).releases == []


def test_a_rollback_a_withdrawal_and_an_undo_take_back_and_a_successor_does_not():
    ways = [("roll_back", ""), ("withdraw_bundle", ""), ("undo", "")]
    for kind, move in (*ways, ("move_rollout", "rollback"), ("guard_acts", "rollback")):
        made = times([shift(60, "publish_bundle", (), ("1.0.0",)), shift(90, kind, ("1.0.0",), (), move=move)])
        assert made.releases[0].taken_back == kind
    made = times(
        [
            shift(60, "start_rollout", ("1.0.0",), ("1.0.0", "1.1.0")),
            shift(90, "move_rollout", ("1.0.0", "1.1.0"), ("1.1.0",), move="promote"),
            shift(99, "publish_bundle", ("1.1.0",), ("1.2.0",)),
        ]
    )
    assert [each.taken_back for each in made.releases] == ["", ""]


def test_a_failure_is_followed_by_a_pause_and_by_recovery():
    both = ("1.0.0", "1.1.0")
    made = times(
        [
            shift(0, "start_rollout", ("1.0.0",), both),
            shift(
                30, "move_rollout", both, both, move="pause", rollout="1.1.0"
            ),  # before the failure: for another reason
            shift(40, "move_rollout", both, both, move="resume"),
            shift(600, "move_rollout", both, both, move="pause", rollout="1.1.0"),
            shift(1200, "move_rollout", both, ("1.0.0",), move="rollback"),
        ],
        {"1.1.0": BundleReach(half=5, most=None, failed=2)},
    )
    (release,) = made.releases
    assert (release.to_half.value, release.to_95.value) == (300, None)
    assert (release.failure_to_pause.value, release.failure_to_recovery.value) == (480, 1080)
    assert made.failure_to_pause.value == 480 and made.taken_back.value == 1.0


def test_the_pause_of_a_rollout_is_none_of_the_bundle_that_the_others_get():
    both = ("1.0.0", "1.1.0")
    made = times(
        [
            shift(0, "publish_bundle", (), ("1.0.0",)),
            shift(60, "start_rollout", ("1.0.0",), both),
            shift(600, "move_rollout", both, both, move="pause", rollout="1.1.0"),
        ],
        {"1.0.0": BundleReach(None, None, 2), "1.1.0": BundleReach(None, None, 3)},
    )
    assert {each.bundle: each.failure_to_pause.value for each in made.releases} == {"1.0.0": None, "1.1.0": 420}


def test_a_release_that_is_replaced_in_time_has_not_recovered_from_anything():
    made = times(
        [shift(60, "publish_bundle", (), ("1.0.0",)), shift(WEEK, "publish_bundle", ("1.0.0",), ("1.1.0",))],
        {"1.0.0": BundleReach(1, 2, 3)},
    )
    assert made.releases[1].failure_to_recovery.value is None
    assert made.failure_to_pause.unknown == "no release was paused after a failure report"


def test_a_release_offered_elsewhere_too_has_not_recovered():
    made = times(
        [
            shift(60, "publish_bundle", (), ("1.0.0",)),
            shift(70, "set_channel", (), ("1.0.0",), channel="beta"),
            shift(90, "roll_back", ("1.0.0",), ()),
        ],
        {"1.0.0": BundleReach(None, None, 1)},
    )
    assert made.releases[0].taken_back == "roll_back" and made.releases[0].failure_to_recovery.value is None


def test_without_releases_every_time_says_why():
    made = times([])
    assert made.a_week.value == 0.0 and made.taken_back.value is None
    assert made.to_half.unknown == "nothing was released"


def test_the_median_of_two_is_the_lower_one():
    made = times(
        [shift(0, "publish_bundle", (), ("1.0.0",)), shift(0, "set_channel", (), ("1.1.0",), channel="beta")],
        {"1.0.0": BundleReach(10, None, None), "1.1.0": BundleReach(20, None, None)},
    )
    assert (made.to_half.value, made.to_half.of) == (600, 2)
