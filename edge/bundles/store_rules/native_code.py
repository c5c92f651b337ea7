"""Whether a file is code for a processor or a virtual machine of the system, by its bytes. Pure.

Names prove nothing: a picture may be called `lib.so`. WebAssembly is not meant: a web view runs it as JavaScript.
"""

import struct

HEAD_BYTES = 4096  # of a file: a PE header begins within it
# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
_ELF = b"\x7fELF"
# mach-o/loader.h and mach-o/fat.h of XNU
_MACH_O = {bytes.fromhex(each) for each in ("feedface", "feedfacf", "cefaedfe", "cffaedfe")}
_FAT_OR_CLASS = bytes.fromhex("cafebabe")  # Java's class files begin with the same word
_FAT_64 = bytes.fromhex("cafebabf")
_CLASS_MAJOR_LEAST = 45  # of Java 1.1; a fat binary has far fewer architectures than that
_ARCHITECTURES_MOST = 32
_AR = b"!<arch>\n"
_BITCODE = b"BC\xc0\xde"


def native_kind(head: bytes) -> str:
    """What kind of code a file is that begins so; "" if it is none."""
    if head.startswith(_ELF) and len(head) > 6 and head[4] in (1, 2) and head[5] in (1, 2):
        return "an ELF binary (Linux, Android)"
    if head[:4] in _MACH_O and len(head) >= 28:
        return "a Mach-O binary (iOS, macOS)"
    if head[:4] in (_FAT_OR_CLASS, _FAT_64) and len(head) >= 8:
        return _fat_or_class(head)
    if head[:2] == b"MZ" and _is_pe(head):
        return "a PE binary (Windows)"
    if head[:4] == b"dex\n" and head[4:7].isdigit() and head[7:8] == b"\0":
        return "Android bytecode (dex)"
    if head.startswith(_AR):
        return "a static library or a Debian package (ar)"
    if head.startswith(_BITCODE):
        return "LLVM bitcode"
    return ""


def _fat_or_class(head: bytes) -> str:
    (number,) = struct.unpack(">I", head[4:8])
    if 0 < number <= _ARCHITECTURES_MOST:
        return "a Mach-O binary (iOS, macOS)"
    if head[:4] == _FAT_OR_CLASS and (number & 0xFFFF) >= _CLASS_MAJOR_LEAST:
        return "Java bytecode (class)"
    return ""


def _is_pe(head: bytes) -> bool:
    """Where the word at 0x3c points, there is PE's own signature."""
    if len(head) < 64:
        return False
    (at,) = struct.unpack("<I", head[60:64])
    return head[at : at + 4] == b"PE\0\0"


def package_kind(names: frozenset[str]) -> str:
    """What kind of package a zip with these names is; "" if it is none that holds code for a system."""
    if "BundleConfig.pb" in names and any(name.startswith("base/") for name in names):
        return "an Android app bundle (aab)"
    if "AndroidManifest.xml" in names:
        return "an Android package (apk, aar)"
    if any(name.startswith("Payload/") and ".app/" in name for name in names):
        return "an iOS package (ipa)"
    if "META-INF/MANIFEST.MF" in names and any(name.endswith(".class") for name in names):
        return "a Java archive (jar)"
    return ""
