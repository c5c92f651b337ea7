"""The cases of `tests/vectors/device`: read, filled in for one run, and compared. Nothing of the node is known here.

`tests/vectors/device/README.md` describes every member; a reader in another language is this file, rewritten.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

FOLDER = Path(__file__).parent.parent / "vectors" / "device"
ROUTE_FILES = ("updates", "names", "nothing_new", "stats", "channel_self", "manifest_size", "bundles", "routes")
BASE = "https://updates.example.com"
OTHER_APP, UNKNOWN_APP = "com.conformance.other", "com.conformance.unknown"

_PLACEHOLDER = re.compile(r"\{([A-Za-z_.0-9/]+)\}")


class Request(NamedTuple):
    method: str
    target: str  # path and query, encoded
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Exchange(NamedTuple):
    request: Request
    expect: Mapping[str, Any]
    stored: Mapping[str, Any]
    because: str | None
    generation: str | None


class Case(NamedTuple):
    """`state` without what is said of the one device: cases with equal states can share an app."""

    name: str
    app: str
    device: str
    state: Mapping[str, Any]
    override: str | None
    facts: Mapping[str, Any]
    pair: tuple[str, str] | None
    exchanges: tuple[Exchange, ...]
    http_only: bool


@cache
def published() -> dict[str, Any]:
    """What all files share: the bytes of bundles, the words for their digests, the info object."""
    return json.loads((FOLDER / "published.json").read_text())


@cache
def load_file(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, with an app for each state and its own device."""
    apps: dict[str, str] = {}
    raw = [(name, each) for name in ROUTE_FILES for each in load_file(name)["cases"]]
    return tuple(_case(name, each, number, apps) for number, (name, each) in enumerate(raw, 1))


def _case(file: str, raw: dict[str, Any], number: int, apps: dict[str, str]) -> Case:
    state = raw["state"] if isinstance(raw["state"], dict) else load_file(file)["states"][raw["state"]]
    shared = {key: value for key, value in state.items() if key not in ("override", "device")}
    # Every second id has one part: whatever an id is used for, both kinds are.
    own = f"com.conformance.s{len(apps) + 1}" if len(apps) % 2 else f"conformance-{len(apps) + 1}"
    app = apps.setdefault(json.dumps(shared, sort_keys=True), own)
    device = f"{number:08x}-eefe-490a-9c60-8e965132ae51"
    words = words_for(app, device)
    exchanges = tuple(_exchange(fill(each, words), words) for each in raw["exchanges"])
    pair = tuple(raw["pair"]) if "pair" in raw else None
    facts = state.get("device", {})
    name = f"{file}: {raw['name']}"
    return Case(name, app, device, shared, state.get("override"), facts, pair, exchanges, raw.get("http_only", False))


def words_for(app: str, device: str) -> dict[str, Any]:
    own = {"base": BASE, "app": app, "other": OTHER_APP, "unknown": UNKNOWN_APP}
    return published()["words"] | own | {"device": device, "APP": app.upper(), "DEVICE": device.upper()}


def fill(value: Any, words: Mapping[str, Any]) -> Any:
    """Placeholders replaced: a text that is one placeholder by its value, others inside the text."""
    if isinstance(value, dict):
        return {fill(key, words): fill(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, words) for each in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and not isinstance(words.get(whole[1], ""), str):
        return fill(words[whole[1]], words)  # an array, or a number
    return _PLACEHOLDER.sub(lambda match: str(words.get(match[1], match[0])), value)


def _exchange(raw: dict[str, Any], words: Mapping[str, Any]) -> Exchange:
    asked = raw["request"]
    target = asked["path"]
    if "query" in asked:
        pairs = asked["query"]
        target += "?" + urlencode(list(pairs.items()) if isinstance(pairs, dict) else pairs)
    body = _body(asked, words)
    headers = dict(asked.get("headers", {}))
    if body and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    request = Request(asked["method"], target, headers, body)
    return Exchange(request, raw["expect"], raw.get("stored", {}), raw.get("because"), raw.get("generation"))


def _body(asked: dict[str, Any], words: Mapping[str, Any]) -> bytes:
    if "raw" in asked:
        body = asked["raw"].encode()
    elif "raw_base64" in asked:
        body = base64.b64decode(asked["raw_base64"])
    elif "batch" in asked:
        body = json.dumps([_message(each, words) for each in asked["batch"]]).encode()
    elif "json" in asked or "fields" in asked:
        body = json.dumps(_message(asked, words)).encode()
    else:
        body = b""
    return body.ljust(asked.get("padded_to_bytes", 0))


def _message(asked: dict[str, Any], words: Mapping[str, Any]) -> Any:
    if "json" in asked:
        return asked["json"]
    info = fill(published()["info"], words) | asked["fields"]
    return {name: value for name, value in info.items() if name not in asked.get("without", ())}


def faults_of(answer: Answer, expect: Mapping[str, Any]) -> Iterator[str]:
    """Every difference, in words; none when the answer is right."""
    if answer.status != expect["status"]:
        yield f"status {answer.status}, not {expect['status']}: {answer.body[:300]!r}"
    for name, wanted in expect.get("headers", {}).items():
        given = answer.headers.get(name.lower())
        if not (given is None if wanted is None else given is not None and _text_fits(wanted, given)):
            yield f"header {name} is {given!r}, not {wanted!r}"
    if "json" in expect:
        yield from _json_faults(answer, expect["json"])
    if "body" in expect:
        given_body = {"bytes": len(answer.body), "sha256": hashlib.sha256(answer.body).hexdigest()}
        yield from differences({key: given_body[key] for key in expect["body"]}, expect["body"], "body")


def _json_faults(answer: Answer, wanted: Any) -> Iterator[str]:
    kind = answer.headers.get("content-type", "")
    if kind.partition(";")[0] != "application/json":
        yield f"Content-Type {kind!r}"
    try:
        yield from differences(json.loads(answer.body), wanted, "json")
    except ValueError:
        yield f"no JSON: {answer.body[:300]!r}"


def differences(given: Any, wanted: Any, where: str) -> Iterator[str]:
    """Types are compared too: iOS decodes strictly. `{"$integer": [a, b]}` stands for any integer from a to b."""
    if isinstance(wanted, dict) and "$integer" in wanted:
        low, high = wanted["$integer"]
        if type(given) is not int or not low <= given <= high:
            yield f"{where}: {given!r} is no integer from {low} to {high}"
    elif isinstance(wanted, dict) and isinstance(given, dict):
        for key in wanted.keys() | given.keys():
            if key not in given or key not in wanted:
                yield f"{where}.{key}: {'missing' if key in wanted else f'unexpected {given[key]!r}'}"
            else:
                yield from differences(given[key], wanted[key], f"{where}.{key}")
    elif isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        for place, (one, other) in enumerate(zip(given, wanted, strict=True)):
            yield from differences(one, other, f"{where}[{place}]")
    elif type(given) is not type(wanted) or given != wanted:
        yield f"{where}: {given!r}, not {wanted!r}"


def _text_fits(wanted: Any, given: str) -> bool:
    if isinstance(wanted, dict) and "$integer" in wanted:
        return given.isdigit() and wanted["$integer"][0] <= int(given) <= wanted["$integer"][1]
    if isinstance(wanted, dict):
        return re.fullmatch(wanted["$matches"], given) is not None
    return bool(given == wanted)
