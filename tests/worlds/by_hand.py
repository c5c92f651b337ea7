"""Encryption as PROTOCOL.md §6.2 describes it, in plain arithmetic: shares no code with the project."""

import base64
import hashlib
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_private_key


@dataclass
class ByHand:
    """One session of a publisher's key."""

    pem: bytes
    aes_key: bytes
    iv: bytes

    def block(self, content: bytes) -> bytes:
        numbers = load_pem_private_key(self.pem, None).private_numbers()
        padded = b"\x00\x01" + b"\xff" * (253 - len(content)) + b"\x00" + content
        return pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

    @property
    def session_key(self) -> str:
        return f"{base64.b64encode(self.iv).decode()}:{base64.b64encode(self.block(self.aes_key)).decode()}"

    def signed(self, content: bytes) -> str:
        return self.block(hashlib.sha256(content).digest()).hex()

    def body(self, content: bytes) -> bytes:
        missing = 16 - len(content) % 16
        encryptor = Cipher(algorithms.AES(self.aes_key), modes.CBC(self.iv)).encryptor()
        return encryptor.update(content + bytes([missing]) * missing) + encryptor.finalize()


def by_hand(pem: bytes) -> ByHand:
    return ByHand(pem, os.urandom(16), os.urandom(16))
