"""Writes `nothing_new.json`: every reason for nothing, to every generation, on a bundle and on builtin.

    python tests/conformance/nothing_new.py

What is expected is written here from the protocol's description (PROTOCOL.md §0.1, §1.3.1, §10, §11.7,
§11.11). Nothing of the node is imported: `test_nothing_new.py` holds the file to this, the
conformance tests hold the node to the file.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent.parent / "vectors" / "device" / "nothing_new.json"

RUNS, NATIVE, OFFERED = "1.0.3", "1.0.0", "1.0.4"
KEY, OTHER_KEY = "{key_id}", "MIIBCgKCAQEAqJikYizo"

Json = dict[str, Any]
NO_FIELDS: Json = {}


class Release(NamedTuple):
    generation: str
    plugin: str
    on_builtin: str  # what it calls the web code inside the native app: this word, or "native" for its native version


# Both sides of every border of that word, and every generation.
RELEASES = (
    Release("G0", "5.0.0", "builtin"),
    Release("G0", "5.4.1", "builtin"),
    Release("G0", "9.0.0", "builtin"),
    Release("G0", "10.0.0", "builtin"),
    Release("G1", "5.9.5", "builtin"),
    Release("G1", "6.14.24", "builtin"),
    Release("G1", "7.16.0", "builtin"),
    Release("G2", "5.43.3", "builtin"),
    Release("G2", "6.43.5", "builtin"),
    Release("G2", "7.33.4", "builtin"),
    Release("G2", "7.43.3", "builtin"),
    Release("G2", "8.43.11", "builtin"),
    Release("G2", "8.44.0", "native"),
    Release("G2", "8.45.10", "native"),
    Release("G3", "5.45.10", "native"),
    Release("G3", "6.45.10", "native"),
    Release("G3", "7.45.10", "native"),
    Release("G3", "8.45.11", "native"),
    Release("G3", "8.51.23", "native"),
    Release("electron", "0.0.1", "native"),
)
# One of each generation, and both words of G2.
FEW = ("5.0.0", "6.14.24", "8.43.11", "8.45.10", "8.51.23", "0.0.1")
PLATFORMS = ("android", "ios")


class Reason(NamedTuple):
    """Why a device gets nothing. `fields` are laid over its request; `places`: where it can be when this holds."""

    code: str
    message: str
    state: str
    releases: tuple[str, ...] = FEW
    fields: Json = NO_FIELDS
    platforms: tuple[str, ...] = (*PLATFORMS, "electron")
    places: tuple[str, ...] = ("on a bundle", "on builtin")
    target: str = ""  # of a breaking one: the version that the store app could have


def bundle(version: str = OFFERED, content: str = "plain", **members: Any) -> Json:
    return {"version": version, "content": content} | members


def channel(offers: str = OFFERED, **members: Any) -> Json:
    return {"name": "production", "public": True, "bundle": offers} | members


def closed(**flags: bool) -> Json:
    """Assigned by the operator, or a channel that does not serve the device would not be its channel at all."""
    return {"bundles": [bundle()], "channels": [channel(public=False, **flags)], "override": "production"}


def policy(name: str, offers: str, **members: Any) -> Json:
    return {"bundles": [bundle(offers, **members)], "channels": [channel(offers, policy=name)]}


def newer(*changes: Json) -> Json:
    """The channel offers what devices run; `changes` bring 1.0.4 to others."""
    return {"bundles": [bundle(RUNS), bundle()], "channels": [channel(RUNS)], "changes": list(changes)}


NOBODY = {"kind": "set_segment", "name": "nobody", "settings": {"where": 'custom_id == "nobody"'}}
ROLLOUT = {"kind": "start_rollout", "channel": "production", "bundle": OFFERED, "steps": [100_000]}

STATES: dict[str, Json] = {
    "no app": {},
    "no channel": {},
    "no bundle": {"channels": [{"name": "production", "public": True}]},
    "same bundle": {"bundles": [bundle(RUNS)], "channels": [channel(RUNS)]},
    "released": {"bundles": [bundle()], "channels": [channel()]},
    "keyed": {"bundles": [bundle(content="keyed")], "channels": [channel()]},
    "failed": {
        "bundles": [bundle()],
        "channels": [channel()],
        "device": {"failed": [{"version": OFFERED, "days_ago": 0}]},
    },
    "builtin": {"channels": [channel("builtin")]},
    "not for ios": closed(ios=False),
    "not for android": closed(android=False),
    "not for electron": closed(electron=False),
    "private": {
        "bundles": [bundle()],
        "channels": [channel(public=False)],
        "device": {"chosen": "production"},
    },
    "next major": policy("major", "2.0.0"),
    "next minor": policy("minor", "1.1.0"),
    "next patch": policy("patch", "1.0.4"),
    "no minimum": policy("version_number", OFFERED),
    "a higher minimum": policy("version_number", OFFERED, min_native="1.0.1"),
    "a minimum under any policy": policy("none", OFFERED, min_native="1.0.1"),
    "a lower maximum": policy("none", OFFERED, max_native="0.9.9"),
    "below native": policy("none", "0.9.0"),
    "no production builds": closed(prod=False),
    "no development builds": closed(dev=False),
    "no devices": closed(device=False),
    "no emulators": closed(emulator=False),
    "spread": {"bundles": [bundle()], "channels": [channel(spread_seconds=604_800)]},
    "for nobody": newer(NOBODY, ROLLOUT | {"segments": ["nobody"]}),
    "held out": newer(ROLLOUT | {"hold_out": 99_999}),
    "withdrawn": newer(
        {"kind": "set_channel", "name": "production", "settings": {"bundle": OFFERED}},
        {"kind": "withdraw_bundle", "version": OFFERED, "reason": "white screen"},
    ),
}

ON_A_BUNDLE, ON_BUILTIN = ("on a bundle",), ("on builtin",)
UP_TO_DATE = "No new version available"
CANNOT_REVERT = ("5.0.0", "9.0.0", "10.0.0", "5.9.5", "0.0.1")
OLD = ("5.0.0", "6.14.24", "7.33.4")  # leave a choice of a channel to the server
SAYS_KEY_IDS = ("5.43.3", "8.43.11", "8.45.10", "8.51.23")

REASONS = (
    Reason("up_to_date", UP_TO_DATE, "no bundle", tuple(release.plugin for release in RELEASES)),
    Reason("up_to_date", UP_TO_DATE, "same bundle", places=ON_A_BUNDLE),
    Reason("up_to_date", UP_TO_DATE, "builtin", places=ON_BUILTIN),
    Reason("bundle_withdrawn", UP_TO_DATE, "withdrawn", places=ON_A_BUNDLE),
    Reason("rollout_not_in_segment", UP_TO_DATE, "for nobody", places=ON_A_BUNDLE),
    Reason("rollout_control_group", UP_TO_DATE, "held out", places=ON_A_BUNDLE),
    Reason("bundle_withheld", UP_TO_DATE, "failed"),
    Reason("on_premise_app", "", "no app", fields={"app_id": "{unknown}"}),
    Reason("invalid_app_id", "No app can have this id", "no app", fields={"app_id": ""}),
    Reason("invalid_app_id", "No app can have this id", "no app", fields={"app_id": "my app"}),
    Reason("unsupported_plugin_version", "", "released", ("4.61.11",)),
    Reason("no_channel", "no default channel or override", "no channel"),
    Reason("key_id_mismatch", "The bundle is encrypted for another key", "keyed", fields={"key_id": OTHER_KEY}),
    Reason(
        "encryption_unsupported",
        "The plugin version cannot read this encryption",
        "keyed",
        ("5.0.0", "6.14.24", "7.16.0", "0.0.1"),
        {"key_id": KEY},
    ),
    Reason("key_id_missing", "The bundle is encrypted and the device shows no key", "keyed", SAYS_KEY_IDS),
    Reason(
        "encryption_required",
        "The device holds a key and accepts no plain bundle",
        "released",
        ("5.43.3", "8.43.11", "8.45.10", "8.51.23"),
        {"key_id": KEY},
        ("ios",),
    ),
    Reason(
        "encryption_required",
        "The device holds a key and accepts no plain bundle",
        "released",
        ("8.51.23",),
        {"key_id": KEY},
        ("android",),
    ),
    Reason("disabled_platform_ios", "The channel does not serve iOS", "not for ios", platforms=("ios",)),
    Reason(
        "disabled_platform_android", "The channel does not serve Android", "not for android", platforms=("android",)
    ),
    Reason(
        "disabled_platform_electron",
        "The channel does not serve Electron",
        "not for electron",
        platforms=("electron",),
    ),
    Reason(
        "semver_error",
        "The native version has no number to compare the bundle with",
        "released",
        fields={"version_build": "dev"},
    ),
    Reason("disable_auto_update_to_major", "Cannot upgrade major version", "next major", target="2.0.0"),
    Reason("cannot_update_via_private_channel", "The channel is private and was not assigned", "private", OLD),
    Reason("disable_auto_update_to_minor", "Cannot upgrade minor version", "next minor", target="1.1.0"),
    Reason("disable_auto_update_to_patch", "Cannot upgrade patch version", "next patch", target="1.0.4"),
    Reason("misconfigured_channel", "The bundle names no minimum native version", "no minimum"),
    Reason(
        "disable_auto_update_to_metadata",
        "The native version is below the bundle's minimum",
        "a higher minimum",
        target="1.0.4",
    ),
    Reason(
        "native_version_below_minimum",
        "The native version is below the bundle's minimum",
        "a minimum under any policy",
        target="1.0.4",
    ),
    Reason("native_version_above_maximum", "The native version is above the bundle's maximum", "a lower maximum"),
    Reason("disable_auto_update_under_native", "Cannot revert under native version", "below native"),
    Reason("disable_prod_build", "The channel does not serve production builds", "no production builds"),
    Reason(
        "disable_dev_build",
        "The channel does not serve development builds",
        "no development builds",
        fields={"is_prod": False},
    ),
    Reason("disable_device", "The channel does not serve physical devices", "no devices"),
    Reason("disable_emulator", "The channel does not serve emulators", "no emulators", fields={"is_emulator": True}),
    Reason(
        "revert_to_builtin_plugin_version_too_old",
        "The plugin version cannot revert to builtin",
        "builtin",
        CANNOT_REVERT,
        places=ON_A_BUNDLE,
    ),
    Reason("spread_not_reached", "The new bundle is being offered little by little", "spread"),
)


def told(reason: Reason, generation: str, name: str, native: str) -> Json:
    """The body. `name` is what the device calls what it runs."""
    if generation not in ("G3", "electron"):
        return {"version": "" if name == "builtin" else name, "url": "{base}/noop.zip"}
    if reason.message == UP_TO_DATE:
        return {"error": "no_new_version_available", "message": UP_TO_DATE, "kind": "up_to_date", "version": name}
    blocked: Json = {"error": reason.code, "message": reason.message, "kind": "blocked"}
    if reason.code == "on_premise_app":
        return {"error": reason.code, "kind": "blocked"}
    if reason.code == "no_channel":
        return blocked
    if reason.code in ("semver_error", "invalid_app_id"):
        return blocked | {"version": name}
    if reason.target:
        return blocked | {"major": True, "version": reason.target, "old": native}
    return blocked | {"version": name, "old": name}


def exchanges(reason: Reason) -> Iterator[Json]:
    known = {release.plugin: release for release in RELEASES} | {"4.61.11": Release("G0", "4.61.11", "builtin")}
    for plugin, place in product(reason.releases, reason.places):
        generation, _, on_builtin = known[plugin]
        own = ("electron",) if generation == "electron" else PLATFORMS
        native = reason.fields.get("version_build", NATIVE)
        name = RUNS if place == "on a bundle" else native if on_builtin == "native" else on_builtin
        for platform in (each for each in own if each in reason.platforms):
            fields = {"platform": platform, "plugin_version": plugin, "version_name": name} | reason.fields
            yield {
                "request": {"method": "POST", "path": "/updates", "fields": fields},
                "expect": {"status": 200, "json": told(reason, generation, name, native)},
                "because": reason.code,
                "generation": generation,
            }


def document() -> Json:
    cases = []
    for reason in REASONS:
        fields = f", {json.dumps(reason.fields)}" if reason.fields else ""
        where = reason.places[0] if len(reason.places) == 1 else "on a bundle and on builtin"
        names = f"nothing: {reason.code}, {reason.state}{fields}, {where}"
        if reason.platforms != (*PLATFORMS, "electron"):
            names += f", {reason.platforms[0]}"
        cases.append(
            {"name": names, "why": "0.1, 1.3.1, 10", "state": reason.state, "exchanges": list(exchanges(reason))}
        )
    return {
        "format": 2,
        "about": [
            "POST /updates: every reason for nothing, told to every generation, on a bundle and on builtin, on both "
            "platforms and to Electron (PROTOCOL.md 0.1, 10, 11.7, 11.11). README.md says how to "
            "read a case.",
            "Written by tests/conformance/nothing_new.py, which says where the expectations come from.",
        ],
        "states": STATES,
        "cases": cases,
    }


def encoded() -> str:
    """One line for each state and each exchange."""
    whole = document()
    states = ",\n".join(f"    {json.dumps(name)}: {json.dumps(state)}" for name, state in whole["states"].items())
    cases = ",\n".join(_encoded_case(case) for case in whole["cases"])
    about = json.dumps(whole["about"])
    return f'{{\n  "format": 2,\n  "about": {about},\n  "states": {{\n{states}\n  }},\n  "cases": [\n{cases}\n  ]\n}}\n'


def _encoded_case(case: Json) -> str:
    head = json.dumps({name: value for name, value in case.items() if name != "exchanges"})[:-1]
    lines = ",\n".join(f"        {json.dumps(each)}" for each in case["exchanges"])
    return f'    {head},\n      "exchanges": [\n{lines}\n      ]}}'


if __name__ == "__main__":
    FILE.write_text(encoded())
