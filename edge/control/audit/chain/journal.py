"""What the committing thread of the audit does: a group of entries becomes lines after the last of the chain."""

from collections.abc import Sequence

from edge.control.audit.chain.files import AuditFiles, End
from edge.control.audit.chain.record import Owner, build_group
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.domain.facts import DAY_SECONDS
from edge.store.disk.group_commit import IDLE_SECONDS
from edge.store.disk.room import Reserve
from edge.store.signing import Writer

FILE_LIMIT_BYTES = 4 * 2**20  # some 10,000 records: a page reads one or two files whole
RECOVERED = "audit_recovered"


class Journal:
    """A `GroupTarget` of entries. Entries that are no refusals may use `reserve` when the disk is full:
    strangers do not get it."""

    def __init__(self, files: AuditFiles, owner: Owner, writer: Writer | None, reserve: Reserve) -> None:
        self._files, self._owner, self._writer, self._reserve = files, owner, writer, reserve
        self._told_cut = 0

    def commit(self, group: Sequence[AuditEntry]) -> None:
        """Raises OSError: then none of it is recorded."""
        with self._files.locked():
            end = self._files.end()
            entries = [*self._cut_note(group[0].at), *group]
            path = end.path
            if path is None or end.size_bytes >= FILE_LIMIT_BYTES or _day(end.begun_at) < _day(entries[0].at):
                path = self._files.path_of(end.chain.n + 1)
            size = end.size_bytes if path == end.path else 0
            content, chain, at = build_group(entries, end.chain, end.at, self._owner, self._writer)

            begun_at = end.begun_at if size else max(end.at, entries[0].at)
            after = End(path, size + len(content), chain, at, begun_at)

            def append() -> None:
                self._files.append(path, size, content, after)

            if all(entry.is_refusal for entry in group):
                append()
            else:
                self._reserve.lending(append)
            self._told_cut = self._files.cut_bytes

    def _cut_note(self, at: float) -> list[AuditEntry]:
        """What a crash, or somebody, left behind the last whole group was moved aside: that is recorded, too."""
        cut = self._files.cut_bytes - self._told_cut
        if cut <= 0:
            return []
        return [
            AuditEntry(
                at=at,
                kind=ActKind.NODE,
                operation=RECOVERED,
                outcome=ActOutcome.FAILED,
                target=f"{cut} bytes moved aside",
            )
        ]

    def tend(self) -> float:
        return IDLE_SECONDS

    def close(self) -> None:
        return None


def _day(at: float) -> int:
    return int(at // DAY_SECONDS)
