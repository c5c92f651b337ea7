"""Whose account at the login provider is whose, as a region knows it: in a file of its own, by the rules of home.

A region is not given what people sign in with elsewhere. So it binds accounts by itself: to somebody that the origin's
admins have added, at the first login. Calls block: run them off the event loop.
"""

import secrets
import threading
from pathlib import Path

import msgspec

from edge.control.login.credential_document import CREDENTIALS_FORMAT, CredentialDocument, Edit
from edge.store.disk.durable_files import replace_file
from edge.store.disk.set_aside import Damaged, read_own_file, set_aside

IDENTITIES_FILE = "identities.json"
_decoder = msgspec.json.Decoder(CredentialDocument)


class RegionCredentials:
    """Has no passwords and no passkeys: nobody sets them on a region."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], CredentialDocument] | None = None

    def last_good(self) -> CredentialDocument:
        """As the file has it now: a successor of this process may have written it. Empty if it is damaged: it is set
        aside, and accounts are bound again."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return CredentialDocument(format=CREDENTIALS_FORMAT, store="", sequence=0)
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if self._read is None or self._read[0] != stamp:
            self._read = (stamp, self._parsed())
        return self._read[1]

    def change(self, edit: Edit, *, lending: bool = False) -> None:
        """Raises what the edit raises, OutOfRoom `storage_full`."""
        with self._lock:
            before = self.last_good()
            after = edit(before)
            if after is before:
                return
            after = msgspec.structs.replace(after, sequence=before.sequence + 1)
            scratch = self._file.with_name(f".{self._file.name}.{secrets.token_hex(8)}")
            replace_file(self._file, msgspec.json.encode(after), scratch)

    def _parsed(self) -> CredentialDocument:
        try:
            return _decoder.decode(read_own_file(self._file))
        except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
            set_aside(self._file, str(error), "who signs in here by the login provider; each account is bound again")
            return CredentialDocument(format=CREDENTIALS_FORMAT, store="", sequence=0)
