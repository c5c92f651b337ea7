"""The guard at work: a finding becomes one change, whatever fails in between, and none once a person has decided."""

import asyncio
from contextlib import suppress

import pytest
from factories import APP, NOW
from guarded_node import Node, a_move, roll_out, rules
from node_world import PROMPT_SECONDS
from truths import a_published, a_released_truth

from edge.assembly.guarding.guard_duty import TRIES_LIMIT
from edge.domain.changes.commands import (
    ChannelSettings,
    PublishBundle,
    SetChannel,
)
from edge.domain.changes.guard.guard_commands import Finding
from edge.domain.guard_policy import GuardAction, Guarded
from edge.domain.guarding.evidence import Verdict
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.model import Phase
from edge.domain.schedule.rollout import Move
from edge.messages.notice import NoticeKind
from edge.store.damage import NotTaken


@pytest.fixture
def node(tmp_path):
    truth = a_released_truth(tmp_path / "truth")
    truth.commit(PublishBundle(bundle=a_published(truth, "1.1.0")))
    return Node(truth)


async def test_a_failing_rollout_is_paused_once_with_figures(node):
    roll_out(node)
    found = node.evidence()
    await node.find()
    assert node.channel.rollout.phase is Phase.PAUSED
    line = node.last()
    assert (line.by, line.kind, line.move) == ("guard", "guard_acts", "pause")
    assert line.reason == "paused: 14 of 96 installs failed, 5.5 to 29 %; the limit is 2 %"
    figures = line.guard.figures
    assert (figures.offered, figures.attempts, figures.failed, figures.max_failure) == (300, 96, 14, 2_000)
    assert node.announced == [(APP, line.number)]
    (notice,) = node.posted
    assert (notice.id, notice.kind, notice.bundle) == (line.change_id, NoticeKind.GUARD_PAUSED, "1.1.0")
    await node.guard.hear(found)  # the folding process says it again after each fold
    await node.guard.act()
    assert (node.last().number, node.guard.deeds) == (line.number, {"pause": 1})


async def test_a_late_finding_leaves_alone_what_a_person_has_resumed(node):
    roll_out(node)
    late = node.evidence()
    node.truth.commit(a_move(Move.PAUSE))
    node.truth.commit(a_move(Move.RESUME))
    await node.guard.hear(late)
    await node.guard.act()
    assert node.channel.rollout.phase is Phase.RUNNING
    assert (node.announced, node.guard.blocked) == ([], 0)


async def test_two_processes_that_find_the_same_pause_once(node):
    roll_out(node)
    other, found = Node(node.truth), node.evidence()
    for each in (node, other):
        await each.guard.hear(found)
        await each.guard.act()
    assert [line.kind for line in node.truth.releases.history(APP, 10)].count("guard_acts") == 1


async def test_a_store_that_cannot_be_written_is_tried_again(node):
    roll_out(node)
    heads = node.truth.head_file()
    whole = heads.read_bytes()
    heads.write_bytes(b"torn")
    await node.find()
    assert (node.guard.blocked, node.posted) == (1, [])
    heads.write_bytes(whole)
    await node.guard.act()
    assert (node.guard.blocked, node.channel.rollout.phase) == (0, Phase.PAUSED)


async def test_the_guard_gives_up_in_the_end_and_says_so(node):
    roll_out(node)
    found = node.evidence()
    node.truth.head_file().write_bytes(b"torn")
    await node.guard.hear(found)
    for _ in range(TRIES_LIMIT + 1):
        await node.guard.act()
    assert (node.guard.given_up, node.guard.blocked) == (1, 0)


async def test_a_store_that_can_be_written_after_minutes_gets_one_pause_and_people_one_message(node):
    roll_out(node)
    heads = node.truth.head_file()
    whole = heads.read_bytes()
    heads.write_bytes(b"torn")
    for _ in range(2 * TRIES_LIMIT):  # each fold finds it again, also after the guard gave up
        await node.find()
        assert node.guard.blocked or node.guard.given_up
    assert node.guard.given_up == 2 and (node.posted, node.announced) == ([], [])
    heads.write_bytes(whole)
    for _ in range(3):
        await node.find(attempts=120)
    assert (node.guard.blocked, node.guard.deeds, len(node.posted)) == (0, {"pause": 1}, 1)
    assert node.channel.rollout.phase is Phase.PAUSED and node.last().guard.figures.attempts == 120


