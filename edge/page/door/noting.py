"""Every sign-in of people, failed or not, and every change of what they sign in with, for the audit."""

from edge.control.audit.audit_log import AuditLog
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry

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
