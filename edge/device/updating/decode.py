"""The plugin's two JSON readers: Android's lenient JSONObject and iOS's strict Decodable struct.

Both return `Fields`. PROTOCOL.md §1.6.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.device.behaviours import BreakingEvent, NoUpdateAnswer
from edge.device.profile import Profile


class Undecodable(Exception):
    """This platform's reader rejects the body. `code` is the plugin's own local error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Fields:
    """The members of an answer, as the platform's reader sees them."""

    members: dict[str, Any]
    null_is_present: bool  # JSONObject.has is true for null; an optional of the iOS struct is nil

    def has(self, key: str) -> bool:
        return key in self.members and (self.null_is_present or self.members[key] is not None)

    def speaks(self, key: str) -> bool:
        """Whether it is present to releases that read `kind`: on iOS an empty string counts as absent (§1.7)."""
        return self.has(key) and (self.null_is_present or self.members[key] != "")

    def value(self, key: str) -> Any:
        return self.members.get(key)

    def text(self, key: str) -> str:
        """The member as text; JSONObject.getString converts numbers. Null and absent are empty."""
        value = self.members.get(key)
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def flag(self, key: str) -> bool:
        return self.members.get(key) is True


def decode_android(body: bytes, profile: Profile) -> Fields:
    """Any JSON object. Raises Undecodable `parse_error`."""
    return Fields(_parse_object(body, "parse_error"), null_is_present=True)


def decode_ios(body: bytes, profile: Profile) -> Fields:
    """A JSON object whose known members all have their type, or are null. Raises Undecodable.

    Members that this release does not know are ignored.
    """
    if not body:
        raise Undecodable("response_error")
    members = _parse_object(body, "decode_error")
    known = _known_members(profile)
    for key, value in members.items():
        if key in known and value is not None and not known[key](value):
            raise Undecodable("decode_error")
    return Fields({key: value for key, value in members.items() if key in known}, null_is_present=False)


def _parse_object(body: bytes, code: str) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Undecodable(code) from error
    if not isinstance(parsed, dict):
        raise Undecodable(code)
    return parsed


def _known_members(profile: Profile) -> dict[str, Callable[[Any], bool]]:
    known: dict[str, Callable[[Any], bool]] = dict.fromkeys(
        ("version", "checksum", "url", "message", "error", "session_key"), _is_text
    )
    known |= {"major": _is_flag, "data": _is_text_map}
    if profile.breaking_event not in (BreakingEvent.MAJOR, BreakingEvent.MAJOR_WITHOUT_ERROR):
        known["breaking"] = _is_flag
    if profile.no_update_answer is NoUpdateAnswer.KIND:
        known["kind"] = _is_text
    if profile.reads_link_and_comment:
        known |= {"link": _is_text, "comment": _is_text}
    if profile.manifest is not None:
        known["manifest"] = _is_manifest
    return known


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_manifest(value: Any) -> bool:
    members = ("file_name", "file_hash", "download_url")
    return isinstance(value, list) and all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str | None) for key in members) for entry in value
    )
