"""How hard a publisher compresses. Two presets, each with a label that names everything its bytes depend on.

Bytes made under one label are never used for another: the same files give the same bytes whether they are compressed
now, cached here, or already on the node.
"""

import zlib
from typing import NamedTuple

import brotli
import deflate

from edge.bundles.zip.packed_body import BEST_LEVEL, BEST_LIMIT_BYTES, Effort

WHOLE_LIMIT_BYTES = 2 * 1024 * 1024  # quality 11 packs about 0.4 MB a second
# Measured, memory over an idle process: quality 11 on 2 MiB takes 41 MB; quality 9 takes 43 MB with a window of
# 2^20 bytes, 51 MB with 2^21, 72 MB with 2^22. Never 22 (brotli's default): a stream of that window may begin 1B 00 06
# or 0B 02 80, which the plugin takes for a wrapped raw file (PROTOCOL.md §5.4).
WHOLE_WINDOW_BITS = 21
STREAM_WINDOW_BITS = 20


class Packing(NamedTuple):
    """Qualities of brotli and the effort of deflate."""

    whole_quality: int  # of a file up to WHOLE_LIMIT_BYTES, compressed in one piece
    stream_quality: int  # of a larger one
    deflate: Effort

    @property
    def brotli_label(self) -> str:
        """Also part of manifests."""
        whole, stream = f"{self.whole_quality}w{WHOLE_WINDOW_BITS}", f"{self.stream_quality}w{STREAM_WINDOW_BITS}"
        return f"brotli-{brotli.__version__}-{whole}-{WHOLE_LIMIT_BYTES >> 10}k-{stream}"

    @property
    def deflate_label(self) -> str:
        best = (
            f"-{deflate.__version__}-{BEST_LEVEL}-{self.deflate.best_bytes >> 10}k" if self.deflate.best_bytes else ""
        )
        return f"deflate-{zlib.ZLIB_RUNTIME_VERSION}-{self.deflate.level}{best}"

    def without_best(self) -> "Packing":
        """The same with zlib alone for the zip."""
        return self._replace(deflate=self.deflate._replace(best_bytes=0))


SMALLEST = Packing(whole_quality=11, stream_quality=9, deflate=Effort(level=9, best_bytes=BEST_LIMIT_BYTES))
# Measured on 12 MB of source text: 1.1 s of CPU instead of 20, downloads a sixth larger.
FAST = Packing(whole_quality=5, stream_quality=5, deflate=Effort(level=6, best_bytes=0))
