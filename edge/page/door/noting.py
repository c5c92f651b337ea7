"""Every sign-in of people, failed or not, and every change of what they sign in with, for the audit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

from msgspec.structs import replace

from edge.control.audit.audit_log import CUT_OFF, AuditLog
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.domain.errors import EdgeError, OutOfRoom

LOGIN, LOGOUT = "login_", "logout"


async def note_login(audit: AuditLog, now: float, operation: str, who: str, code: str = "") -> None:
    """`who` is a known person, "" for nobody that is known; `code` says why it was refused, "" if it was not. Never a
    secret, and nothing that was typed."""
    kind = ActKind.ACCESS
    if operation.startswith((LOGIN, LOGOUT)):
        kind = ActKind.LOGIN if operation.startswith(LOGIN) else ActKind.LOGOUT
    outcome = ActOutcome.REFUSED if code else ActOutcome.DONE
    await audit.record(
        AuditEntry(at=now, kind=kind, operation=operation, outcome=outcome, who=who, code=code, page=True)
    )


@asynccontextmanager
async def noted(audit: AuditLog, now: float, operation: str, who: str, *, ends: bool = False) -> AsyncIterator[None]:
    """The block changes what a person signs in with: it is on disk before that it begins, and afterwards that it is
    done. What it refuses is not recorded. `ends`: it takes something away, so it goes on where neither can be written.
    Raises OutOfRoom `audit_unavailable`."""
    kind = ActKind.LOGOUT if operation.startswith(LOGOUT) else ActKind.ACCESS
    entry = AuditEntry(at=now, kind=kind, operation=operation, who=who, page=True)
    begun = None
    with suppress(OutOfRoom) if ends else nullcontext():
        begun = await audit.begin_act(entry)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, EdgeError):
            audit.note(replace(entry, outcome=ActOutcome.UNKNOWN, code=CUT_OFF), begun)
        elif error.status >= 500:  # a provider that is down fails as often as somebody asks: these are counted
            audit.note(replace(entry, outcome=ActOutcome.FAILED, code=error.code), begun)
        elif begun is not None:
            begun.end()
        raise
    await audit.record(entry, begun)
