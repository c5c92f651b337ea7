"""Sketches of distinct devices: HyperLogLog with 2^14 registers of 4 bits, from Apache DataSketches.

Below some 1,000 devices a sketch is exact and small (4 bytes each); beyond that it has 8 kB, and one sigma is 0.8 %.
Only the folding process imports this: numpy comes with it.
"""

from collections.abc import Iterable
from hashlib import blake2b

from datasketches import hll_sketch, hll_union, tgt_hll_type

_LOG_REGISTERS = 14
UNREADABLE_SKETCH = (ValueError, RuntimeError, IndexError, TypeError, MemoryError)  # what the library raises of bytes


class SketchedItems(dict[int, int]):
    """What stands for each device in sketches: a keyed hash, as nobody shall choose ids that a sketch takes for many.

    The key stays in the database, so sketches of one database alone can be merged.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __missing__(self, device: int) -> int:
        content = device.to_bytes(8, "little", signed=True)
        digest = blake2b(content, digest_size=8, key=self._secret).digest()
        found = self[device] = int.from_bytes(digest, "little", signed=True)
        return found


def with_devices(sketch: bytes | None, devices: Iterable[int]) -> bytes:
    """The sketch and these devices; without one, a new one. Raises one of UNREADABLE_SKETCH."""
    found = hll_sketch(_LOG_REGISTERS, tgt_hll_type.HLL_4) if sketch is None else hll_sketch.deserialize(sketch)
    for device in devices:
        found.update(device)  # always a whole number: the library takes 5 and 5.0 for two items
    return bytes(found.serialize_compact())


def merged(*sketches: bytes) -> bytes:
    """A sketch of the devices that are in any of them. Raises one of UNREADABLE_SKETCH."""
    union = hll_union(_LOG_REGISTERS)
    for sketch in sketches:
        union.update(hll_sketch.deserialize(sketch))
    return bytes(union.get_result(tgt_hll_type.HLL_4).serialize_compact())


def distinct(sketches: Iterable[bytes]) -> int:
    """About how many devices are in any of them."""
    union = hll_union(_LOG_REGISTERS)
    for sketch in sketches:
        union.update(hll_sketch.deserialize(sketch))
    estimate: float = union.get_estimate()
    return round(estimate)
