"""Every answer of the server, read by every release: nobody reports or is told a failure that did not happen.

The encoder and the simulator share the table of facts and nothing else. Releases are both ends of every range in that
table, on both platforms; outcomes are every reason there is.
"""

import json
from itertools import product
from pkgutil import get_data

import pytest
from factories import a_bundle, a_manifest

from edge.device.profile import build_profile
from edge.device.updating.answer import BlockedAnswer as BlockedOnDevice
from edge.device.updating.answer import NoUpdate, Revert, UpdateFound, read_answer
from edge.domain.decision.outcomes import Blocked, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.model import AppId, DeviceId, Platform, UpdateCheck
from edge.domain.plugin import Sent
from edge.domain.versions import coerce_native
from edge.wire.answers import encode_answer
from edge.wire.plugins.capabilities import capability
from edge.wire.plugins.forms import Generation, form_of, plugin_of

BASE = "http://updates.example.com"
RUNS, NATIVE = "1.0.3", "1.0.0"
FAILURE_EVENTS = {"downloadFailed", "backendRefused"}


def borders() -> list[str]:
    table = json.loads(get_data("edge.wire.plugins", "capabilities.json"))
    ends = {end for row in table["capabilities"] for first, last, _ in row["ranges"] for end in (first, last)}
    return sorted(end for end in ends if not end.startswith("4."))


def name_on_builtin(platform: Platform, release: str) -> str:
    """What a release calls the web code inside the native app."""
    return "builtin" if capability("builtin_version_name", platform, release) == "builtin" else NATIVE


def check(platform: Platform, release: str, runs: str = RUNS) -> UpdateCheck:
    plugin = plugin_of(platform, build_profile(platform, release).plugin_version)
    return UpdateCheck(
        app=AppId("com.example.app"),
        device=DeviceId("00009a6b-eefe-490a-9c60-8e965132ae51"),
        platform=platform,
        version_name=NATIVE if runs == "builtin" else runs,
        version_build=NATIVE,
        native=coerce_native(NATIVE),
        plugin=plugin,
        says_builtin=runs == "builtin",
    )


def read(platform: Platform, release: str, decision, runs: str = RUNS, **document):
    body = encode_answer(decision, check(platform, release, runs), BASE, **document)
    return read_answer(build_profile(platform, release), 200, body, runs)


RELEASES = [(platform, release) for platform in (Platform.ANDROID, Platform.IOS) for release in borders()]


def test_the_table_gives_enough_releases():
    assert len(RELEASES) > 150
    assert {form_of(*each).generation for each in RELEASES} == set(Generation) - {Generation.ELECTRON}


@pytest.mark.parametrize(("platform", "release"), RELEASES, ids=lambda each: getattr(each, "value", each))
def test_no_answer_is_taken_for_a_failure(platform, release):
    nothing_new = [UpToDate("production"), *(Blocked(reason, "2.0.0") for reason in Reason)]
    for decision, runs in product(nothing_new, (RUNS, name_on_builtin(platform, release))):
        seen = read(platform, release, decision, runs)
        assert isinstance(seen, NoUpdate | BlockedOnDevice), (decision, seen)
        assert getattr(seen, "report", None) is None, (decision, seen)
        assert not FAILURE_EVENTS & set(seen.events), (decision, seen)


@pytest.mark.parametrize(("platform", "release"), RELEASES, ids=lambda each: getattr(each, "value", each))
def test_an_offer_is_found_with_all_it_needs(platform, release):
    bundle = a_bundle("1.0.4", link="https://example.com/notes", comment="notes")
    seen = read(platform, release, Offer(bundle, "production"), manifest=a_manifest("1.0.4"), expose_metadata=True)
    assert isinstance(seen, UpdateFound)
    assert seen.version == "1.0.4"
    said = build_profile(platform, release).plugin_version
    form, sent = form_of(platform, said), plugin_of(platform, said).manifest.sent
    assert (seen.manifest is not None) == (sent is not Sent.ZIP)
    assert bool(seen.link and seen.comment) == form.metadata
    assert seen.checksum == {"sha256": bundle.zip, "crc32": bundle.zip_crc32, "none": ""}[form.checksum]


@pytest.mark.parametrize(("platform", "release"), RELEASES, ids=lambda each: getattr(each, "value", each))
def test_whoever_can_revert_does_and_nobody_else_is_told_to(platform, release):
    asks = check(platform, release)
    if asks.plugin.reverts_to_builtin:
        assert isinstance(read(platform, release, RevertToBuiltin("production")), Revert)
    else:
        assert isinstance(read(platform, release, Blocked(Reason.BUILTIN_TOO_OLD, "builtin")), NoUpdate)
