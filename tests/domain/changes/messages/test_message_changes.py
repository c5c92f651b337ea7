"""Messages as changes of an app: what is refused, cancelled, undone."""

from dataclasses import replace

import pytest
from factories import NOW, a_change, an_app

from edge.domain.app_parts.stored_messages import MESSAGE_CAPS, DeviceCap, MessageText, SendTime
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import DeleteApp, DeleteSegment, SegmentSettings, SetSegment, Undo
from edge.domain.changes.messages.message_changes import MESSAGES_LIMIT, parse_cap, parse_quiet, parse_send_time
from edge.domain.changes.messages.message_commands import (
    CancelMessage,
    CreateMessage,
    NewMessageText,
    NewMessageWords,
    SetMessageCaps,
)
from edge.domain.errors import EdgeError

TEXT = NewMessageText(title="Hello", body="There is something new")
CREATE = CreateMessage(texts=(TEXT,), when="now", expected=3)
DAY = 86_400


def created(state=None, at=NOW, number=1, **changes):
    command = CreateMessage(**({"texts": CREATE.texts, "when": "now", "expected": 3} | changes))
    return apply(state or an_app(), a_change(command, at=at, id=f"change-{number}"))


def refused(state=None, **changes):
    with pytest.raises(EdgeError) as error:
        created(state, **changes)
    return error.value.code


def only(state):
    (message,) = state.messages.values()
    return message


def test_a_message_is_stored_as_it_was_checked():
    message = only(created(when="best", quiet="22:00-08:00", cap="3/week", data={"screen": "offers"}, hold_out=5_000))
    assert (message.time, message.quiet, message.cap) == (SendTime.BEST, (1_320, 480), DeviceCap(times=3, days=7))
    assert message.texts == (MessageText(name="A", title="Hello", body="There is something new"),)
    assert (message.created, message.expected, message.hold_out) == (NOW, 3, 5_000)
    assert message.id.startswith("m-")


def with_locale(*names, title="Neu"):
    return NewMessageText(title="New", locales={name: NewMessageWords(title=title) for name in names})


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"texts": ()}, "invalid_texts"),
        ({"texts": (NewMessageText(),)}, "invalid_texts"),
        ({"texts": (TEXT, TEXT)}, "invalid_texts"),
        ({"texts": (TEXT,), "silent": True}, "invalid_texts"),
        ({"texts": (NewMessageText(title="x" * 201),)}, "invalid_title"),
        ({"texts": (NewMessageText(title="a\nb"),)}, "invalid_title"),
        ({"texts": (NewMessageText(body="\u202e"),)}, "invalid_body"),
        ({"texts": (NewMessageText(title="a\0b"),)}, "invalid_title"),
        ({"texts": (NewMessageText(title="a\u2028b"),)}, "invalid_title"),
        ({"texts": (NewMessageText(title="a\ud800"),)}, "invalid_title"),
        ({"texts": (with_locale("d"),)}, "invalid_locale"),
        ({"texts": (with_locale("de", "DE"),)}, "invalid_locale"),
        ({"texts": (with_locale(*(f"d{a}{b}" for a in "abcdefg" for b in "abcdef")),)}, "invalid_locale"),
        ({"texts": (with_locale("de", title=""),)}, "invalid_texts"),
        ({"texts": (with_locale("de", title="a\nb"),)}, "invalid_title"),
        ({"texts": (NewMessageText(locales={"de": NewMessageWords(title="x")}),)}, "invalid_texts"),
        ({"segment": "nobody"}, "unknown_segment"),
        ({"where": "platfrm == 1"}, "invalid_expression"),
        ({"where": 'in_set("vip")'}, "unknown_id_set"),
        ({"segment": "a", "where": "is_prod"}, "invalid_audience"),
        ({"when": "soon"}, "invalid_when"),
        ({"when": "2026-02-30 09:00 local"}, "invalid_when"),
        ({"when": "2026-12-01 09:00"}, "invalid_when"),
        ({"when": "2001-01-01 09:00 UTC"}, "when_passed"),
        ({"when": "2999-01-01 09:00 local"}, "when_too_far"),
        ({"quiet": "22-8"}, "invalid_quiet"),
        ({"quiet": "08:00-08:00"}, "invalid_quiet"),
        ({"cap": "0/week"}, "invalid_cap"),
        ({"cap": "3/fortnight"}, "invalid_cap"),
        ({"share": 0}, "invalid_share"),
        ({"hold_out": 100_000}, "invalid_share"),
        ({"ttl_seconds": 59}, "invalid_ttl"),
        ({"data": {"edge_message": "1"}}, "invalid_message_data"),
        ({"data": {"google.x": "1"}}, "invalid_message_data"),
        ({"data": {"a": "x" * 1_001}}, "invalid_message_data"),
        ({"data": {f"k{number}": "" for number in range(21)}}, "invalid_message_data"),
        ({"expected": -1}, "invalid_expected"),
    ],
)
def test_what_is_no_message_is_refused(changes, code):
    assert refused(**changes) == code


