"""Random apps, devices and facts for the properties of the decision, and of what answers with it."""

from factories import NOW, a_check, a_snapshot, digest, failed
from histories import DEVICES, VERSIONS
from hypothesis import strategies as st

from edge.domain.facts import DAY_SECONDS, FORGOT_DAYS, Behaviour, DeviceFacts, Latest, name_hash
from edge.domain.model import Platform
from edge.domain.plugin import Plugin
from edge.domain.targeting.id_sets import encode_id_set, parse_id_set
from edge.domain.targeting.places import NodePlace

VIP = {digest("vip"): parse_id_set(encode_id_set([DEVICES[0], DEVICES[1]]))}

CHECKS = st.builds(
    a_check,
    device=st.sampled_from(DEVICES),
    platform=st.sampled_from(Platform),
    version_build=st.sampled_from(["0.9.0", "1.0.0", "1.0.2"]),
    version_name=st.sampled_from(["1.0.0", *VERSIONS]),
    default_channel=st.sampled_from(["", "", "production", "beta", "inner", "nowhere"]),
    custom_id=st.sampled_from(["", "team"]),
    is_prod=st.booleans(),
    plugin=st.builds(
        Plugin, st.just("8.0.0"), supported=st.just(True), reverts_to_builtin=st.booleans(), keeps_choice=st.booleans()
    ),
)
# Nothing forgotten; only failures from before every bundle; failures that may be of any bundle of the first changes.
_PERIOD = int(NOW // (FORGOT_DAYS * DAY_SECONDS))
FORGOTTEN = st.sampled_from([0, _PERIOD, _PERIOD + 1])
# Every field is drawn: Hypothesis invents values for those that are left out, which no store holds.
FACTS = st.builds(
    DeviceFacts,
    channel=st.sampled_from([0, name_hash("beta"), name_hash("inner"), name_hash("gone")]),
    failures=st.lists(st.sampled_from(VERSIONS), unique=True, max_size=3).map(lambda names: failed(*names)),
    offered=st.just(()),
    latest=FORGOTTEN.map(lambda forgot: Latest(forgot=forgot).packed()),
    behaviour=st.builds(
        lambda days, places: Behaviour(first_seen_days=days, places=places, revision=1_000),
        st.sampled_from([None, 3, 30]),
        st.sampled_from([0, 1, 7]),
    ),
)


def a_view(state, before=None):
    return a_snapshot(state, before=before, ids_of=VIP.get, place=NodePlace("eu"))
