"""The one zip form: what `zip_writer` makes and all that `zip_reader` takes.

Android's unpacker walks the headers in front of the files, iOS's the directory at the end. In this form both say the
same: entries one after another from byte 0, sizes known in both places, no zip64, descriptors, extra fields, comments.
"""

import struct

LOCAL = struct.Struct("<4s26s")  # signature, the shared fields; then the name and the packed bytes
SHARED = struct.Struct("<5H3L2H")  # needed, flags, method, time, date, crc, packed, plain, name length, extra length
CENTRAL = struct.Struct("<4sH26s3H2L")  # signature, made by, shared, comment length, disk, internal, external, offset
END = struct.Struct("<4s4H2LH")  # signature, disk, disk, count, count, directory bytes, offset, comment length

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"

STORED = 0
DEFLATED = 8
FLAG_UTF8 = 0x0800
FLAGS_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # the entry, strongly, or the directory
ZIP64_SIZE = 0xFFFFFFFF  # in a size or offset: "look in the zip64 field"
