"""The strict form of zip that `writer` makes and `reader` accepts.

Android's unpacker reads the headers in front of the files, iOS's the directory at the end. In this form both agree:
entries one after another from byte 0, sizes in both places, no zip64, descriptors, extra fields or comments.
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
ZIP64_SIZE = 0xFFFFFFFF  # a size or offset that is in the zip64 field
