"""The form of an offer: by earlier version and platform, never by the device, never one that a rule forbids."""

from dataclasses import replace

import pytest
from factories import MOMENT, NOW, a_bundle, a_check, a_manifest, a_released_app, a_snapshot, an_app, digest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.commands import ChannelSettings, CreateChannel, PublishBundle
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Blocked, Offer, Reason
from edge.domain.decision.snapshot import build_snapshot
from edge.domain.file_names import NameRules, SameNames
from edge.domain.forms.choice import FILES_ALWAYS, IOS_ZIP_LIMIT_BYTES, FormTerms
from edge.domain.forms.comparisons import EARLIER_LIMIT, PAIRS_LIMIT
from edge.domain.forms.manifest_forms import sent_as, sent_to
from edge.domain.model import Encryption, Platform
from edge.domain.plugin import ManifestRules, PlainWithKey, Plugin, Prefer, Sent

ZIP_TERMS = FormTerms(Prefer.ZIP)
PLUGINS = st.builds(
    Plugin,
    version=st.just("8.51.14"),
    plain_with_key=st.sampled_from(PlainWithKey),
    manifest=st.builds(
        ManifestRules,
        sent=st.sampled_from(Sent),
        encrypted=st.booleans(),
        names=st.builds(NameRules, st.sampled_from(SameNames), st.sampled_from([9, 149, 190]), st.booleans()),
        zip_too=st.booleans(),
    ),
)
BUNDLES = st.builds(
    a_bundle,
    zip_bytes=st.sampled_from([1, 100_000, IOS_ZIP_LIMIT_BYTES + 1]),
    plain_files=st.booleans(),
    encryption=st.sampled_from([None, Encryption(session_key="iv:key", checksum="sum", key_id="")]),
    names=st.sampled_from([None, a_bundle().names]),
)


def sent(snapshot, **check) -> Sent:
    asked = a_check(**check)
    decision = decide(snapshot, asked, MOMENT)
    assert isinstance(decision, Offer)
    return sent_to(decision.bundle, decision.forms, asked)


@given(
    BUNDLES,
    PLUGINS,
    st.sampled_from(Platform),
    st.sampled_from(Prefer),
    st.sampled_from(["1.0.0", "1.0.1", "0.9.0"]),
    st.frozensets(st.sampled_from(["zip", "manifest"])),
)
def test_no_preference_sends_what_is_forbidden(bundle, plugin, platform, prefer, runs, lost):
    state = a_released_app(bundle=bundle, policy="none", block_under_native=False)
    damaged = {"zip": bundle.zip, "manifest": digest("index.html1.0.1blob")}
    snapshot = a_snapshot(state, terms=FormTerms(prefer), damaged=[damaged[each] for each in lost])
    check = a_check(plugin=plugin, platform=platform, version_name=runs, version_build="1.0.0")
    decision = decide(snapshot, check, MOMENT)
    if isinstance(decision, Blocked):
        assert decision.reason in {*Reason} - {Reason.ZIP_LOST} or sent_as(bundle, plugin.manifest) is Sent.ZIP
        return
    if not isinstance(decision, Offer):
        return
    form, usual = sent_to(decision.bundle, decision.forms, check), sent_as(decision.bundle, plugin.manifest)
    assert form is usual or form is Sent.ZIP
    assert not (form is Sent.ZIP and "zip" in lost)
    assert not (form is not Sent.ZIP and "manifest" in lost)
    if form is not usual:
        assert plugin.manifest.zip_too
        assert usual is Sent.PACKED
        assert prefer is not Prefer.MANIFEST
        assert platform is not Platform.IOS or bundle.zip_bytes <= IOS_ZIP_LIMIT_BYTES


def test_a_plain_bundle_goes_as_files_to_a_key_that_takes_nothing_else():
    """The rule reads the form that is really sent: a zip would be refused."""
    plugin = Plugin("8.51.14", plain_with_key=PlainWithKey.MANIFEST_ONLY)
    check = a_check(plugin=plugin, key_id="a" * 20)
    zipped = decide(a_snapshot(a_released_app(), terms=ZIP_TERMS), check, MOMENT)
    assert isinstance(zipped, Blocked)
    assert zipped.reason is Reason.ENCRYPTION_REQUIRED
    safe = check._replace(plugin=plugin._replace(manifest=ManifestRules(zip_too=False)))
    assert isinstance(decide(a_snapshot(a_released_app(), terms=ZIP_TERMS), safe, MOMENT), Offer)


