"""Sketches of distinct devices: HyperLogLog with 2^14 registers of 4 bits, from Apache DataSketches.

Below some 1,000 devices a sketch is exact and small (4 bytes each); beyond that it has 8 kB, and one sigma is 0.8 %.
Only the folding process imports this: numpy comes with it.
"""

from collections.abc import Iterable

from datasketches import hll_sketch, hll_union, tgt_hll_type

_LOG_REGISTERS = 14


def with_devices(sketch: bytes | None, devices: Iterable[int]) -> bytes:
    """The sketch and these devices; without one, a new one."""
    found = hll_sketch(_LOG_REGISTERS, tgt_hll_type.HLL_4) if sketch is None else hll_sketch.deserialize(sketch)
    for device in devices:
        found.update(device)  # always a whole number: the library takes 5 and 5.0 for two items
    return bytes(found.serialize_compact())


def distinct(sketches: Iterable[bytes]) -> int:
    """About how many devices are in any of them."""
    union = hll_union(_LOG_REGISTERS)
    for sketch in sketches:
        union.update(hll_sketch.deserialize(sketch))
    estimate: float = union.get_estimate()
    return round(estimate)
