"""What `edge explain` says of a device's place: its country, and how far that is from the node; and of the context with
which an app asks for a feature."""

import json

import pytest
from factories import APP, DEVICE, a_change
from features_asked import rule, setting
from node_world import a_truth, publish

from edge.assembly.clock import NodeClock
from edge.assembly.current_snapshots import CurrentSnapshots
from edge.assembly.explaining import Explaining
from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.changes.commands import ChannelSettings, CreateChannel, SegmentSettings, SetSegment
from edge.domain.changes.features.feature_commands import NewFeatureShare
from edge.domain.errors import Invalid
from edge.domain.facts import NO_FACTS
from edge.domain.targeting.places import NO_PLACE, Location, NodePlace
from edge.node.service.snapshots.builder import SnapshotBuilder

BODY = {"app_id": APP, "device_id": DEVICE, "platform": "ios", "version_name": "1.0.0", "version_build": "1.0.0"}


class NothingKnown:
    def facts_of(self, app, device):
        return NO_FACTS


@pytest.fixture
def explaining(tmp_path):
    truth = a_truth(tmp_path)
    publish(truth, "1.0.1")
    truth.releases.commit(APP, a_change(CreateChannel(name="near", settings=ChannelSettings())))
    truth.releases.commit(
        APP, a_change(SetSegment(name="near", settings=SegmentSettings(where="distance <= 500", channel="near")))
    )

    rules = (rule("red", where='platform != "ios" && country == "DE"'),)
    truth.releases.commit(APP, a_change(setting("colour", FeatureKind.STRING, "grey", rules=rules)))
    half = NewFeatureShare(share=50_000, value="true")
    truth.releases.commit(APP, a_change(setting("drawn", FeatureKind.BOOLEAN, False, share=half)))

    def at(place):
        snapshots = CurrentSnapshots(truth.releases, SnapshotBuilder(truth.store, place))
        return Explaining(snapshots, NothingKnown(), NodeClock(truth.releases), "https://updates.example.com", place)

    return at


BERLIN = NodePlace("eu", Location(52.5, 13.4))


@pytest.mark.parametrize(
    ("place", "country", "distance", "channel"),
    [
        (BERLIN, "DE", {"distance": 258}, "near"),
        (BERLIN, "US", {"distance": 7_868}, "production"),
        (BERLIN, "", {}, "production"),
        (NO_PLACE, "DE", {}, "production"),
    ],
)
async def test_a_device_is_as_far_away_as_its_country(explaining, place, country, distance, channel):
    body = json.dumps(BODY | {"plugin_version": "8.51.14"}).encode()
    told = await explaining(place).explain(APP, body, country)
    assert {name: value for name, value in told.asked.items() if name == "distance"} == distance
    assert told.decision["channel"] == channel


async def test_a_context_is_understood_as_an_sdks_is(explaining):
    """A web page has no platform, any text is a targeting key, and a country counts only from a proxy."""

    async def told(name, context, country="DE"):
        body = json.dumps({"context": context}).encode()
        return await explaining(NO_PLACE).explain_feature(APP, name, body, country, by_context=True)

    web = await told("colour", {"targetingKey": "user-7", "plan": {"name": "pro"}})
    assert (web.value, web.asked["platform"], web.asked["device_id"]) == ("red", "", "user-7")
    assert (await told("colour", {"targetingKey": "user-7", "country": "DE"}, "")).value == "grey"
    assert (await told("colour", {"targetingKey": DEVICE.upper()})).asked["device_id"] == DEVICE
    for context, code in (({"platform": 7}, "invalid_context"), ({"platform": "ios"}, "targeting_key_missing")):
        with pytest.raises(Invalid) as refused:
            await told("drawn", context)
        assert refused.value.code == code