@pytest.mark.parametrize(
    ("node", "channel", "form"),
    [
        (Prefer.MANIFEST, None, Sent.PACKED),
        (Prefer.ZIP, None, Sent.ZIP),
        (Prefer.MANIFEST, Prefer.ZIP, Sent.ZIP),
        (Prefer.ZIP, Prefer.MANIFEST, Sent.PACKED),
    ],
)
def test_a_channel_prefers_before_its_node(node, channel, form):
    snapshot = a_snapshot(a_released_app(prefer=channel), terms=FormTerms(node))
    assert sent(snapshot) is form


def a_history(versions: int):
    """One channel with these versions, the last one offered; each shares no file with another."""
    bundles = [a_bundle(f"1.0.{n}", published=NOW + n, zip_bytes=1_000) for n in range(1, versions + 1)]
    commands = [PublishBundle(bundle=bundle, channel="production", downgrade=True) for bundle in bundles]
    state = an_app(CreateChannel(name="production", settings=ChannelSettings(public=True)), *commands)
    dated = {bundle.version: replace(state.bundles[bundle.version], published=bundle.published) for bundle in bundles}
    return replace(state, bundles=state.bundles | dated)


def test_the_form_follows_the_version_that_the_device_runs():
    """From 1.0.1 all files stay, from anything else both change: 2 files are more bytes than a zip of 30."""
    state = a_history(1)
    same = replace(state.bundles["1.0.1"], version="1.0.2", content=digest("2"), zip_bytes=30)
    state = replace(state, bundles=state.bundles | {"1.0.2": same})
    state = replace(
        state,
        channels={"production": replace(state.channels["production"], bundle="1.0.2", prefer=Prefer.FEWEST_BYTES)},
    )
    document = a_manifest("1.0.1")
    snapshot = build_snapshot(state, lambda digest: document, now=NOW, terms=FormTerms())
    same_files, nothing = ({"version_name": runs, "version_build": "1.0.0"} for runs in ("1.0.1", "1.0.0"))
    assert sent(snapshot, **same_files) is Sent.PACKED
    assert sent(snapshot, **nothing) is Sent.ZIP
    assert sent(snapshot, version_name="0.1.0", version_build="1.0.0") is Sent.ZIP
    # The native version is called like the bundle: what the app is built with is not known.
    assert sent(snapshot, version_name="1.0.1", version_build="1.0.1") is Sent.ZIP


def test_versions_and_pairs_are_bounded():
    latest = EARLIER_LIMIT + 5
    state = a_history(latest)
    compared = a_snapshot(state, terms=FormTerms()).comparisons
    assert {*compared.earlier[f"1.0.{latest}"]} == {f"1.0.{n}" for n in range(5, latest)}
    production = state.channels["production"]
    channels = {f"c{n}": replace(production, name=f"c{n}", bundle=f"1.0.{n}", public=n == 52) for n in range(1, 53)}
    many = a_snapshot(replace(state, channels=channels), terms=FormTerms()).comparisons
    assert sum(map(len, many.differences.values())) <= PAIRS_LIMIT
    assert len(many.earlier["1.0.52"]) == EARLIER_LIMIT  # a public channel's, although it is the latest
    assert (len(many.earlier["1.0.39"]), len(many.earlier["1.0.40"])) == (38, 0)
    assert many.whole.keys() == {state.bundles[f"1.0.{n}"].manifest for n in range(1, 53)}


