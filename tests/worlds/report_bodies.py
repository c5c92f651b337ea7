"""Reports as devices send them, and any that are nearly so."""

import json

from hypothesis import strategies as st

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
OTHER_DEVICE = "11119a6b-eefe-490a-9c60-8e965132ae51"
SENT = {
    "platform": "ios",
    "device_id": DEVICE,
    "app_id": "com.demo.app",
    "custom_id": "user-7",
    "version_build": "1.0.0",
    "version_code": "42",
    "version_os": "17.4",
    "version_name": "1.0.4",
    "old_version_name": "1.0.3",
    "plugin_version": "8.51.14",
    "is_emulator": True,
    "is_prod": False,
    "install_source": "App_Store",
    "defaultChannel": "beta",
    "key_id": "MIIBCgKCAQEAqJikYizo",
    "action": "set",
    "metadata": {"source": "launch"},
    "timestamp": 1_700_000_000_123,
}


def body_of(value) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


texts = st.text(max_size=40) | st.sampled_from(["", " ", "1.0.4", "ios", "electron", "\ud800", "\udc00", "\0", "\x85x"])
scalars = texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
devices = st.sampled_from([DEVICE, DEVICE.upper(), OTHER_DEVICE, DEVICE.title()])
names = st.sampled_from([*SENT, "more", "App_Id"])


@st.composite
def members(draw) -> str:
    """An event's text: members twice, or of other types, escaped or not, in any order, with white space."""
    pairs = list((SENT | {"device_id": draw(devices)}).items())
    pairs = draw(st.permutations(pairs)) if draw(st.booleans()) else pairs
    for _ in range(draw(st.integers(0, 3))):
        pairs.insert(draw(st.integers(0, len(pairs))), (draw(names), draw(values)))
    for _ in range(draw(st.integers(0, 2))):
        pairs.pop(draw(st.integers(0, len(pairs) - 1)))
    ascii_only, space = draw(st.booleans()), draw(st.sampled_from(["", "", " ", "\t", "\n"]))
    return "{" + f",{space}".join(_member(draw, name, value, ascii_only, space) for name, value in pairs) + space + "}"


def _member(draw, name, value, ascii_only: bool, space: str) -> str:
    written = json.dumps(name)
    if draw(st.integers(0, 30)) == 0:
        written = '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'
    return f"{written}:{space}{json.dumps(value, ensure_ascii=ascii_only)}"


bodies = st.one_of(members(), st.lists(members(), max_size=4).map(lambda events: "[" + ",".join(events) + "]")).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