FAMILY, WALES, NEWER = (
    "👩\u200d👩\u200d👧",
    "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
    "\U0001fae9",
)


@pytest.mark.parametrize(
    "title", ["Nouveau\u00a0!", "Prêt\u202f?", "新着\u3000あり", "می\u200cخواهم", "שלום\u200f!", FAMILY, WALES, NEWER]
)
def test_words_of_every_language_are_taken_as_they_are_written(title):
    assert only(created(texts=(NewMessageText(title=title),))).texts[0].title == title


def test_a_silent_one_has_no_words():
    assert only(created(texts=(NewMessageText(),), silent=True)).silent


def test_times_are_read_with_what_they_mean():
    assert parse_send_time("2023-11-15 09:00 local", NOW) == (SendTime.LOCAL, 1_700_038_800.0)
    assert parse_send_time("2023-11-15T09:00Z", NOW) == (SendTime.AT, 1_700_038_800.0)
    assert parse_quiet("22:00-08:30") == (1_320, 510)
    assert [parse_cap(text) for text in ("1/day", "5/14d")] == [DeviceCap(times=1, days=1), DeviceCap(times=5, days=14)]


def test_a_cancelled_message_stays_cancelled():
    state = created()
    cancel = CancelMessage(message=only(state).id)
    cancelled = apply(state, a_change(cancel, at=NOW + 60))
    assert only(cancelled).cancelled == NOW + 60
    assert apply(cancelled, a_change(cancel, at=NOW + 90)) is cancelled
    undone = apply(cancelled, a_change(Undo(revision=cancelled.revision), at=NOW + 99), state)
    assert only(undone).cancelled == NOW + 60


def test_an_undone_message_is_cancelled():
    state = created()
    undone = apply(state, a_change(Undo(revision=state.revision), at=NOW + 60), an_app())
    assert only(undone).cancelled == NOW + 60


def test_the_undo_of_an_apps_deletion_brings_its_messages_back_unsent():
    state = created()
    gone = apply(state, a_change(DeleteApp(app=state.app), at=NOW + 60))
    undone = apply(gone, a_change(Undo(revision=gone.revision), at=NOW + 90), state)
    assert only(undone).cancelled == NOW + 90 and not undone.deleted


def test_what_is_over_cannot_be_cancelled():
    state = created(ttl_seconds=60)
    with pytest.raises(EdgeError) as error:
        apply(state, a_change(CancelMessage(message=only(state).id), at=NOW + 3 * DAY))
    assert error.value.code == "message_over"


def test_a_segment_that_a_planned_message_reads_is_kept():
    state = apply(an_app(), a_change(SetSegment(name="team", settings=SegmentSettings(where="is_prod"))))
    state = created(state, segment="team", when="2023-11-20 09:00 local")
    with pytest.raises(EdgeError) as error:
        apply(state, a_change(DeleteSegment(name="team"), at=NOW + DAY))
    assert error.value.code == "segment_in_use"
    assert not apply(state, a_change(DeleteSegment(name="team"), at=NOW + 30 * DAY)).segments


def test_the_oldest_that_is_over_makes_room():
    first = only(created(ttl_seconds=60))
    past = {f"m-{number}": replace(first, id=f"m-{number}", created=NOW - number) for number in range(MESSAGES_LIMIT)}
    state = created(replace(an_app(), messages=past), at=NOW + 10 * DAY, number=2)
    assert len(state.messages) == MESSAGES_LIMIT and f"m-{MESSAGES_LIMIT - 1}" not in state.messages
    undo = a_change(Undo(revision=state.revision), at=NOW + 10 * DAY)
    undone = apply(state, undo, replace(an_app(), messages=past))
    assert {name: undone.messages[name] for name in past} == past, "also the one that made room"
    assert refused(replace(an_app(), messages=past), number=3) == "too_many_messages"


def test_caps_of_an_app_are_set_and_kept():
    capped = apply(an_app(), a_change(SetMessageCaps(per_day=5, device="3/week")))
    assert (capped.message_caps.per_day, capped.message_caps.device) == (5, DeviceCap(times=3, days=7))
    assert apply(capped, a_change(SetMessageCaps(per_day=5, device="3/week"), id="again")) is capped
    assert an_app().message_caps == MESSAGE_CAPS
