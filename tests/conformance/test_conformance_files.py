"""The vectors as a document: their form, the truth of what they share, and that nothing of the protocol is left out."""

import base64
import hashlib
import json
import re
import zlib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest
from conformance_cases import FOLDER, ROUTE_FILES, Case, Exchange, all_cases, differences, fill, load_file, published
from conformance_pure import MOMENT, PureNode, Seen, node_of
from factories import withheld

from edge.domain.decision.channel_choice import ChannelSelfReason
from edge.domain.decision.explain import explain
from edge.domain.decision.outcomes import Reason
from edge.domain.decision.rules import CHANNEL_RULES, KEY_RULES
from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import Platform, Policy, UpdateCheck
from edge.domain.plugin import Sent
from edge.domain.versions import parse_version
from edge.wire.plugins.capabilities import stretches
from edge.wire.plugins.forms import MANIFEST_ROWS, Generation, form_of, plugin_of
from edge.wire.updates import parse_update_check

CASES_LEAST = 250
WIRE = Path(__file__).parents[2] / "edge" / "wire"
TABLE = json.loads((WIRE / "plugins" / "capabilities.json").read_text())

# The rules in their order. `up_to_date` is also what a channel without a bundle answers, then before the key rules.
ORDER = (
    "on_premise_app",
    "unsupported_plugin_version",
    "no_channel",
    *(rule.reason.code for rule in KEY_RULES),
    "up_to_date",
    "bundle_withheld",
    *(rule.reason.code for rule in CHANNEL_RULES),
    "revert_to_builtin_plugin_version_too_old",
)
_ENCRYPTED = {"key_id_mismatch", "encryption_unsupported", "key_id_missing"}
_PLATFORMS = {f"disabled_platform_{platform.value}" for platform in Platform}
_VERSIONS = {f"disable_auto_update_to_{word}" for word in ("major", "minor", "patch", "metadata")}
_POLICIES = _VERSIONS | {"misconfigured_channel"}
_BELOW, _ABOVE = "native_version_below_minimum", "native_version_above_maximum"
_OF_VERSIONS = (*_POLICIES, _BELOW, _ABOVE, "semver_error")
# Rules that cannot both hold for one device, and why.
EXCLUSIVE = (
    _PLATFORMS,  # a device has one platform
    _POLICIES,  # a channel has one policy
    *({_BELOW, each} for each in ("misconfigured_channel", "disable_auto_update_to_metadata")),  # likewise
    *({_ABOVE, each} for each in (_BELOW, "disable_auto_update_to_metadata")),  # a minimum is not above its maximum
    {_ABOVE, "semver_error"},  # a native version without a number is the lowest
    {"disable_auto_update_to_major", "disable_auto_update_under_native"},  # above the native version and below it
    {"semver_error", "disable_auto_update_under_native"},  # no bundle is below a native version without a number
    {"disable_prod_build", "disable_dev_build"},
    {"disable_device", "disable_emulator"},
    *({each, "encryption_required"} for each in _ENCRYPTED),  # the bundle is encrypted or plain
    {"key_id_mismatch", "key_id_missing"},  # the device says a key id or none
    *(  # builtin is no bundle: nothing to decrypt, to withhold or to compare
        {each, "revert_to_builtin_plugin_version_too_old"}
        for each in (*_ENCRYPTED, *_OF_VERSIONS, "encryption_required", "bundle_withheld", "up_to_date")
    ),
    {"disable_auto_update_under_native", "revert_to_builtin_plugin_version_too_old"},
)
# What the vectors cannot cause: a disk that refuses, a body that never arrives, bytes that are no request.
BEYOND_VECTORS = {"override_not_allowed", "too_many_files"}
# Of POST /events, which no plugin sends: PROTOCOL.md §13, tests/wire and tests/node/service/app_events.
OF_APP_EVENTS = {"invalid_custom_id", "invalid_device_id", "invalid_events", "invalid_platform", "no_events"}
# Of /push/…, likewise: PROTOCOL.md §14.
OF_PUSH = {
    *("invalid_consent", "invalid_endpoint", "invalid_locale", "invalid_message_id", "invalid_provider"),
    *("invalid_subscription", "invalid_timezone", "invalid_token"),
}


