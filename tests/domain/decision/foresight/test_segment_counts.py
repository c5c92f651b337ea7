"""Who is in which segments, counted by the real expressions; what is unknown is in no sum."""

from factories import a_change, a_check, a_released_app, a_snapshot, failed

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import SegmentSettings, SetSegment
from edge.domain.decision.foresight.segment_counts import both_in, count_segments
from edge.domain.facts import NO_FACTS, Behaviour

DEVICES = [
    (a_check(custom_id="qa-1", version_name="1.0.1"), NO_FACTS._replace(behaviour=Behaviour(sessions_7d=4))),
    (a_check(custom_id="qa-2"), NO_FACTS._replace(failures=failed("1.1.0"))),
    (
        a_check(custom_id="corp-1"),
        NO_FACTS._replace(behaviour=Behaviour(sessions_7d=20, errors_7d=3)),
    ),
    (a_check(), NO_FACTS),
]


def counts():
    state = a_released_app("1.0.1")
    for name, where in (("testers", 'custom_id.startsWith("qa-")'), ("named", 'custom_id != ""')):
        state = apply(state, a_change(SetSegment(name=name, settings=SegmentSettings(where=where))))
    return count_segments(a_snapshot(state), DEVICES)


def test_devices_are_counted_in_every_segment_that_they_are_in():
    found = counts()
    assert {name: use.devices for name, use in found.uses.items()} == {"named": 3, "testers": 2}
    assert (found.devices, found.in_any, found.unjudged) == (4, 3, 2)
    assert both_in(found) == {"named": {"named": 3, "testers": 2}, "testers": {"named": 2, "testers": 2}}


def test_what_they_run_and_do_is_told_of_those_of_whom_it_is_known():
    use = counts().uses["named"]
    assert (use.judged, use.sessions, use.errors, use.withheld) == (2, 24, 3, 1)
    assert use.running.total() == 3 and use.running["1.0.1"] == 1
