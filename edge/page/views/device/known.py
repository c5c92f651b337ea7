"""What is known of one device, in words, and what is kept from it. Pure. Unknown is not 0."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from edge.control.shapes.devices import DeviceView, Explanation
from edge.control.shapes.features.feature_shapes import FeatureOfDevice
from edge.page.acts.feature_plans import feature_address
from edge.page.views.channel.failures import cause_words
from edge.page.views.device.path import ToldPath
from edge.page.words.numbers import UNKNOWN, cleaned, count, named
from edge.page.words.times import moment, with_age
from edge.page.words.values import value_words

PLATFORMS = {"ios": "iOS", "android": "Android", "electron": "Electron", "web": "Web"}


class Fact(NamedTuple):
    """`href` leads on; `links` are several such."""

    label: str
    value: str
    beside: str = ""
    links: Sequence[tuple[str, str]] = ()


class KeptBundle(NamedTuple):
    """A bundle that is withheld, or of which an attempt failed. `lift` is the act's address, "" if there is none."""

    bundle: str
    why: str
    until: str
    lift: str


class DeviceHead(NamedTuple):
    """The top of the page: `lead` is bold."""

    title: str
    ids: str
    lead: str
    rest: str


def head_of(
    device: str, asked: Mapping[str, Any], told: ToldPath, kept: Sequence[KeptBundle], *, heard: bool
) -> DeviceHead:
    """`heard`: the node has a report of it; else what is said of it is a guess, and is not said."""
    custom_id = named(str(asked.get("custom_id", "")))
    ids = device + (f" · custom id {custom_id}" if custom_id else "")
    if not heard:
        rest = "The node has no report from it: what it would be offered is that of a fresh installation."
        return DeviceHead(f"Device {device[:8]}…", ids, "Nothing is known of what it runs.", rest)
    platform = PLATFORMS.get(str(asked.get("platform", "")), named(str(asked.get("platform", ""))))
    os, native = named(str(asked.get("version_os", ""))), named(str(asked.get("version_build", "")))
    title = f"{platform} {os}".strip() + (f", app {native}" if native else "")
    runs = named(str(asked.get("version_name", "")))
    lead = f"Runs {runs} and is {told.answer}." if told.offers else f"Runs {runs} and stays there."
    failed = [each.bundle for each in kept if each.lift]
    rest = f"{', '.join(failed)} failed on it and is not offered to it." if failed else ""
    return DeviceHead(title, ids, lead, rest)


def facts_of(
    app: str,
    shown: DeviceView,
    reported: float | None,
    asked: Mapping[str, Any],
    segments: Sequence[str] | None,
    now: float,
) -> list[Fact]:
    """`reported` is when its report came that `asked` is from, None: there is none. `segments` are those that it is in;
    None: not looked up."""
    offered = [named(each) if each else "a deleted bundle" for each in reversed(shown.offered)]
    heard = with_age(reported, now) if reported is not None else "not in the reports that are kept"
    override = Fact("Override", named(shown.override), "by an operator") if shown.override else Fact("Override", "none")
    return [
        *(_reported(asked) if reported is not None else []),
        *(_segments(app, segments) if segments is not None else []),
        override,
        *([Fact("Its own choice", named(shown.channel))] if shown.channel else []),
        *_behaviour(shown),
        Fact("Offered lately", ", ".join(offered) or "nothing that is noted"),
        Fact("Last heard of", heard),
    ]


def features_given(app: str, device: str, features: Sequence[FeatureOfDevice]) -> dict[str, Any] | None:
    """What it gets of each feature, for the `table` macro; None: the app has none."""
    rows = [
        {
            "cells": [
                {"text": named(each.feature), "href": f"{feature_address(app, each.feature)}?device={device}#ask"},
                {"text": value_words(each.value), "of": f"variant {named(each.variant)}"},
            ]
        }
        for each in features
    ]
    return {"columns": [{"name": "Feature"}, {"name": "Gets"}], "rows": rows} if rows else None


def _reported(asked: Mapping[str, Any]) -> list[Fact]:
    source, kind, country = _text(asked, "install_source"), _kind(asked), _text(asked, "country")
    platform = PLATFORMS.get(_text(asked, "platform"), _text(asked, "platform"))
    return [
        Fact("Runs", _text(asked, "version_name")),
        Fact("Native app", _text(asked, "version_build") or UNKNOWN, f"from {source}" if source else ""),
        Fact("System", f"{platform} {_text(asked, 'version_os')}".strip()),
        Fact("Plugin", _text(asked, "plugin_version")),
        *([Fact("Build", kind)] if kind else []),
        *([Fact("Country", country, "as the proxy said")] if country else []),
    ]


def _segments(app: str, segments: Sequence[str]) -> list[Fact]:
    href = f"/apps/{quote(app, safe='')}/segments"
    return [Fact("Segments", "" if segments else "in none", "", [(named(each), href) for each in segments])]


def _behaviour(shown: DeviceView) -> list[Fact]:
    used = shown.behaviour
    if used is None:
        return [Fact("How it is used", "not known", "it was not judged yet")]
    judged = f"judged on {used.judged}"
    features = None if used.features is None else ", ".join(map(named, used.features)) or "none"
    return [
        Fact("Known for", f"{count(used.first_seen_days)} {'day' if used.first_seen_days == 1 else 'days'}", judged),
        _used("Sessions, 7 days", used.sessions_7d, "its plugin sends no launches"),
        _used("Errors, 7 days", used.errors_7d),
        *([Fact("Features", features)] if features is not None else []),
    ]


def _used(label: str, value: int | None, why: str = "") -> Fact:
    if value is None:
        return Fact(label, "not known", why)
    return Fact(label, count(value))


def _kind(asked: Mapping[str, Any]) -> str:
    kinds = (("is_prod", False, "development"), ("is_emulator", True, "emulator"))
    return ", ".join(words for name, value, words in kinds if asked.get(name) is value)


def _text(asked: Mapping[str, Any], name: str) -> str:
    return named(str(asked.get(name, "")))


def kept_from(app: str, shown: DeviceView, now: float) -> list[KeptBundle]:
    """Withheld ones first, then those that failed and are offered again."""
    kept = []
    for each in shown.withheld:
        until = "for good" if each.until is None else f"until {moment(each.until, now)}"
        lift = _lift(app, shown.device, each.version)
        kept.append(KeptBundle(_version(each.version), _why(each.cause, each.attempts), until, lift))
    for failing in shown.failing:
        why = _why(failing.cause, failing.attempts)
        kept.append(KeptBundle(_version(failing.version), why, "still offered", ""))
    return kept


def _version(version: str | None) -> str:
    return named(version) if version is not None else "a deleted bundle"


def _why(cause: str, attempts: int) -> str:
    words = cause_words(cause)
    return words if attempts <= 1 else f"{words}, {count(attempts)} times"


def _lift(app: str, device: str, version: str | None) -> str:
    if version is None:
        return ""
    return f"/apps/{quote(app, safe='')}/acts/lift?{urlencode({'device': device, 'version': version})}"


def body_of(app: str, explained: Explanation) -> dict[str, Any]:
    """What the device would post to ask, for the test of a segment."""
    return {name: value for name, value in explained.asked.items() if name != "country"} | {"app_id": app}


def command_of(app: str, device: str) -> str:
    return cleaned(f"edge explain {app} --device {device}")