async def test_what_cannot_be_told_now_is_told_later(node):
    roll_out(node)
    node.refuses = True
    await node.find()
    assert node.posted == []
    node.refuses = False
    await node.guard.tell()
    await node.guard.tell()
    assert [each.kind for each in node.posted] == [NoticeKind.GUARD_PAUSED]


async def test_a_process_that_died_before_telling_has_a_successor_that_tells(node):
    roll_out(node)
    node.refuses = True
    await node.find()
    node.now += 60
    successor = Node(node.truth, now=node.now)
    await successor.guard.look()
    await successor.guard.tell()
    assert [each.id for each in successor.posted] == [node.last().change_id]
    much_later = Node(node.truth, now=node.now + 86_400)
    await much_later.guard.look()
    await much_later.guard.tell()
    assert much_later.posted == []


async def test_notify_tells_once_and_changes_no_offer(node):
    roll_out(node, rules(action=GuardAction.NOTIFY))
    await node.find()
    await node.find()
    assert (node.channel.rollout.phase, node.guard.deeds) == (Phase.RUNNING, {"tell": 1})
    assert [each.kind for each in node.posted] == [NoticeKind.GUARD_ALARM]


async def test_silence_notifies_and_pauses_only_where_asked_to(node):
    roll_out(node)
    await node.find(Verdict.SILENT)
    assert (node.channel.rollout.phase, node.posted[-1].kind) == (Phase.RUNNING, NoticeKind.RELEASE_SILENT)
    node.truth.commit(rules(silence=GuardAction.PAUSE))
    await node.find(Verdict.SILENT)
    assert node.channel.rollout.phase is Phase.PAUSED


async def test_a_rollback_waits_for_devices_known_for_a_day_and_pauses_meanwhile(node):
    roll_out(node, rules(action=GuardAction.ROLLBACK))
    await node.find()
    assert node.channel.rollout.phase is Phase.PAUSED
    await node.find()
    assert node.guard.deeds == {"pause": 1}
    await node.find(rolls_back=True)
    assert node.channel.rollout.phase is Phase.ROLLED_BACK
    assert [each.bundle for each in node.channel.taken_back] == ["1.1.0"]


async def test_the_guard_takes_nothing_back_that_a_person_has_paused(node):
    roll_out(node, rules(action=GuardAction.ROLLBACK))
    node.truth.commit(a_move(Move.PAUSE))
    await node.find(rolls_back=True)
    assert node.channel.rollout.phase is Phase.PAUSED


async def test_a_plain_publish_is_paused_where_everything_is_guarded(node):
    node.truth.commit(SetChannel(name="production", settings=ChannelSettings(bundle="1.1.0")))
    node.truth.commit(rules(guarded=Guarded.EVERYTHING))
    await node.find()
    assert (node.channel.bundle, node.channel.rollout.bundle) == ("1.0.1", "1.1.0")
    assert node.channel.rollout.phase is Phase.PAUSED


async def test_a_gated_step_ends_when_its_time_is_up_and_enough_is_known(node):
    roll_out(node, rules(auto_advance=True))
    await node.find(Verdict.PASSES)  # too early
    assert (node.channel.rollout.step, node.guard.deeds) == (0, {})
    node.now = NOW + 3_601
    node.known = node.evidence(Verdict.WATCHING, waits="waits for more attempts: it has 12")
    await node.guard.look()
    await node.guard.look()
    await node.guard.tell()
    assert node.guard.deeds == {"wait": 1}
    assert node.last().reason == "waits for more attempts: it has 12"
    assert node.posted[-1].kind is NoticeKind.ROLLOUT_WAITS
    await node.find(Verdict.PASSES)
    assert (node.channel.rollout.step, node.posted[-1].kind) == (1, NoticeKind.ROLLOUT_ADVANCED)


async def test_a_gated_step_that_is_known_well_does_not_wait(node):
    roll_out(node, rules(auto_advance=True))
    node.now = NOW + 3_601
    node.known = node.evidence(Verdict.PASSES)
    await node.guard.look()
    await node.guard.act()
    assert (node.channel.rollout.step, node.guard.deeds) == (1, {"advance": 1})


