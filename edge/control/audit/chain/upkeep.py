"""What is done to a chain as a whole: anchored, held against its anchor, shortened when its records are old enough."""

from edge.control.audit.chain.anchors import Anchors
from edge.control.audit.chain.files import AuditFiles, first_line, number_of, records_of
from edge.control.audit.chain.record import BEGINNING, Chain, parse_line
from edge.domain.facts import DAY_SECONDS


def start_of(files: AuditFiles) -> Chain:
    """After what the chain begins that lies here."""
    for path in files.paths():
        try:
            first = parse_line(first_line(path))
        except ValueError:
            return Chain(number_of(path) - 1, "")
        return Chain(first.n - 1, first.previous)
    return Chain(0, BEGINNING)


def anchor_now(files: AuditFiles, anchors: Anchors, now: float, *, lower: bool = False) -> Chain:
    """Have the store know the chain as it is; with `lower` even if it had more of it. Returns its end. Blocks. Raises
    EdgeError, OSError."""
    with files.locked():
        end, start = files.end().chain, start_of(files)
    if end.n:
        anchors.put(start, end, now, lower=lower)
    return end


def drop_old(files: AuditFiles, anchors: Anchors, now: float, retention_days: int) -> int:
    """Remove the files whose records are all older; returns how many. The anchor says first where the chain begins from
    then on, so that what is missing is known to be missing rightly. Blocks. Raises EdgeError, OSError."""
    since = now - retention_days * DAY_SECONDS
    old = files.paths()[:-1]  # the newest stays
    start: Chain | None = None
    for path in old:
        last = next(reversed([record for record, _ in records_of(path.read_bytes())]), None)
        if last is None or last.at >= since:
            break
        start = Chain(last.n, "")
    if start is None:
        return 0
    with files.locked():
        after = next(path for path in files.paths() if number_of(path) == start.n + 1)
        first = parse_line(first_line(after))
        end = files.end().chain
        if anchors.writes:
            anchors.put(Chain(first.n - 1, first.previous), end, now)
        return files.remove_before(start.n)


def check_floor(files: AuditFiles, anchors: Anchors) -> str:
    """What is wrong with the chain, as far as a look at the numbers tells; "" if nothing is. Blocks. Raises OSError."""
    with files.locked():
        end = files.end().chain
    floor = anchors.floor()
    if floor.anchor is not None and end.n < floor.anchor.n:
        return f"ended with record {end.n}; had record {floor.anchor.n}, digest {floor.anchor.head}"
    return ""
