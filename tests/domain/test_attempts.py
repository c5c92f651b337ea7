"""What offers and reports do to a device's facts (PROTOCOL.md §5.8): tables with the edge values first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.attempts import (
    ATTEMPT_SECONDS,
    FailureReport,
    choose_channel,
    lift,
    newly_withheld,
    note_download,
    note_failure,
    note_install,
    note_offer,
)
from edge.domain.facts import (
    CAUSES,
    DAY_SECONDS,
    NAMES_LIMIT,
    NO_FACTS,
    WITHHELD_LIMIT,
    Cause,
    DeviceFacts,
    Failure,
    FailureStage,
    Latest,
    failure_of,
    forgot_until,
    hour_of,
    last_offered,
    latest_of,
    name_hash,
    ran_of,
)

NOW = 1_760_000_000.0
MINUTE, HOUR, DAY = 60.0, 3_600.0, float(DAY_SECONDS)
V, W, X = "1.0.4", "1.0.5", "1.0.6"
RAN = "1.0.3"
MARK = 9


class Phone:
    """One device; every step is a minute after the last."""

    def __init__(self) -> None:
        self.facts = NO_FACTS
        self.now = NOW
        self.writes = 0

    def _take(self, after: DeviceFacts) -> "Phone":
        self.writes += after != self.facts
        self.facts = after
        self.now += MINUTE
        return self

    def offered(self, version: str = V, mark: int = MARK, ran: str = RAN) -> "Phone":
        return self._take(note_offer(self.facts, name_hash(version), self.now, ran_of(ran), mark))

    def said(
        self, action: str, version: str = "", age: float = 0.0, *, dead: bool = False, ours: bool = False
    ) -> "Phone":
        report = FailureReport(version, CAUSES[action], age, dead)
        return self._take(note_failure(self.facts, report, self.now, lambda bundle, since: ours))

    def failed(self, *actions: str) -> "Phone":
        """An offer, and each as a report of it."""
        self.offered()
        for action in actions:
            self.said(action, V)
        return self

    def downloaded(self, version: str = V) -> "Phone":
        return self._take(note_download(self.facts, name_hash(version)))

    def later(self, seconds: float) -> "Phone":
        self.now += seconds
        return self

    def stage(self, version: str = V) -> FailureStage | None:
        failure = failure_of(self.facts, name_hash(version))
        return failure.stage if failure else None


ONE, TWO, THREE = ("download_fail",), ("download_fail",) * 2, ("download_fail",) * 3


@pytest.mark.parametrize(
    ("attempts", "stage"),
    [
        ((), None),
        (ONE, FailureStage.FAILED_ONCE),
        (TWO, FailureStage.FAILED_TWICE),
        (THREE, FailureStage.FOR_A_DAY),
        (("checksum_fail",), FailureStage.FAILED_ONCE),
        *[
            (attempts, FailureStage.FOR_A_DAY)
            for sure in ("decrypt_fail", "checksum_fail", "unzip_fail", "checksum_required", "session_key_required")
            for attempts in ((sure, "download_fail"), ("download_fail", sure))
        ],
        *[
            ((unsure, unsure), FailureStage.FAILED_TWICE)
            for unsure in ("finish_download_fail", "manifest_path_fail", "download_manifest_checksum_fail")
        ],
        (("update_fail",), FailureStage.FOR_GOOD),
        (("set_fail",), FailureStage.FOR_GOOD),
    ],
)
def test_how_many_attempts_withhold(attempts, stage):
    phone = Phone()
    for action in attempts:
        phone.offered().said(action, V)
    assert phone.stage() is stage


@pytest.mark.parametrize(
    ("after", "counts"),
    [(0.0, True), (59 * MINUTE, True), (ATTEMPT_SECONDS, True), (ATTEMPT_SECONDS + 1, False), (61 * MINUTE, False)],
)
def test_an_attempt_is_within_an_hour_of_its_offer(after, counts):
    facts = note_offer(NO_FACTS, name_hash(V), NOW)
    after_it = note_failure(facts, FailureReport(V, Cause.CHECKSUM_FAIL), NOW + after)
    assert (failure_of(after_it, name_hash(V)) is not None) is counts


@pytest.mark.parametrize(
    ("received_after", "age", "counts"),
    [
        (MINUTE, 0.0, True),
        (MINUTE, MINUTE, True),
        (MINUTE, MINUTE + 0.001, False),  # of the offer before
        (MINUTE, 5 * DAY, False),
        (ATTEMPT_SECONDS + 1, 0.0, False),
        (5 * DAY, 0.0, False),
        (5 * DAY, 5 * DAY - MINUTE, True),  # it was kept on the device until there was a network
        (5 * DAY, 5 * DAY - ATTEMPT_SECONDS, True),
        (5 * DAY, 5 * DAY - ATTEMPT_SECONDS - 1, False),
    ],
)
def test_the_age_of_an_event_says_which_offer_it_is_about(received_after, age, counts):
    facts = note_offer(NO_FACTS, name_hash(V), NOW)
    report = FailureReport(V, Cause.CHECKSUM_FAIL, age)
    assert (note_failure(facts, report, NOW + received_after).failures != ()) is counts


@pytest.mark.parametrize(
    ("named", "counts"), [("", True), (V, True), (RAN, True), (W, False), ("builtin", False), ("1.0.2", False)]
)
def test_a_report_names_the_offered_one_what_runs_or_nothing(named, counts):
    assert (Phone().offered().said("checksum_fail", named).stage() is not None) is counts


@pytest.mark.parametrize(("ours", "stage"), [(True, None), (False, FailureStage.FAILED_ONCE)])
def test_what_this_node_failed_itself_counts_for_nothing(ours, stage):
    assert Phone().offered().said("download_fail", ours=ours).stage() is stage


def test_after_an_outage_of_ours_the_next_offer_counts_by_itself():
    phone = Phone().offered().said("download_fail", ours=True).offered()
    assert latest_of(phone.facts).at == NOW + 2 * MINUTE
    assert phone.said("download_fail").stage() is FailureStage.FAILED_ONCE


def test_many_events_of_one_attempt_count_once():
    phone = Phone().failed("download_fail", "finish_download_fail", "download_fail", "decrypt_fail")
    assert phone.facts.failures == (
        Failure(name_hash(V), FailureStage.FAILED_ONCE, Cause.DECRYPT_FAIL, MARK, hour_of(NOW + MINUTE)),
    )


def test_an_attempt_that_names_its_certain_cause_late_withholds_all_the_same():
    phone = Phone().failed("download_fail").failed("download_fail")
    assert phone.stage() is FailureStage.FAILED_TWICE
    assert phone.said("decrypt_fail").stage() is FailureStage.FOR_A_DAY
    assert phone.said("decrypt_fail").said("download_fail").stage() is FailureStage.FOR_A_DAY


def test_a_certain_cause_is_not_covered_by_a_vague_one():
    phone = Phone().failed("checksum_fail", "download_fail").failed("download_fail")
    assert [(each.stage, each.cause) for each in phone.facts.failures] == [
        (FailureStage.FOR_A_DAY, Cause.CHECKSUM_FAIL)
    ]


@pytest.mark.parametrize("between", [lambda phone: phone, lambda phone: phone.said("download_fail")])
def test_reports_without_a_new_offer_are_of_the_attempt_before(between):
    phone = between(Phone().failed("download_fail")).later(10 * MINUTE).said("download_fail").later(DAY)
    assert phone.said("download_fail").stage() is FailureStage.FAILED_ONCE


def test_a_report_without_any_offer_counts_for_nothing():
    for action in CAUSES:
        assert Phone().said(action, V).said(action).facts == NO_FACTS


def test_a_check_is_written_once_for_each_offer_and_each_failure():
    phone = Phone().offered()
    for _ in range(50):
        phone.offered().later(5 * HOUR)
    assert phone.writes == 1
    phone.said("download_fail")  # nobody knows which of the offers it is about
    assert (phone.writes, phone.stage()) == (2, None)
    for expected in (4, 6, 8):
        for _ in range(10):
            phone.offered().later(MINUTE)
        phone.said("download_fail").said("download_fail")
        assert phone.writes == expected
    assert phone.stage() is FailureStage.FOR_A_DAY


def test_another_report_does_not_close_an_attempt():
    phone = Phone().offered().said("download_fail", W).said("checksum_fail", V)
    assert phone.stage() is FailureStage.FAILED_ONCE


def test_a_channels_choice_in_between_changes_nothing():
    phone = Phone().failed("download_fail")
    phone.facts = choose_channel(phone.facts, 7)
    assert phone.failed("download_fail").failed("download_fail").stage() is FailureStage.FOR_A_DAY
    assert phone.facts.channel == 7


def test_attempts_of_one_bundle_are_counted_on_after_another_one():
    phone = Phone().failed("download_fail").failed("download_fail").offered(W).said("download_fail").offered(V)
    assert (phone.stage(V), phone.stage(W)) == (FailureStage.FAILED_TWICE, FailureStage.FAILED_ONCE)
    assert phone.said("download_fail").stage(V) is FailureStage.FOR_A_DAY


# --- downloaded well ---


def test_checks_that_fail_after_a_download_are_about_nothing_and_write_nothing():
    phone = Phone().offered().downloaded()
    assert phone.writes == 2
    for _ in range(20):
        phone.offered().said("download_fail", RAN).downloaded().later(HOUR)
    assert (phone.writes, phone.stage()) == (2, None)


def test_a_download_after_a_failed_one_is_as_good():
    phone = Phone().failed("download_fail").downloaded()
    for _ in range(5):
        phone.offered().said("download_fail", RAN)
    assert phone.stage() is FailureStage.FAILED_ONCE


def test_a_later_offer_counts_by_itself():
    assert (
        Phone().offered().downloaded().offered(W).offered().said("download_fail", RAN).stage()
        is FailureStage.FAILED_ONCE
    )
    changed = Phone().offered().downloaded().offered(mark=MARK + 1).said("download_fail", RAN)
    assert changed.stage() is FailureStage.FAILED_ONCE


@pytest.mark.parametrize("named", [V, RAN, ""])
def test_what_is_unpacked_in_vain_after_its_download_fails(named):
    phone = Phone()
    for _ in range(2):
        phone.offered().downloaded().said("unzip_fail", named).said("download_fail", RAN)
    assert phone.stage() is FailureStage.FOR_A_DAY


def test_a_certain_cause_of_another_known_bundle_is_not_about_what_was_downloaded():
    assert Phone().offered(W).offered().downloaded().said("unzip_fail", W).stage() is None


def test_a_start_fails_after_its_download():
    assert Phone().offered().downloaded().later(30 * DAY).said("update_fail", V).stage() is FailureStage.FOR_GOOD


def test_a_download_of_what_was_not_offered_last_changes_nothing():
    assert Phone().downloaded().facts == NO_FACTS
    phone = Phone().offered(W).offered().downloaded(W)
    assert phone.writes == 2 and phone.said("download_fail", RAN).stage() is FailureStage.FAILED_ONCE


# --- withheld, and tried again ---


@pytest.mark.parametrize(
    ("waits", "tried"), [((), 1), ((1,), 2), ((1, 2), 4), ((1, 2, 4), 7), ((1, 2, 4, 7), 7), ((1, 2, 4, 7, 7), 7)]
)
def test_it_is_tried_again_after_longer_and_longer(waits, tried):
    phone = Phone().failed("checksum_fail").failed("download_fail")
    for days in waits:
        phone.later(days * DAY + HOUR).failed("download_fail")
    (failure,) = phone.facts.failures
    assert failure.until is not None
    assert tried * DAY - 5 * MINUTE < failure.until - phone.now <= tried * DAY + HOUR


def test_an_offer_that_crossed_the_report_does_not_lift_it():
    for phone in (Phone().failed("update_fail"), Phone().failed(*ONE)):
        phone.facts = note_failure(
            note_offer(phone.facts, name_hash(V), phone.now, 0, MARK), FailureReport(V, Cause.UPDATE_FAIL), phone.now
        )
        assert phone.offered().stage() is FailureStage.FOR_GOOD


def test_what_does_not_start_is_never_offered_again_and_no_download_changes_it():
    phone = Phone().failed("update_fail").later(1_000 * DAY).failed("checksum_fail").failed("checksum_fail")
    assert phone.facts.failures == (
        Failure(name_hash(V), FailureStage.FOR_GOOD, Cause.UPDATE_FAIL, 0, hour_of(NOW + MINUTE)),
    )


def test_a_start_can_fail_after_downloads_did_and_long_after_its_offer():
    phone = Phone().failed("download_fail").offered().offered(W).later(30 * DAY)
    assert phone.said("update_fail", V).stage() is FailureStage.FOR_GOOD
    assert last_offered(phone.facts) == name_hash(W)


def test_a_start_counts_whatever_the_devices_clock_says():
    assert Phone().offered().said("update_fail", V, age=9 * DAY).stage() is FailureStage.FOR_GOOD


def test_a_start_needs_its_name():
    assert Phone().offered().said("update_fail", "").facts.failures == ()
    assert Phone().offered().said("update_fail", RAN).facts.failures == ()


def test_on_ios_a_manifest_that_failed_is_dead():
    phone = Phone()
    for _ in range(3):
        phone.offered().said("download_fail", RAN, dead=True)
    assert phone.stage() is FailureStage.FOR_GOOD
    late = Phone().failed("download_fail").failed("download_fail").said("checksum_fail", dead=True)
    assert late.stage() is FailureStage.FOR_GOOD


# --- forgetting ---


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_what_is_installed_after_all_begins_from_the_beginning(attempts):
    phone = Phone()
    for _ in range(attempts):
        phone.failed("download_fail")
    phone.facts = note_install(phone.facts, name_hash(V))
    assert (phone.facts.failures, phone.facts.offered, last_offered(phone.facts)) == ((), (name_hash(V),), name_hash(V))
    assert phone.said("update_fail", V).stage() is FailureStage.FOR_GOOD


def test_an_installation_excuses_no_failed_start_and_no_other_bundle():
    failed = Phone().failed("update_fail").facts
    assert note_install(failed, name_hash(V)) == failed
    other = Phone().failed("download_fail").facts
    assert note_install(other, name_hash(W)) == other


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_device_that_has_changed_begins_from_the_beginning(attempts):
    phone = Phone()
    for _ in range(attempts):
        phone.failed("download_fail")
    phone.offered(mark=MARK + 1)
    assert (phone.facts.failures, phone.facts.offered) == ((), (name_hash(V),))
    assert phone.said("checksum_fail").stage() is FailureStage.FAILED_ONCE


def test_a_changed_device_does_not_get_what_does_not_start():
    assert Phone().failed("update_fail").offered(mark=MARK + 1).stage() is FailureStage.FOR_GOOD


def test_a_lifted_bundle_may_be_offered_and_fail_again():
    phone = Phone().failed("update_fail")
    phone.facts = lift(phone.facts, name_hash(V))
    assert (phone.facts.failures, phone.facts.offered, last_offered(phone.facts)) == ((), (), 0)
    assert lift(phone.facts, name_hash(V)) == phone.facts
    assert phone.said("update_fail", V).facts.failures == ()
    assert phone.failed("checksum_fail").failed("checksum_fail").stage() is FailureStage.FOR_A_DAY


def test_lifting_the_latest_offer_leaves_no_other_one_in_its_place():
    phone = Phone().offered(W).offered(V).said("update_fail", V)
    phone.facts = lift(phone.facts, name_hash(V))
    assert phone.said("checksum_fail").facts.failures == ()


def fails_for_good(*versions: str) -> Phone:
    phone = Phone()
    for version in versions:
        phone.offered(version).said("update_fail", version).later(40 * DAY)
    return phone


def test_a_fourth_failure_forgets_the_oldest_and_remembers_that():
    phone = fails_for_good("1.0.1", "1.0.2", "1.0.3")
    assert forgot_until(phone.facts) == 0.0
    phone = fails_for_good("1.0.1", "1.0.2", "1.0.3", "1.0.4")
    assert [each.bundle for each in phone.facts.failures] == [*map(name_hash, ("1.0.2", "1.0.3", "1.0.4"))]
    assert NOW < forgot_until(phone.facts) <= NOW + 5 * DAY


def test_attempts_make_room_before_what_is_withheld():
    phone = fails_for_good("1.0.1", "1.0.2")
    phone.offered(W).said("download_fail").offered(X).said("download_fail")
    assert [each.bundle for each in phone.facts.failures] == [*map(name_hash, ("1.0.1", "1.0.2", X))]
    assert forgot_until(phone.facts) == 0.0


def test_the_latest_offer_is_counted_on_although_three_others_are_withheld():
    phone = fails_for_good("1.0.1", "1.0.2", "1.0.3")
    assert phone.failed("download_fail").failed("checksum_fail").stage() is FailureStage.FOR_A_DAY
    assert forgot_until(phone.facts) > 0


def test_the_oldest_offers_make_room():
    phone = Phone()
    for version in (*(f"2.0.{number}" for number in range(6)), "2.0.3"):
        phone.offered(version)
    assert phone.facts.offered == tuple(map(name_hash, ("2.0.2", "2.0.4", "2.0.5", "2.0.3")))


def test_what_a_change_made_withheld_is_said_once():
    first = Phone().failed("checksum_fail").offered().facts
    second = note_failure(first, FailureReport("", Cause.DOWNLOAD_FAIL), NOW + 4 * MINUTE)
    third = Phone().failed("checksum_fail").failed("download_fail").later(2 * DAY).failed("download_fail").facts
    assert newly_withheld(first, second) == second.failures[0]
    assert newly_withheld(second, third) is None
    assert newly_withheld(NO_FACTS, first) is None


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["offer", "fail", "start", "lift", "download", "install", "choose"]),
        st.integers(1, 8),
        st.sampled_from([0.0, 30.0, 2 * HOUR, 3 * DAY]),
        st.integers(0, 1),
    ),
    max_size=60,
)


@given(EVENTS)
def test_facts_always_fit_and_only_offered_bundles_fail(events):
    facts, offered, now, forgot = NO_FACTS, set(), NOW, 0.0
    for event, number, passed, mark in events:
        now += passed
        version = f"3.0.{number}"
        bundle, before = name_hash(version), facts
        match event:
            case "offer":
                facts = note_offer(facts, bundle, now, 0, mark)
                offered.add(bundle)
                if failure_of(facts, bundle) is None:
                    assert last_offered(facts) == bundle and bundle in facts.offered
            case "fail":
                facts = note_failure(facts, FailureReport("", Cause.CHECKSUM_FAIL), now)
            case "start":
                facts = note_failure(facts, FailureReport(version, Cause.UPDATE_FAIL), now)
            case "lift":
                facts = lift(facts, bundle)
                assert failure_of(facts, bundle) is None
            case "download":
                facts = note_download(facts, bundle)
            case "install":
                facts = note_install(facts, bundle)
            case "choose":
                facts = choose_channel(facts, number)
                assert facts == before._replace(channel=number)
        names = (*(each.bundle for each in facts.failures), *facts.offered)
        assert len(names) == len(set(names)) <= NAMES_LIMIT
        assert len(facts.failures) <= WITHHELD_LIMIT
        assert set(names) <= offered
        assert forgot <= forgot_until(facts)
        forgot = forgot_until(facts)
        assert latest_of(facts).packed() == facts.latest
        assert latest_of(facts).at <= now


def test_an_unknown_latest_offer_is_too_old_for_any_report():
    """What the previous format knew has no times: the first report closes the offer, the next one counts."""
    facts = DeviceFacts(offered=(name_hash(V),))
    closed = note_failure(facts, FailureReport(V, Cause.CHECKSUM_FAIL), NOW)
    assert closed == facts._replace(latest=Latest(counted=True).packed())
    offered = note_offer(closed, name_hash(V), NOW + MINUTE)
    assert (
        failure_of(note_failure(offered, FailureReport(V, Cause.CHECKSUM_FAIL), NOW + 2 * MINUTE), name_hash(V))
        is not None
    )
