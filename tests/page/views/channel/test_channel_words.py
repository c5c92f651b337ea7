"""The sentences of a channel's page: made from the same values as its charts, and never saying more."""

from dataclasses import replace

import pytest
from channel_sights import (
    HOUR,
    LIMIT,
    NOW,
    a_change,
    a_channel,
    a_guard,
    a_report,
    a_rollout,
    a_sight,
    a_sight_in_trouble,
    a_standing,
    group,
    votes,
)
from stats_answers import an_answer

from edge.domain.guarding.evidence import SilenceEvidence, Verdict
from edge.domain.model import Phase
from edge.page.views.channel.failures import (
    before_start,
    breakdown_tables,
    cause_words,
    group_name,
    group_of,
    group_sentence,
)
from edge.page.views.channel.happened import starter, stopper, story
from edge.page.views.channel.sentences import facts, lede, pill
from edge.page.views.channel.sight import earlier_bundles
from edge.page.views.channel.spreading import allowed_steps, funnel_rows, stale_words, step_begins, success_words
from edge.page.views.channel.steps import rollout_steps
from edge.page.views.channel.trouble import alarm, alarm_figures, fix_command, heading, is_in_trouble, unsure, why_words
from edge.page.views.channel.watching import guard_charts, left_out_words, onward_words, series_of, watch_words
from edge.page.views.visit import Unread

UNREAD = Unread(code="figures_unavailable", message="the folding process does not answer")


def plain(text):
    return str(text).replace("\u202f", " ")


def looked(attempts, rate, seed=1):
    return votes(NOW - 10 * HOUR, NOW - 10, attempts, rate, seed)


def guarded(attempts, rate, verdict=Verdict.WATCHING, **changes):
    return a_sight(guard=a_guard(a_standing(looked(attempts, rate), verdict, **changes)))


def test_a_release_that_does_well_says_so_with_its_counts_and_its_limit():
    lead, rest = map(plain, lede(a_sight()))
    assert lead == "2.31.0 does well:"
    assert rest == (
        "15 of 6,810 attempts failed (0.22 %, at most 0.57 %); the limit is 2 %. It goes on to 50 % by itself at 17:20."
    )


def test_few_attempts_are_too_early_whatever_they_say():
    for rate in (0.0, 1.0):
        assert plain(lede(guarded(12, rate))[0]) == "It is too early to say how 2.31.0 does:"


def test_a_rate_that_is_not_known_to_be_within_the_limit_is_not_called_well():
    assert plain(lede(guarded(60, 0.0))[0]) == "2.31.0 is not known to be within its limit yet:"
    assert plain(lede(guarded(60, 0.08))[0]) == "2.31.0 fails more often than it may, and that may still be chance:"


def test_figures_that_cannot_be_read_are_no_zero():
    lead, rest = lede(a_sight(figures=UNREAD, guard=UNREAD))
    assert (lead, rest.partition(".")[0]) == (
        "How 2.31.0 does is not known:",
        "its figures could not be read (figures_unavailable)",
    )


def test_a_channel_that_offers_nothing_says_so():
    sight = a_sight(channel=a_channel(bundle=None, served=None), rollout=None, figures=None, earlier=[])
    assert lede(sight)[0] == "This channel offers nothing." and pill(sight) == ("idle", "Offers nothing")


def test_a_plain_release_is_told_by_who_runs_it():
    sight = a_sight(
        channel=a_channel(served="2.31.0", bundle="2.31.0"), rollout=None, guard=a_guard(None, watches=False)
    )
    lead, rest = map(plain, lede(sight))
    assert lead.startswith("2.31.0: 6,") and lead.endswith("active devices (21.0 %) run it.")
    assert rest == "Success 99.77 % (6,377 of 6,392 whose outcome is known)."
    assert watch_words(sight)[:2] == ("idle", "Off")


def test_facts_say_what_everybody_else_gets():
    found = dict(facts(a_sight()))
    assert plain(found["Everybody else"]) == "2.30.1, since 19 Nov, 06:32"
    assert plain(found["Active"]) == "31,902 devices since 26 Nov, 23:20"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "It goes on to 50 % by itself at 17:20."),
        ({"next_step_at": None}, "It stays at 25 % until somebody goes on to 50 %."),
        ({"step": 5}, ""),
        ({"phase": Phase.PAUSED}, ""),
    ],
)
def test_what_comes_next(changes, expected):
    assert plain(onward_words(a_sight(rollout=a_rollout(**changes)))) == expected