@pytest.mark.parametrize("counted, advances", [(5, False), (3_599, False), (3_601, True)])
async def test_what_was_counted_before_the_step_was_over_advances_nothing(node, counted, advances):
    roll_out(node, rules(auto_advance=True))
    node.now = NOW + 3_602
    await node.find(Verdict.PASSES, as_of_ms=int((NOW + counted) * 1000))
    assert node.channel.rollout.step == int(advances)


async def test_a_step_waits_for_counting_that_stands_still_and_says_so(node):
    roll_out(node, rules(auto_advance=True))
    node.known = node.evidence(Verdict.PASSES, as_of_ms=int((NOW + 60) * 1000))
    node.now = NOW + 3_601
    await node.guard.look()  # the next fold may say it still
    assert node.guard.deeds == {}
    node.now = NOW + 3_601 + 120
    await node.guard.look()
    await node.guard.act()
    assert (node.channel.rollout.step, node.guard.deeds) == (0, {"wait": 1})
    assert node.last().reason.startswith("waits: nothing was counted since ")
    late = node.evidence(Verdict.PASSES)
    node.now += 90  # it could not be acted on for so long
    await node.guard.hear(late)
    await node.guard.act()
    assert node.channel.rollout.step == 0
    await node.find(Verdict.PASSES)
    assert node.channel.rollout.step == 1


async def test_a_step_waits_for_the_reports_of_a_region_and_a_pause_does_not(node):
    roll_out(node, rules(auto_advance=True))
    node.now = NOW + 3_601 + 120
    cut_off = ReportedUntil("a1", "eu-1", "eu", int((NOW + 3_000) * 1000))
    whole = ReportedUntil("b2", "us-1", "us", int((NOW + 3_700) * 1000))
    node.known = node.evidence(Verdict.PASSES, reported=(whole, cut_off))
    await node.find(Verdict.PASSES, reported=(whole, cut_off))
    await node.guard.look()
    assert (node.channel.rollout.step, node.guard.deeds) == (0, {"wait": 1})
    assert node.last().reason == "waits for the reports of eu (eu-1), complete until 721 s ago"
    await node.find(Verdict.PASSES, reported=(whole, ReportedUntil("a1", "eu-1", "eu", int((NOW + 3_601) * 1000))))
    assert node.channel.rollout.step == 1
    await node.find(Verdict.FAILS, reported=(whole, cut_off))
    assert node.channel.rollout.phase is Phase.PAUSED


async def test_a_step_that_a_dead_region_holds_is_told_once_more_and_does_not_begin(node):
    roll_out(node, rules(auto_advance=True))
    node.now = NOW + 3_700
    await node.guard.look()  # nothing is known yet: that is told
    node.nodes = (ReportedUntil("a1", "eu-1", "eu", int((NOW + 3_000) * 1000)),)
    await node.guard.look()
    await node.guard.tell()
    assert (node.guard.deeds, node.guard.held_steps) == ({"wait": 1}, 0)
    node.now = NOW + 3_000 + 901
    for _ in range(3):
        await node.guard.look()
    await node.guard.tell()
    assert (node.channel.rollout.step, node.guard.deeds, node.guard.held_steps) == (0, {"wait": 2}, 1)
    assert node.last().reason == (
        "waits for the reports of eu (eu-1), complete until 901 s ago; without them no step begins"
    )
    told = node.posted[-1]
    assert (told.kind, told.id) == (NoticeKind.ROLLOUT_WAITS, node.last().change_id)
    assert "edge node forget NODE" in told.text and "edge rollout advance" in told.text
    other = Node(node.truth, now=node.now, nodes=node.nodes)
    await other.guard.look()
    assert other.guard.deeds == {}
    node.nodes = ()
    await node.find(Verdict.PASSES)
    await node.guard.look()
    assert (node.channel.rollout.step, node.guard.held_steps) == (1, 0)


