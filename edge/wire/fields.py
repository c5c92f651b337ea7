"""The valid values of the fields in the plugin's info object, one rule for each: PROTOCOL.md §1.3, §3.2.

A rule returns what is wrong with a value, in words; a `Schema` has rules in the protocol's order, and the code. What a
request is for is not known here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.domain.errors import Invalid
from edge.domain.model import APP_ID_LIMIT, Platform, parse_app_id, parse_device_id
from edge.domain.versions import VERSION_LIMIT, parse_version
from edge.wire.body import WireError

DEVICE_ID_LIMIT = 36  # characters; a UUID
CUSTOM_ID_LIMIT = 36  # characters; the hosted service's limit for /stats
INSTALL_SOURCE_LIMIT = 64  # characters; PROTOCOL.md §1.3
KEY_ID_LIMIT = 20  # characters; PROTOCOL.md §1.3

FieldRule = Callable[[object], str]  # what is wrong with a value; empty if nothing is


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The rules of one request. `required` fields have a label and a rule; those in `may_be_empty` must only be
    present."""

    code: str  # of the error for what the rules refuse
    message: str
    required: Mapping[str, tuple[str, FieldRule]]
    optional: Mapping[str, FieldRule]
    may_be_empty: frozenset[str] = field(default_factory=frozenset)
    needs_device: bool = True
    needs_native: bool = True  # whether the native version is checked before all rules


def checked_fields(fields: dict[str, Any] | None, schema: Schema) -> dict[str, Any]:
    """The fields, none of which is null, if they are valid; None stands for what is no object, or an empty one.

    Raises WireError 400 with the first failing check's code: the schema's own, `missing_device_id`, `missing_app_id`,
    `semver_error`, the schema's own again.
    """
    if fields is None:
        raise WireError(400, schema.code, schema.message)
    if schema.needs_device and not fields.get("device_id"):
        raise WireError(400, "missing_device_id", "Cannot find device_id")
    app = fields.get("app_id")
    if not app and not (app == "" and "app_id" in schema.may_be_empty):
        raise WireError(400, "missing_app_id", "Cannot find app_id")
    build = fields.get("version_build", "")
    if schema.needs_native and not (isinstance(build, str) and len(build) <= VERSION_LIMIT):
        shown = build[:VERSION_LIMIT] if isinstance(build, str) else None
        raise WireError(400, "semver_error", "The native version is not a version", {"version_build": shown})
    issues = [{"field": name, "message": message} for name, message in _issues(fields, schema)]
    if issues:
        raise WireError(400, schema.code, schema.message, {"parseResult": issues})
    return fields


def _issues(fields: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """(field, message) of everything that the schema refuses, in order."""
    for name, (label, rule) in schema.required.items():
        given = fields.get(name)
        absent = given is None or (given == "" and name not in schema.may_be_empty)
        message = f"{label} is required" if absent else rule(given)
        if message:
            yield name, message
    for name, optional_rule in schema.optional.items():
        message = optional_rule(fields[name]) if name in fields else ""
        if message:
            yield name, message


def app_id_rule(value: object) -> str:
    if not isinstance(value, str):
        return "App ID must be a string"
    if len(value) > APP_ID_LIMIT:
        return _too_long(APP_ID_LIMIT)
    return "" if _parses(parse_app_id, value) else "App ID must be a reverse domain string"


def device_id_rule(value: object) -> str:
    if isinstance(value, str) and len(value) > DEVICE_ID_LIMIT:
        return _too_long(DEVICE_ID_LIMIT)
    valid = isinstance(value, str) and _parses(parse_device_id, value)
    return "" if valid else "Device ID must be a valid UUID string"


def platform_rule(value: object) -> str:
    known = isinstance(value, str) and value in {platform.value for platform in Platform}
    return "" if known else "Platform is not supported or invalid"


def plugin_version_rule(value: object) -> str:
    valid = isinstance(value, str) and parse_version(value) is not None
    return "" if valid else "Plugin version is invalid"


def boolean_rule(value: object) -> str:
    return "" if isinstance(value, bool) else "must be a boolean"


def text_rule(label: str, limit: int | None = None) -> FieldRule:
    """`limit` is in characters; None: only the body's own limit applies."""

    def rule(value: object) -> str:
        if not isinstance(value, str):
            return f"{label} must be a string"
        return _too_long(limit) if limit is not None and len(value) > limit else ""

    return rule


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except Invalid:
        return False
    return True


def _too_long(limit: int) -> str:
    return f"String must contain at most {limit} character(s)"
