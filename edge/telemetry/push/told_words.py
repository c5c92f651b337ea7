"""What a report says of its device, as one text: what segments read of a device when a message is planned.

Devices of one build say the same words, so these are kept once (`push_told`).
"""

import msgspec

from edge.domain.model import AppId, DeviceId, UpdateCheck
from edge.telemetry.devices.known_devices import check_of
from edge.wire.stats import Event

WORD_LIMIT = 128  # characters of each: longer ones are none that a device sends


class _Told(msgspec.Struct, array_like=True, frozen=True):
    platform: str = ""
    version: str = ""
    native: str = ""
    plugin: str = ""
    os: str = ""
    is_prod: bool = True
    is_emulator: bool = False
    is_reset: bool = False
    channel: str = ""
    source: str = ""
    key_id: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Told)


def encode_told(
    platform: str | None, version: str | None, native: str | None, plugin: str | None, os: str | None,
    *, is_prod: bool, is_emulator: bool, is_reset: bool, channel: str | None, source: str | None, key_id: str | None,
) -> str:  # fmt: skip
    """None is what was not sent."""
    words = [(each or "")[:WORD_LIMIT] for each in (platform, version, native, plugin, os)]
    more = [(each or "")[:WORD_LIMIT] for each in (channel, source, key_id)]
    return _encoder.encode([*words, is_prod, is_emulator, is_reset, *more]).decode()


def check_from(told: str, app: str, device: str, custom_id: str) -> UpdateCheck | None:
    """The check that the device would send now; None if its words are too few for one."""
    try:
        said = _decoder.decode(told)
    except msgspec.DecodeError:
        return None
    event = Event(
        AppId(app),
        DeviceId(device),
        "reset" if said.is_reset else "set",
        said.version,
        said.platform,
        plugin=said.plugin,
        native=said.native,
        is_prod=said.is_prod,
        is_emulator=said.is_emulator,
        custom_id=custom_id,
        default_channel=said.channel,
        install_source=said.source.lower(),
        os=said.os,
        key_id=said.key_id,
    )
    return check_of(event)