class Check(NamedTuple):
    case: Case
    exchange: Exchange
    node: PureNode
    snapshot: AppSnapshot | None
    check: UpdateCheck
    facts: DeviceFacts
    seen: Seen


@cache
def checks() -> tuple[Check, ...]:
    """Every update check that is not refused, with what the pure code saw."""
    found = []
    for case in (case for case in all_cases() if not case.http_only):
        node = node_of(case)
        for exchange in case.exchanges:
            facts = node.facts_of(case.app, case.device)
            node.seen = Seen()
            node.ask(exchange.request)
            if exchange.request.target == "/updates" and node.seen.because:
                check = parse_update_check(exchange.request.body)
                found.append(Check(case, exchange, node, node.snapshots.get(check.app), check, facts, node.seen))
    return tuple(found)


@pytest.mark.parametrize("name", ROUTE_FILES)
def test_a_file_has_the_documented_form(name):
    schema = json.loads((FOLDER / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(load_file(name))] == []


def test_no_other_file_lies_there():
    assert {path.stem for path in FOLDER.glob("*.json")} == {*ROUTE_FILES, "published", "schema"}


def test_names_are_told_apart_and_states_are_used():
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names) >= CASES_LEAST
    for name in ROUTE_FILES:
        used = {case["state"] for case in load_file(name)["cases"] if isinstance(case["state"], str)}
        assert set(load_file(name)["states"]) == used, name


def test_no_placeholder_is_left():
    left = re.compile(r"\{[a-z]+(\.[a-z_.]+)?\}", re.IGNORECASE)
    for case in all_cases():
        assert left.search(json.dumps([case.state, case.facts, [each.expect for each in case.exchanges]])) is None
        assert all(left.search(each.request.target) is None for each in case.exchanges)


def test_no_device_ever_hears_a_429():
    """It would stop the plugin's checks and reports as well, in many releases until the app starts again."""
    assert all(exchange.expect["status"] != 429 for case in all_cases() for exchange in case.exchanges)


def test_what_is_published_is_what_it_says():
    for content in published()["contents"].values():
        packed = base64.b64decode(content["zip_base64"])
        assert hashlib.sha256(packed).hexdigest() == content["zip_sha256"]
        assert (f"{zlib.crc32(packed):08x}", len(packed)) == (content["zip_crc32"], content["zip_bytes"])
        for file in content["files"]:
            stored = base64.b64decode(file["stored_base64"])
            assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (file["stored_sha256"], file["bytes"])


def test_the_words_of_a_bundle_are_those_of_its_bytes():
    words = published()["words"]
    for name, content in published()["contents"].items():
        assert (words[f"{name}.zip"], words[f"{name}.crc32"]) == (content["zip_sha256"], content["zip_crc32"])
        offered = [
            (each["file_name"], each["file_hash"], each["download_url"]) for each in words.get(f"{name}.manifest", ())
        ]
        assert offered == [
            (file["name"], file.get("signed_hash", file["hash"]), "{base}/bundles/{app}/file/" + file["stored_sha256"])
            for file in content["files"]
        ]
        plain = [
            (each["file_name"], each["file_hash"], each["download_url"])
            for each in words.get(f"{name}.plain_manifest", ())
        ]
        assert plain in (
            [],
            [
                (file["name"].removesuffix(".br"), file["hash"], "{base}/bundles/{app}/file/" + file["hash"])
                for file in content["files"]
            ],
        )


# --- what is covered ---

# These depend on the moment, which a live node's is not for a case to choose: `decision.json` has them.
TIMED = {"outside_maintenance_window", "spread_not_reached"}


def test_every_reason_stops_somebody_and_lets_somebody_pass():
    stopped = {check.seen.because for check in checks()}
    codes = {reason.code for reason in Reason} - TIMED - {"manifest_lost", "zip_lost", "stale"}  # a node's own faults
    assert codes <= stopped
    assert {"offer", "up_to_date", "revert_to_builtin"} <= stopped
    passed = frozenset.union(*(check.seen.passed for check in checks()))
    # Beyond the table of rules: everybody of a known app passes the first, whoever reverts the last.
    outside = {"on_premise_app", "invalid_app_id", "revert_to_builtin_plugin_version_too_old"}
    assert codes - outside <= passed