def test_a_step_that_waits_for_evidence_says_what_is_missing():
    standing = a_standing(looked(100, 0.0), waits="100 of 300 attempts")
    gated = a_rollout(gated=True, next_step_at=None, gate_opens=NOW + 2.8 * HOUR)
    waiting = a_sight(rollout=gated, guard=a_guard(standing, auto_advance=True))
    assert plain(onward_words(waiting)) == "It does not go on to 50 % yet: 100 of 300 attempts."
    enough = a_sight(rollout=gated, guard=a_guard(a_standing(looked(900, 0.0)), auto_advance=True))
    assert plain(onward_words(enough)) == "Enough is known to go on to 50 % by itself, from 17:20 on."


def test_the_heading_names_the_group_that_stands_out_else_the_counts():
    sight = a_sight_in_trouble()
    assert heading(sight) == "4.12.0 fails on Android 9 and 10"
    calm = replace(sight, guard=a_guard(a_standing(looked(96, 0.15), Verdict.FAILS, bundle="4.12.0")))
    assert heading(calm).startswith("4.12.0 paused: ") and heading(calm).endswith("of 96 attempts failed")


def test_the_alarm_says_what_how_bad_for_whom_and_whether_it_grows():
    shown = alarm(a_sight_in_trouble())
    assert plain(shown["state"]) == "Paused by the guard, 10 min ago"
    assert plain(shown["lead"]) == "14 of 96 attempts failed"
    assert plain(shown["rest"]) == (
        "(14.6 %, between 5.5 and 29 %); the limit is 2 %. On Android 9 and 10 it was 14 of 31, elsewhere 0 of 65. "
        "<b>Nobody new gets it from this node; everybody else is offered 4.11.3.</b>"
    )


def test_a_pause_by_a_person_says_who_and_why():
    sight = a_sight_in_trouble(by="anna", guard=UNREAD)
    sight = replace(sight, history=[a_change(7, sight.rollout.paused, "anna", "pause it", reason="support calls")])
    shown = alarm(sight)
    assert plain(shown["state"]) == "Paused by anna, 10 min ago" and shown["heading"] == "4.12.0 is paused"
    assert "Reason: support calls." in shown["rest"] and "Nobody new gets it" in shown["lead"]


def test_a_release_that_only_tells_is_still_offered():
    standing = a_standing(looked(96, 0.15), Verdict.FAILS)
    sight = a_sight(guard=a_guard(standing, action="notify"))
    assert is_in_trouble(sight) and alarm(sight)["state"].startswith("Still offered to 25")
    assert "It is still offered" in unsure(sight) and "Nobody" not in str(alarm(sight)["rest"])


def test_a_release_that_falls_silent_says_how_many_and_after_how_long():
    silence = SilenceEvidence(
        age_ms=21_600_000, installed=96, silent=41, allowed=0.08, log_odds=9.0, alarm_log_odds=6.9, alarm=True
    )
    sight = a_sight(guard=a_guard(a_standing(looked(96, 0.0), Verdict.SILENT, silence=silence)))
    shown = alarm(sight)
    assert shown["heading"] == "2.31.0 falls silent"
    assert shown["lead"] == "41 of 96 devices fell silent after they installed it"
    assert plain(why_words(sight)[0]) == (
        "41 of 96 devices that installed it were not heard of again within 6 h; 8.0 % are usual."
    )


def test_a_release_that_does_well_is_no_trouble():
    assert not is_in_trouble(a_sight()) and not is_in_trouble(a_sight(guard=UNREAD, figures=UNREAD))


def test_the_alarms_figures_have_denominators_and_unknown_is_a_word():
    found = {each["label"]: (plain(each["value"]), plain(each["of"])) for each in alarm_figures(a_sight_in_trouble())}
    assert found["Offered"] == ("187", "of 31,902 active (0.59 %)")
    assert found["Failed"] == ("14", "of 96 attempts")
    assert found["From report to pause"] == ("4 s", "in every worker of this node")
    blind = a_sight_in_trouble(by="anna", figures=UNREAD, guard=UNREAD)
    found = {each["label"]: each["value"] for each in alarm_figures(blind)}
    assert (found["Offered"], found["Run it now"], found["Failed"]) == ("–", "–", "not known")


def test_why_the_guard_acted_is_the_count_that_decided():
    first = plain(why_words(a_sight_in_trouble())[0])
    assert first == (
        "Without its two worst networks the count is <b>14 of 96</b>: odds of <b>2,800 to 1</b> that more than "
        "2 % fail. The guard acts at 1,000 to 1."
    )


