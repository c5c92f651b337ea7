"""The words of a check without the ids in them: what devices of one app, release and system send byte for byte alike.

Only the usual ways to write an id are recognised; any other body has no template and is parsed. Pure.
"""

from collections.abc import Container

from edge.domain.model import AppId, DeviceId, UpdateCheck
from edge.wire.fields import CUSTOM_ID_LIMIT
from edge.wire.updates import WireError, parse_update_check

TEMPLATE_LIMIT_BYTES = 1024  # a plugin's check has 250 to 450 bytes; a longer body is parsed

DEVICE, CUSTOM = b'"device_id":"', b'"custom_id":"'
_SPACED_DEVICE, _SPACED_CUSTOM = b'"device_id": "', b'"custom_id": "'  # as many libraries write it
# Every hexadecimal digit becomes "0", and what no id contains "?": an id and its closing quote have one shape.
_SHAPES = bytes(48 if c in b"0123456789abcdefABCDEF" else c if c in b'-"' else 63 for c in range(256))
_ID_SHAPE = b'00000000-0000-0000-0000-000000000000"'
_PLAIN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:@+"  # means itself in any JSON text

# Stand for all ids: they differ in every place, and one has capitals.
_TRIALS = (
    (b"01234567-89ab-cdef-0123-456789abcdef", b""),
    (b"fedcba98-7654-3210-fedc-ba9876543210", b"Az09-_.:@+"),
    (b"ABCDEFAB-CDEF-ABCD-EFAB-CDEFABCDEFAB", b"x" * CUSTOM_ID_LIMIT),
)
_ANYONE = DeviceId(_TRIALS[0][0].decode())


def cut_ids(body: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The template, the device id as it is written, and the custom id, b"" for none. None: the body has no template.

    Each id is cut out at the first place of its name, where a quote ends it. Both names have the same first place in
    the template, so bodies of one template differ in nothing but the two ids, and `with_ids` makes each of them again.
    """
    without = cut_device(body)
    cut = None if without is None else cut_custom_id(without[0])
    return None if without is None or cut is None else (cut[0], without[1], cut[1])


def cut_device(body: bytes) -> tuple[bytes, bytes] | None:
    """The words around the device id, and the id. Without a custom id, the words are the template."""
    start = body.find(DEVICE) + 13
    if start < 13:
        start = body.find(_SPACED_DEVICE) + 14
        if start < 14:
            return None
    end = start + 36
    if body[start : end + 1].translate(_SHAPES) != _ID_SHAPE:
        return None
    return body[:start] + body[end:], body[start:end]


def cut_custom_id(words: bytes) -> tuple[bytes, bytes] | None:
    """The template, and the custom id."""
    if len(words) > TEMPLATE_LIMIT_BYTES:
        return None
    name = CUSTOM if DEVICE in words else _SPACED_CUSTOM
    start = words.find(name) + len(name)
    if start < len(name) or words[start : start + 1] == b'"':
        return words, b""
    custom_id = words[start : words.find(b'"', start)]
    if len(custom_id) > CUSTOM_ID_LIMIT or custom_id.translate(None, _PLAIN):
        return None
    return words[:start] + words[start + len(custom_id) :], custom_id


def with_ids(template: bytes, device: bytes, custom_id: bytes) -> bytes:
    """The body from which `cut_ids` cut the two ids; the custom id is b"" if it names none."""
    device_name, custom_name = (DEVICE, CUSTOM) if DEVICE in template else (_SPACED_DEVICE, _SPACED_CUSTOM)
    body = _inserted(template, custom_name, custom_id) if custom_id else template
    return _inserted(body, device_name, device)


def meaning_of(template: bytes, country: str, apps: Container[AppId]) -> UpdateCheck | None:
    """The check that every body of the template is, but for the two ids. None if that cannot be shown.

    Bodies with trial ids are parsed: the ids must come out as they are, and nothing else may differ. As the ids mean
    themselves in a JSON text and have no influence on where it ends, what holds for these holds for all. A name that
    occurs twice, an escape or an id in an odd place makes the ids come out otherwise.
    """
    names_custom_id = CUSTOM in template or _SPACED_CUSTOM in template
    meanings = set()
    for device, custom_id in _TRIALS:
        tried = custom_id if names_custom_id else b""
        try:
            check = parse_update_check(with_ids(template, device, tried), country, apps)
        except WireError:
            return None
        if check.device != device.lower().decode() or check.custom_id != tried.decode():
            return None
        meanings.add(check._replace(device=_ANYONE, custom_id=""))
    return meanings.pop() if len(meanings) == 1 else None


def _inserted(text: bytes, name: bytes, value: bytes) -> bytes:
    place = text.find(name) + len(name)
    return text[:place] + value + text[place:]