def test_every_check_says_what_decided():
    undecided = {check.case.name for check in checks() if check.exchange.because is None}
    assert not {name for name in undecided if name.startswith("updates: ")}


def test_every_neighbouring_pair_that_can_meet_is_covered():
    covered = {case.pair for case in all_cases() if case.pair}
    assert sorted(set(neighbours()) - covered) == []


def neighbours() -> list[tuple[str, str]]:
    """Each rule with the next one below it that can hold at the same time."""
    found = []
    for place, code in enumerate(ORDER[:-1]):
        below = (other for other in ORDER[place + 1 :] if not any({code, other} <= group for group in EXCLUSIVE))
        if (nearest := next(below, None)) is not None:
            found.append((code, nearest))
    return found


@pytest.mark.parametrize("case", [case for case in all_cases() if case.pair], ids=lambda case: case.name)
def test_both_rules_of_a_pair_hold(case):
    assert case.pair is not None
    first, second = case.pair
    (check,) = (each for each in checks() if each.case is case)
    assert check.seen.because == first
    assert holds(second, check)


def holds(code: str, seen: Check) -> bool:
    """Whether this rule alone would stop the device of the check."""
    snapshot = seen.snapshot or next(iter(seen.node.snapshots.values()))
    check = seen.check
    if code == "unsupported_plugin_version":
        return not check.plugin.supported
    steps, _ = explain(snapshot, check._replace(plugin=check.plugin._replace(supported=True)), MOMENT, seen.facts)
    resolved = next(step for step in steps if step.rule == "no_channel")
    if code == "no_channel":
        return resolved.outcome == "stop"
    compiled = snapshot.channels.get(str(resolved.saw["channel"])) or snapshot.public[check.platform]
    target = compiled.stable or compiled.builtin
    if code == "up_to_date":
        return compiled.stable is None or target.version == check.version_name
    if code == "bundle_withheld":
        return target.bundle_hash in withheld(seen.facts)
    if code == "revert_to_builtin_plugin_version_too_old":
        reverts = check.plugin.reverts_to_builtin or check.version_name == check.version_build
        return compiled.stable is not None and target.offer is None and not reverts
    (rule,) = (rule for rule in (*KEY_RULES, *CHANNEL_RULES) if rule.reason.code == code)
    return rule.can_fire(target.candidate) and rule.blocks(check, target.candidate, bool(resolved.saw["assigned"]))


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_every_border_of_the_generations_is_covered_on_both_sides(platform):
    claimed = {
        (check.check.plugin.version, check.exchange.generation)
        for check in checks()
        if check.check.platform.value == platform and check.exchange.generation
    }
    assert {generation for _, generation in claimed} == {each.value for each in Generation} - {"electron"}
    (row,) = (row for row in TABLE["capabilities"] if row["capability"] == "answer_generation")
    borders = {
        (version, generation)
        for first, last, generation in row["ranges"]
        for version in (first, last)
        if major(first) >= 5
    }
    newest = {"8.51.23", "5.50.2", "6.51.16", "7.51.21"}
    assert {border for border in borders if border not in claimed and border[0] not in newest} == set()


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_every_border_of_what_is_sent_is_covered_on_both_sides(platform):
    """Wherever the form of an answer, or what may be sent, changes from one known release to the next, both have an
    offer among the cases."""
    offered = {
        check.check.plugin.version
        for check in checks()
        if check.seen.because == "offer" and check.check.platform.value == platform
    }
    ends = {end for row in TABLE["capabilities"] for first, last, _ in row["ranges"] for end in (first, last)}
    known = sorted((end for end in ends if major(end) >= 5), key=lambda text: parse_version(text) or ())
    # The generation is about answers that offer nothing.
    forms = {
        end: (
            form_of(Platform(platform), end)._replace(generation=Generation.G0),
            plugin_of(Platform(platform), end).manifest,
        )
        for end in known
    }
    missing = [
        (before, after)
        for before, after in pairwise(known)
        if major(before) == major(after) and forms[before] != forms[after] and not {before, after} <= offered
    ]
    assert missing == []


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_every_border_of_what_names_a_release_takes_is_asked_on_both_sides(platform):
    """With files of one name, of one name and content, with a suffix of their own, and with the longest name that
    the release takes and one byte more."""
    asked: dict[str, set[tuple[str, bool]]] = {}
    for case in (case for case in all_cases() if case.name.startswith("names: names: ")):
        (bundle,) = case.state["bundles"]
        for exchange in case.exchanges:
            info = json.loads(exchange.request.body)
            if info["platform"] == platform and "key_id" not in info:
                outcome = (bundle["content"], "manifest" in exchange.expect["json"])
                asked.setdefault(info["plugin_version"], set()).add(outcome)
    rows = tuple(row for row in MANIFEST_ROWS if "encryption" not in row)
    ends = {end for stretch in stretches(rows, Platform(platform)) for end in stretch}
    rules = {end: plugin_of(Platform(platform), end).manifest for end in ends}
    assert asked.keys() >= {end for end, each in rules.items() if each.sent is not Sent.ZIP}
    for release, outcomes in asked.items():
        contents = {content for content, _ in outcomes}
        assert contents > {"alike", "equal", "suffixed"}, release
        longest = {int(content.removeprefix("long")): file_by_file for content, file_by_file in outcomes
                   if content.startswith("long")}  # fmt: skip
        assert [longest[size] for size in sorted(longest)] == [True, False], release
        assert max(longest) == min(longest) + 1, release