def test_what_is_published_later_changes_no_form():
    """Nor do previews' channels with bundles of their own: a bundle is compared with what was there before it."""
    whole = a_history(EARLIER_LIMIT + 60)
    production = replace(whole.channels["production"], bundle="1.0.60")
    bundles = {version: bundle for version, bundle in whole.bundles.items() if bundle.published <= NOW + 60}
    state = replace(whole, bundles=bundles, channels={"production": production})
    previews = {
        f"p{n}": replace(production, name=f"p{n}", bundle=f"1.0.{n}", public=False)
        for n in range(10, len(whole.bundles))
    }
    later = replace(whole, channels={"production": production} | previews)
    for prefer in Prefer:
        before, after = (
            a_snapshot(each, terms=FormTerms()).comparisons.forms_of(FormTerms())(bundles["1.0.60"], prefer)
            for each in (state, later)
        )
        assert before == after
        assert before is None or "1.0.10" in before.known


def test_a_build_reads_only_what_is_new():
    """Each manifest once, over all builds; none where all channels take files."""
    read = []
    state = a_history(10)
    documents = {bundle.manifest: a_manifest(bundle.version) for bundle in state.bundles.values()}

    def manifest_of(digest):
        read.append(digest)
        return documents[digest]

    before = build_snapshot(state, manifest_of, now=NOW, terms=FormTerms())
    assert sorted(read) == sorted(documents)
    read.clear()
    new = a_bundle("1.0.11")
    documents[new.manifest] = a_manifest("1.0.11")
    state = replace(state, bundles=state.bundles | {"1.0.11": new})
    state = replace(state, channels={"production": replace(state.channels["production"], bundle="1.0.11")})
    after = build_snapshot(state, manifest_of, now=NOW, before=before, terms=FormTerms())
    assert read == [new.manifest]
    assert after.comparisons == build_snapshot(state, manifest_of, now=NOW, terms=FormTerms()).comparisons
    assert build_snapshot(state, manifest_of, now=NOW, terms=FILES_ALWAYS).comparisons.prints == {}


def test_the_same_offer_for_every_device():
    snapshot = a_snapshot(a_history(3), terms=FormTerms())
    devices = (f"{n:08x}-eefe-490a-9c60-8e965132ae51" for n in range(100))
    assert len({decide(snapshot, a_check(device=device), MOMENT) for device in devices}) == 1


@pytest.mark.parametrize(
    ("channel", "check", "seen"),
    [
        ({}, {}, ("manifest", "not_clearly_slower")),
        ({"prefer": Prefer.FEWEST_BYTES}, {}, ("zip", "fewer_bytes")),
        ({"prefer": Prefer.ZIP}, {}, ("zip", "preferred")),
        ({"prefer": Prefer.MANIFEST}, {}, ("manifest", "preferred")),
        (
            {"prefer": Prefer.ZIP},
            {"plugin": Plugin("8", manifest=ManifestRules(Sent.ZIP))},
            ("zip", "release_takes_no_files"),
        ),
        (
            {"prefer": Prefer.ZIP},
            {"plugin": Plugin("8", manifest=ManifestRules(zip_too=False))},
            ("manifest", "release_is_safer_with_files"),
        ),
    ],
)
def test_explain_says_which_form_and_why(channel, check, seen):
    snapshot = a_snapshot(a_released_app(bundle=a_bundle(zip_bytes=200), **channel), terms=FormTerms())
    steps, _ = explain(snapshot, a_check(**check), MOMENT)
    assert (steps[-1].saw["sent_as"], steps[-1].saw["why"]) == seen


def test_a_channel_that_prefers_files_has_no_numbers_whatever_others_compare():
    state = a_released_app()
    production = replace(state.channels["production"], prefer=Prefer.MANIFEST)
    state = replace(
        state, channels={"production": production, "beta": replace(production, name="beta", public=False, prefer=None)}
    )
    steps, _ = explain(a_snapshot(state, terms=FormTerms()), a_check(), MOMENT)
    assert (steps[-1].saw["why"], "files_ms" in steps[-1].saw) == ("preferred", False)


def test_explain_has_the_numbers_of_both_forms():
    steps, _ = explain(a_snapshot(a_released_app(), terms=FormTerms()), a_check(), MOMENT)
    numbers = steps[-1].saw
    assert (numbers["files"], numbers["zip_bytes"]) == (2, 1_500)
    assert numbers["files_ms"] > 0 < numbers["zip_ms"]
    assert (numbers["round_trip_ms"], numbers["rate_mbps"]) == (39.0, 50.0)
