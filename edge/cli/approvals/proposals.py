"""`edge proposal`: changes that wait for another person's approval."""

from typing import Any

import click

from edge.cli.terminal.asking import ask, impact_lines, require_decision
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api, with_change
from edge.cli.terminal.output import Output, fields, line, moment, table

_MORE = """A change of a protected channel (`edge app set APP --approve CHANNEL:2`) waits until enough other people have
approved it, and is then made as one revision that names all of them. Nobody approves a change of their own, not even
with another of their tokens. A token counts as the person who made it."""


@click.group(epilog=_MORE)
def proposal() -> None:
    """Decide on changes that wait for approval."""


@proposal.command("list", short_help="List the proposals of APP.")
@click.argument("app")
@with_api
def list_proposals(client: ControlClient, out: Output, app: str) -> None:
    """List the proposals of APP that wait, and what became of the latest others."""
    found = client.get(app_path(app, "proposals"))

    def print_text() -> None:
        rows = [
            [
                *(each["id"], each["state"], each["by"], f"{each['kind']} {each['target']}", _standing(each)),
                *(moment(each[when]) if each[when] else "" for when in ("expires", "decided_at")),
            ]
            for each in found
        ]
        table(
            ("proposal", "state", "by", "change", "approval", "until", "decided"),
            rows,
            f"no proposals; edge app set {app} --approve CHANNEL:2 has changes wait",
        )

    out.result(found, print_text)


@proposal.command(short_help="Show what PROPOSAL would do.")
@click.argument("app")
@click.argument("proposal")
@with_api
def show(client: ControlClient, out: Output, app: str, proposal: str) -> None:
    """Show PROPOSAL of APP: who asks for what, and what it would do to devices now."""
    found = client.get(app_path(app, "proposals", proposal))
    out.result(found, lambda: _print(found))


@proposal.command()
@click.argument("app")
@click.argument("proposal")
@click.option("--yes", "-y", is_flag=True, help="Skip the confirmation.")
@click.option("--effect", default="", metavar="DIGEST", help="Approve only what `edge proposal show --json` has shown.")
@with_change
def approve(client: ControlClient, out: Output, app: str, proposal: str, yes: bool, effect: str) -> None:
    """Approve PROPOSAL of APP, after a look at what it would do now. Without a terminal, as in a script, add --yes.

    If that changes before the node has your approval, the approval is refused and nothing is made: look again. With the
    last approval that is needed, the change is made.
    """
    if not effect:
        found = client.get(app_path(app, "proposals", proposal))
        effect = found["effect"]
        if not yes and found["state"] == "waiting":
            require_decision(f"approving proposal {proposal}")
            _print(found)
            ask()
    done = client.post(app_path(app, "proposals", proposal, "approve"), {"effect": effect})

    def print_text() -> None:
        if done["made"]:
            return line(f"approved: {_change(done['proposal'])} is made (revision {done['revision']})")
        return line(f"approved; it still waits: {_standing(done['proposal'])}")

    out.result(done, print_text)


@proposal.command()
@click.argument("app")
@click.argument("proposal")
@with_change
def reject(client: ControlClient, out: Output, app: str, proposal: str) -> None:
    """Reject PROPOSAL of APP; say why with --reason."""
    done = client.post(app_path(app, "proposals", proposal, "reject"))
    out.result(done, lambda: line(f"rejected: {_change(done['proposal'])}"))


@proposal.command()
@click.argument("app")
@click.argument("proposal")
@with_change
def withdraw(client: ControlClient, out: Output, app: str, proposal: str) -> None:
    """Withdraw your own PROPOSAL of APP."""
    done = client.post(app_path(app, "proposals", proposal, "withdraw"))
    out.result(done, lambda: line(f"withdrawn: {_change(done['proposal'])}"))


def _print(found: dict[str, Any]) -> None:
    rows = [("proposal", f"{found['id']} of app {found['app']}, {found['state']}"), ("change", _change(found))]
    rows += [("by", found["by"])]
    rows += [("why", found["reason"])] if found["reason"] else []
    rows += [("needs", _standing(found))] if found["state"] == "waiting" else [("decided", _decision(found))]
    rows += [("expires", moment(found["expires"]))] if found["expires"] else []
    fields(rows)
    if found["refused"]:
        line(f"it cannot be made now: {found['refused']}")
    for each in found["changes"] or []:
        before, after = each["before"] or "none", each["after"] or "none"
        line(f"  {each['subject']} {each['name']}, {each['what']}: {before} -> {after}")
    if message := found["message"]:
        line(f"  {message['planned']:,} of {message['registered']:,} registered devices would get it")
    for text in impact_lines(found["impact"]) if found["impact"] else ():
        line(f"  {text}")


def _change(view: dict[str, Any]) -> str:
    return f"{view['kind'].replace('_', ' ')} {view['target']}"


def _standing(view: dict[str, Any]) -> str:
    """`2 people (publish on production); approved by bob`."""
    if view["state"] != "waiting":
        return _decision(view)
    counted = [each["by"] for each in view["approvals"] if each["counts"]]
    gone = [each["by"] for each in view["approvals"] if each.get("gone")]  # older nodes do not know it
    others = [each["by"] for each in view["approvals"] if not each["counts"] and each["by"] not in gone]
    said = f"{view['people']} people"
    on = f" on {', '.join(view['channels'])}" if view["channels"] else ""
    said += f" ({', '.join(view['kinds'])}{on})" if view["kinds"] else ""
    said += f"; approved by {', '.join(counted)}" if counted else ""
    said += f"; {', '.join(gone)} approved it and may not any more" if gone else ""
    return said + (f"; {', '.join(others)} approved something else" if others else "")


def _decision(view: dict[str, Any]) -> str:
    by = f" by {', '.join(view['decided_by'])}" if view["decided_by"] else ""
    return f"{view['state']}{by}" + (f": {view['decision']}" if view["decision"] else "")