async def test_what_was_found_by_other_rules_leads_to_nothing(node):
    roll_out(node)
    late = node.evidence()
    node.truth.commit(rules(max_failure=20_000))
    await node.guard.hear(late)
    await node.guard.act()
    assert (node.channel.rollout.phase, node.guard.deeds, node.guard.blocked) == (Phase.RUNNING, {}, 0)
    await node.find()
    assert node.channel.rollout.phase is Phase.PAUSED


async def test_no_step_begins_by_time_while_the_guard_is_blind(node):
    roll_out(node)
    node.now, node.blind = NOW + 3_600 - 120, ""
    await node.unseen()
    node.blind = "events were last counted 91 s ago"
    node.now = NOW + 3_600 - 40  # blind for 80 s, and the step is not yet near
    await node.unseen()
    assert node.guard.deeds == {}
    node.now = NOW + 3_600 - 20
    await node.unseen()
    await node.guard.tell()
    rollout, line = node.channel.rollout, node.last()
    assert (rollout.phase, rollout.frozen) == (Phase.PAUSED, 5_000)
    assert line.reason == f"paused: the guard is blind, so no step begins by time: {node.blind}"
    assert (node.posted[-1].kind, line.guard.finding) == (NoticeKind.GUARD_PAUSED, Finding.BLIND)
    assert "edge doctor" in node.posted[-1].text


async def test_a_short_gap_in_counting_pauses_nothing(node):
    roll_out(node)
    node.now = NOW + 3_600 - 50
    await node.unseen()
    node.now, node.blind = NOW + 3_600 - 5, "the process that counts them is not running"
    await node.unseen()
    node.now, node.blind = NOW + 3_600 + 5, ""
    await node.unseen()
    assert node.guard.deeds == {}
    node.now, node.blind = NOW + 3_600 + 100, "the process that counts them is not running"
    await node.unseen()  # the step began while the guard saw
    assert node.guard.deeds == {}


async def test_a_step_that_has_begun_unseen_is_paused_late(node):
    roll_out(node)
    node.now = NOW + 3_600 - 50
    await node.unseen()
    node.now, node.blind = NOW + 3_600 + 50, "the disk is full"
    await node.unseen()
    assert (node.channel.rollout.phase, node.channel.rollout.step) == (Phase.PAUSED, 1)


async def test_a_guard_that_only_notifies_says_that_it_is_blind_once(node):
    roll_out(node, rules(action=GuardAction.NOTIFY))
    node.blind = "the disk is full"
    for later in (3_590, 3_595, 7_195):
        node.now = NOW + later
        await node.unseen()
    await node.guard.tell()
    assert (node.channel.rollout.phase, node.guard.deeds) == (Phase.RUNNING, {"tell": 1})
    assert "nobody sees whether 1.1.0 fails" in node.posted[-1].title


async def test_what_nothing_follows_from_is_not_looked_into_after_each_fold(node):
    roll_out(node)
    await node.guard.look()
    node.truth.head_file().write_bytes(b"torn")  # whoever looks cannot read it
    await node.find(Verdict.PASSES)
    assert node.guard.blocked == 0
    await node.find(Verdict.FAILS, rolls_back=False)
    assert node.guard.blocked == 1


async def test_apps_that_change_are_read_again(node):
    await node.guard.look()
    assert node.guard.watched.acting == 0
    roll_out(node)
    await node.guard.look()
    assert node.guard.watched.acting == 1
    node.truth.commit(a_move(Move.ROLL_BACK))
    await node.guard.look()
    assert (node.guard.watched.acting, node.guard.watched.watches) == (0, {})
    assert node.guarding == [False, True, False]  # who counts is told at once


async def test_what_was_found_does_not_wait_for_an_answer_about_another_release(node):
    roll_out(node, rules(auto_advance=True))
    node.now = NOW + 3_601
    found, asked, paused = node.evidence(), asyncio.Event(), asyncio.Event()

    async def never(app, channel):
        asked.set()
        await asyncio.Event().wait()

    async def announced(app, head):
        paused.set()
        return NotTaken()

    node.guard._standing, node.guard._announce = never, announced
    async with asyncio.timeout(PROMPT_SECONDS):
        running = asyncio.create_task(node.guard.run())
        await asked.wait()
        await node.guard.hear(found)
        await paused.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert node.channel.rollout.phase is Phase.PAUSED
