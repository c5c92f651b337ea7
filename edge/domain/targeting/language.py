"""The words of targeting expressions, in one table: for the checker and for explaining the language.

The language is a subset of CEL (Common Expression Language): the same text means the same there, except that a literal
takes the kind of the field it is compared with, so that "14" beside `version_os` is the version 14.0.0.
"""

import enum
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Kind(enum.Enum):
    """The type of a value; the text names it in errors."""

    TEXT = "a text"
    VERSION = "a version"
    PLATFORM = "a platform"
    DEVICE = "a device id"
    FLAG = "true or false"
    NUMBER = "a whole number"

    @property
    def is_ordered(self) -> bool:
        return self in (Kind.TEXT, Kind.VERSION, Kind.NUMBER)

    @property
    def is_text(self) -> bool:
        """Whether it has the methods of texts."""
        return self in (Kind.TEXT, Kind.DEVICE)


class Field(NamedTuple):
    """A field of the language. `may_be_unknown`: a device may not report it, and then no comparison with it holds."""

    name: str
    kind: Kind
    meaning: str
    example: str
    may_be_unknown: bool = False  # an unknown value makes no comparison true, `!=` and `!` included


class Function(NamedTuple):
    """A function or method of the language, as its help shows it."""

    name: str
    signature: str
    meaning: str
    example: str


def _by_name(*fields: Field) -> Mapping[str, Field]:
    return {field.name: field for field in fields}


FIELDS = _by_name(
    Field("platform", Kind.PLATFORM, "ios, android or electron", 'platform == "ios"'),
    Field("version_build", Kind.VERSION, "version of the native app", 'version_build >= "2.1"', True),
    Field(
        "version_name", Kind.VERSION, "bundle it runs; version_build on builtin", 'version_name < "1.4.0-rc.1"', True
    ),
    Field("version_os", Kind.VERSION, "version of the operating system", 'version_os >= "14"', True),
    Field("plugin_version", Kind.VERSION, "version of the updater plugin", 'plugin_version >= "8.51"', True),
    Field("is_prod", Kind.FLAG, "a store build; always true for older Android plugins", "is_prod"),
    Field("is_emulator", Kind.FLAG, "an emulator or simulator", "!is_emulator"),
    Field("custom_id", Kind.TEXT, "id the app gave the device; may be empty", 'custom_id.startsWith("qa-")'),
    Field("device_id", Kind.DEVICE, "the plugin's id of the device", 'device_id.endsWith("7")'),
    Field("default_channel", Kind.TEXT, "channel the app is built with; may be empty", 'default_channel == "beta"'),
    Field("install_source", Kind.TEXT, "store it came from; may be empty", 'install_source in ["testflight"]'),
    Field("key_id", Kind.TEXT, "start of the public key the app holds; may be empty", 'key_id != ""'),
    Field("country", Kind.TEXT, "from a trusted proxy's header", 'country in ["DE", "AT"]', True),
    Field("region", Kind.TEXT, "region of the node that answers", 'region == "eu"', True),
    Field("distance", Kind.NUMBER, "km from that node to the middle of the country", "distance <= 1500", True),
    Field("first_seen_days", Kind.NUMBER, "days since it was first heard of", "first_seen_days >= 7", True),
    Field("sessions_7d", Kind.NUMBER, "sessions in the last 7 days", "sessions_7d > 3", True),
    Field("session_minutes_7d", Kind.NUMBER, "minutes of its sessions in 7 days", "session_minutes_7d >= 60", True),
    Field("errors_7d", Kind.NUMBER, "errors in the last 7 days, 100 a day at most", "errors_7d == 0", True),
    Field(
        "update_delay_hours", Kind.NUMBER, "of its latest update, from offer to start", "update_delay_hours > 48", True
    ),
    Field("install_seconds", Kind.NUMBER, "of its latest update's download", "install_seconds > 60", True),
)

# How the device is used: not in its check, and judged once a day.
FACTS = frozenset(field for field in FIELDS.values() if field.kind is Kind.NUMBER and field.name != "distance")

FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (
        Function(
            "bucket", "bucket(percent)", "that share of the devices, 0.001 to 100, always the same", "bucket(0.5)"
        ),
        Function("in_set", 'in_set("name")', "device_id or custom_id is in the uploaded list", 'in_set("vip")'),
        Function("feature", 'feature("name")', "the app has said that it used the feature", 'feature("checkout")'),
    )
}

METHODS = ("startsWith", "endsWith", "contains")

# What CEL has and this subset does not, with the reason for the error.
REFUSED: Mapping[str, str] = {
    "matches": "regular expressions are not part of the language, because evaluating one can take too long; "
    "use startsWith, endsWith or contains",
    "null": "no field is null: an unknown value matches nothing",
}


def language_rows() -> Iterator[tuple[str, str, str, str]]:
    """Name, type, meaning and example of every field, function and method, in display order."""
    for field in FIELDS.values():
        yield field.name, field.kind.value, field.meaning, field.example
    for function in FUNCTIONS.values():
        yield function.signature, Kind.FLAG.value, function.meaning, function.example
    for method in METHODS:
        yield f'.{method}("…")', Kind.FLAG.value, "of a text or of device_id", f'custom_id.{method}("qa")'