def test_a_group_is_named_only_if_it_stands_out():
    assert group_of(a_sight().standing) is None
    assert group_sentence(None) == ("", "No group stands out.")
    lead, rest = group_sentence(group_of(a_sight_in_trouble().standing))
    assert (lead, plain(rest)) == (
        "The system decides it:",
        "Android 9 and 10: 14 of 31 attempts failed (45.2 %, between 21 and 71 %), nothing else failed.",
    )


def test_groups_of_other_words_are_listed_whole():
    rows = [group("DE", 9, 20, stands_out=True), group("PL", 9, 20, stands_out=True), group("ES", 0, 56)]
    standing = a_standing(looked(96, 0.15), breakdowns={"country": rows})
    assert group_of(standing).words == "DE and PL"


def test_causes_are_words_and_an_unknown_one_is_as_reported():
    assert cause_words("update_fail") == "Not ready in time"
    assert cause_words("quite_new_fail") == "quite_new_fail"
    assert group_name("os", "ios 17") == "iOS 17" and group_name("os", "14") == "Version 14"
    assert group_name("country", "") == "not said"


def test_a_breakdown_has_counts_beside_each_rate():
    tables = {each["title"]: each["table"] for each in breakdown_tables(a_sight())}
    assert [*tables] == ["By cause", "By platform", "By system", "By country"]
    assert [plain(each) for each in tables["By platform"]["rows"][0]["cells"][:3]] == [
        "Android",
        "12 of 4,903",
        "0.24 %",
    ]
    assert [row["hit"] for row in breakdown_tables(a_sight_in_trouble())[2]["table"]["rows"]] == [
        True,
        True,
        False,
        False,
    ]


def test_failures_before_the_start_are_apart():
    rows = before_start(a_sight().report)["table"]["rows"]
    assert [row["cells"] for row in rows] == [
        ['<span title="download_fail">Download broke</span>', "41", "7,412 offered"],
        ['<span title="unzip_fail">Could not be unpacked</span>', "2", "7,412 offered"],
    ]
    assert before_start(None) is None


def test_each_bar_of_the_funnel_names_its_denominator():
    report = a_sight().report
    rows = [(each["label"], plain(f"{each['value']} {each['of']}")) for each in funnel_rows(report.release, 31_902)]
    assert rows == [
        ("Offered", "7,412 of 31,902 active (23.2 %)"),
        ("Downloaded", "7,156 of 7,412 (96.5 %)"),
        ("Tried to start", "6,810 of 7,156 (95.2 %)"),
        ("Healthy", "6,377 of 6,810 (93.6 %)"),
        ("Not yet known", "418 of 6,810 (6.1 %)"),
        ("Failed", "15 of 6,810 (0.22 %)"),
        ("No word since", "256 of 7,412 offered (3.5 %)"),
    ]


def test_success_is_of_known_outcomes_and_never_100_percent_before_all_are_known():
    known = a_report("1", 2, 0.1, healthy=90, failed=0)
    open_ones = a_report("1", 2, 0.1, healthy=90, failed=0, unsettled=3)
    assert plain(success_words(known.release)[0]) == "Success 100 %"
    assert success_words(open_ones.release)[0] == "Success all so far"
    assert success_words(a_report("1", 2, 0.1, healthy=0, failed=0).release)[0] == "Success not known"


def test_steps_say_when_and_what_was_counted_by_their_end():
    steps = rollout_steps(a_sight())
    assert [(plain(each["share"]), each["kind"]) for each in steps] == [
        *(("1 %", "done"), ("5 %", "done"), ("25 %, now", "here"), ("50 %", ""), ("100 %", "")),
    ]
    assert plain(steps[1]["lines"][0]) == "05:20" and steps[2]["lines"][1] == "6,810 tried · 15 failed"
    assert plain(steps[3]["lines"][0]) == "17:20, in 2 h 48 min"
    held = rollout_steps(a_sight_in_trouble())
    assert (held[0]["kind"], held[0]["lines"][:2], held[1]["lines"][0]) == (
        "held",
        ["held here", "14:02 to 14:21"],
        "not begun",
    )


