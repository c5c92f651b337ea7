"""Whom a change touches, in words: numbers with their units, and which rules keep a bundle from whom."""

import msgspec

from edge.control.shapes.features.feature_shapes import FeatureImpactView
from edge.control.shapes.impact import DevicesImpactView, ImpactView, MoveView, ReachView
from edge.page.acts.deciding import change_words
from edge.page.acts.touching import cautions_of, touches_of

MAJOR = "disable_auto_update_to_major"


def reach(**changes):
    view = {"channel": "production", "bundle": "2.0.0", "devices": 201, "offered": 0, "has_it": 0, "kept": {}}
    return ReachView(**(view | {"elsewhere": 0, "since": 1.0, "cut": False} | changes))


def answer(*moves, devices=201, reaches=()):
    counted = DevicesImpactView(
        devices=devices,
        since=1.0,
        cut=False,
        touched=sum(each.devices for each in moves),
        moves=list(moves),
        running=[],
        reaches=list(reaches),
    )
    return {"impact": ImpactView(channels=[], more_channels=0, withdrawn=[], removed=[], devices=counted, features=[])}


def said(found):
    return [f"{each.many} {each.sentence}" for each in touches_of(found)]


def test_one_device_runs_and_two_run():
    move = MoveView(runs="1.0.0", was="1.0.0", becomes="1.1.0", devices=1)
    two = MoveView(runs="1.1.0", was="2.0.0", becomes="1.1.0", devices=2)
    assert said(answer(move, two, devices=4)) == [
        "1 device runs 1.0.0. At its next check it is offered 1.1.0.",
        "2 devices run 1.1.0 and stay on it. They are not offered 2.0.0 any more.",
        "1 device of the known is not touched now.",
    ]


def test_the_rule_that_keeps_a_bundle_from_devices_is_named():
    found = answer(reaches=[reach(kept={MAJOR: 198, "bundle_withheld": 1}, elsewhere=2)])
    assert said(found) == [
        "201 devices of the known are not touched now.",
        "0 of 201 devices known here can take 2.0.0 on production, or run it.",
        f"198 devices do not get 2.0.0: cannot upgrade major version ({MAJOR}).",
        "1 device does not get 2.0.0: the bundle failed on this device before (bundle_withheld).",
        "2 devices are not on production.",
    ]
    (caution,) = cautions_of(found)
    assert caution.lead == "No known device can take 2.0.0 on production."


def test_a_new_feature_touches_no_bundle_yet_gives_values():
    found = answer()
    features = [FeatureImpactView(feature="fast", touched=201, moves=[])]
    found["impact"] = msgspec.structs.replace(found["impact"], features=features)
    assert said(found)[-1] == "201 devices of the known are offered the same bundle as now."


def test_nobody_is_warned_of_what_somebody_takes_or_time_brings():
    for fine in (reach(offered=1), reach(has_it=1), reach(kept={"outside_maintenance_window": 201}), reach(devices=0)):
        assert cautions_of(answer(reaches=[fine])) == []
    assert cautions_of(None) == [] == cautions_of({"impact": None})


def test_a_proposal_says_in_words_what_it_would_do():
    cases = {
        ("publish_bundle", "1.2.0"): "publish bundle 1.2.0",
        ("set_feature", "fast"): "change feature fast",
        ("create_message", "all devices"): "send a message to all devices",
    }
    assert {given: change_words(*given) for given in cases} == cases