def test_every_policy_is_on_a_channel_that_a_device_asks():
    policies = {
        compiled.channel.policy for check in checks() if check.snapshot for compiled in check.snapshot.channels.values()
    }
    assert policies == set(Policy)


def test_every_error_code_of_the_wire_is_answered():
    answered = {
        each.expect["json"]["error"]
        for case in all_cases()
        for each in case.exchanges
        if isinstance(each.expect.get("json"), dict) and "error" in each.expect["json"]
    }
    said = {code for path in WIRE.rglob("*.py") for code in error_codes(path.read_text())}
    wanted = (
        said
        | {refusal.code for refusal in ChannelSelfReason}
        | {"not_found", "method_not_allowed", "too_many_requests"}
    )
    assert wanted - answered - BEYOND_VECTORS - OF_APP_EVENTS - OF_PUSH == set()
    assert not answered & BEYOND_VECTORS


def error_codes(source: str) -> set[str]:
    """The codes that the source of a parser refuses with."""
    raised = re.findall(
        r'(?:WireError|RefusedEvent)\(\s*(?:\d+(?: if app else 400)?, )?(?:200 if app else 400, )?"([a-z_]+)"', source
    )
    return {*raised, *re.findall(r'code="([a-z_]+)"', source), *re.findall(r'_device_schema\("([a-z_]+)"', source)}


def major(text: str) -> int:
    return int(text.partition(".")[0])


# --- the reader itself ---


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (True, 1),
        (1, 1.0),
        ("1", 1),
        ({"a": 1}, {}),
        ({}, {"a": None}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": [{"b": None}]}, {"a": [{"b": False}]}),
        (61, {"$integer": [1, 60]}),
        (True, {"$integer": [1, 60]}),
        ("5", {"$integer": [1, 60]}),
    ],
)
def test_what_differs_is_told(given, wanted):
    assert list(differences(given, wanted, "json"))


def test_what_is_equal_is_not():
    value = {"a": [1, "x", None, {"b": True}]}
    assert list(differences(value, json.loads(json.dumps(value)), "json")) == []
    assert list(differences(60, {"$integer": [1, 60]}, "json")) == []


def test_placeholders_are_filled_as_text_and_as_values():
    words = {"app": "com.x.y", "list": [{"url": "/{app}"}]}
    assert fill({"{app}": "a {app} {none} {", "m": "{list}"}, words) == {
        "com.x.y": "a com.x.y {none} {",
        "m": [{"url": "/com.x.y"}],
    }