def test_a_step_between_is_dated_only_if_all_took_as_long_as_planned():
    assert step_begins(0.0, 7200.0, 3, 3600) == [0.0, 3600.0, 7200.0]
    assert step_begins(0.0, 9000.0, 3, 3600) == [0.0, None, 9000.0]
    assert step_begins(5.0, 5.0, 1, 0) == [5.0]
    assert [share for _, share in allowed_steps(a_sight(), int(NOW - 15 * HOUR))] == [0.01, 0.05, 0.25]


def test_the_story_is_newest_first_and_has_the_deciding_report():
    entries = story(a_sight_in_trouble())
    assert [each["lead"] for each in entries] == [
        "Paused the rollout on production",
        "The report that decided",
        "First failure",
        "First device was offered it",
        "Started the rollout of 4.12.0 on production",
    ]
    assert entries[0]["of"] == "r1842 by the guard · 14 of 96 installs failed" and entries[0]["tone"] == "bad"
    assert stopper(a_sight_in_trouble()).by == "guard" and starter(a_sight()) == "ci-release"
    assert story(a_sight(history=UNREAD, guard=UNREAD)) == []


def test_counting_that_stands_still_is_dated():
    old = a_standing(looked(900, 0.0), as_of_ms=int((NOW - 840) * 1000))
    assert plain(stale_words(a_sight(figures=UNREAD, guard=a_guard(old)))) == "14:18, 14 min ago"
    assert stale_words(a_sight()) == ""


def test_what_is_not_counted_is_said():
    assert left_out_words(a_sight_in_trouble()) == (
        "4 more attempts (1 failed) are not counted: their networks had sent as many as one network may."
    )
    assert "limit of devices" in left_out_words(guarded(90, 0.0, full=True))


def test_charts_wait_for_a_first_attempt():
    (empty,) = guard_charts(a_sight(guard=a_guard(None)))
    assert "No device has tried to start it yet." in empty
    assert guard_charts(a_sight(guard=a_guard(None, watches=False))) == []


def test_the_guards_line_is_where_it_acts():
    sight = a_sight()
    series = series_of(sight, sight.guard)
    assert round(series.acts_at) == 1000 and series.limit == LIMIT
    assert [plain(mark.words) for mark in series.marks] == ["5 %", "25 %"]


def test_the_fix_is_a_command_with_the_same_steps():
    assert fix_command(a_sight_in_trouble()) == (
        "edge bundle publish com.example.rider dist --version NEW --channel production \\\n"
        "    --rollout 1,5,25,50,100 --every 6h"
    )


def test_earlier_releases_are_the_latest_others():
    channel = a_channel(earlier=["1", "2", "2.30.1", "3", "builtin"])
    assert earlier_bundles(channel, "2.31.0") == ["2.30.1", "3", "2"]


def test_figures_of_nobody_are_no_figures():
    empty = a_report("2.31.0", 1, 0.0, healthy=0, failed=0)
    lead, _ = lede(a_sight(figures=an_answer(report=empty), guard=a_guard(None)))
    assert lead == "2.31.0 was offered to nobody yet."


def test_a_release_that_nobody_guards_has_counts_by_cause_and_system():
    report = a_report("2", 5, 0.2, healthy=50, failed=21, failures=[("update_fail", "14", 17), ("set_fail", "13", 4)])
    sight = a_sight(rollout=None, figures=an_answer(report=report), guard=a_guard(None, watches=False))
    cause, system = breakdown_tables(sight)
    assert [row["cells"][1] for row in cause["table"]["rows"]] == ["17 of 21", "4 of 21"]
    assert [row["cells"] for row in system["table"]["rows"]] == [["Android 14", "17 of 21"], ["Android 13", "4 of 21"]]
    assert breakdown_tables(a_sight(figures=UNREAD, guard=UNREAD)) == []


def test_the_revision_tells_of_a_pause_whose_counts_cannot_be_read():
    sight = a_sight_in_trouble(guard=UNREAD, figures=UNREAD)
    reason = "paused: 14 of 130 installs failed, 3.9 to 22 %; the limit is 2 %"
    sight = replace(sight, history=[a_change(7, sight.rollout.paused, "guard", "deed=pause", reason=reason)])
    shown = alarm(sight)
    assert shown["heading"] == "4.12.0 paused: 14 of 130 installs failed"
    assert shown["lead"] == "14 of 130 installs failed"
    assert plain(shown["rest"]).startswith("3.9 to 22 %; the limit is 2 %. <b>Nobody new gets it")
    figures = {each["label"]: (each["value"], each["of"]) for each in alarm_figures(sight)}
    assert figures["Failed"] == ("14", "of 130, when it was paused")
