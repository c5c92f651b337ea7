"""`edge store accept-restored`: go on from a store that went back to an old copy, once an operator has read what that
means. It talks to the running node, which refuses the store until then."""

from collections.abc import Iterator
from typing import Any

import click

from edge.cli.terminal.asking import Asking, ask, require_answer, with_asking
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, note

NAMES_SHOWN = 8  # of an app; --json has all


@click.command("accept-restored", short_help="Go on from a store that went back to an old copy.")
@click.option("--all", "every", is_flag=True, help="Of a node made from a backup: regions have seen newer releases.")
@with_asking
@with_api
def accept_restored(client: ControlClient, out: Output, asking: Asking, every: bool) -> None:
    """Accept that the store went back to an old copy, and go on from there.

    A node that finds its store older than it was, or parts of it missing, offers the apps concerned nothing and changes
    nothing. Prefer to restore a newer copy. This command accepts the one that is there: the apps go back, but bundles
    stay withdrawn, tokens stay revoked and version names stay taken, as far as this node remembers them. Each app's
    history records it.

    A node made from a backup remembers nothing and refuses nothing, but regions that have seen newer releases refuse
    what it has. First withdraw and revoke on it what was withdrawn and revoked since the backup, as a region still
    shows it; then --all has every region take what is here, within its poll. It is an admin's word: who has only a
    region's token cannot give it.
    """
    query = "?every=true" if every else ""
    foreseen = client.get(f"/v1/store/restored{query}")
    if not foreseen["refused"]:
        return out.result(foreseen, lambda: line("nothing to accept: the store is not refused"))
    if asking.dry_run:
        return out.result(foreseen, lambda: _print(foreseen, line))
    require_answer(asking, "accept the restored store")
    if not asking.yes:
        _print(foreseen, note)
        ask()
    done = client.post(f"/v1/store/accept-restored{query}")
    return out.result(done, lambda: line(f"accepted: {_total(done)}"))


def _print(view: dict[str, Any], say: Any) -> None:
    say("accept the restored store")
    for text in _sentences(view):
        say(f"  {text}")


def _sentences(view: dict[str, Any]) -> Iterator[str]:
    if view["keys"]:
        yield f"keys: {view['keys']}; this node's own copy is put back"
    if tokens := view["tokens"]:
        yield f"tokens: {tokens['problem']}; this node's own copy is put back"
        for verb, names in (("stay revoked", tokens["revoked"]), ("stay valid", tokens["brought_back"])):
            if names:
                yield f"  {verb}: {_some(names)}"
    if people := view.get("people"):
        yield f"people: {people['problem']}; this node's own copy is put back"
        for verb, names in (("stay removed", people["removed"]), ("stay", people["brought_back"])):
            if names:
                yield f"  {verb}: {_some(names)}"
    if credentials := view.get("credentials"):
        yield f"what people sign in with: {credentials}; this node's own copy is put back"
    for shard in (each for each in view["shards"] if each["apps"] or each["unchanged"] or len(view["shards"]) == 1):
        yield shard["problem"]
        for app in shard["apps"]:
            yield f"  {app['app']}: {_goes_back(app)} (recorded as revision {app['revision']})"
            if app["withdrawn"]:
                yield f"    withdrawn again: {_some(app['withdrawn'])}"
            if app["kept"]:
                yield f"    version names that stay taken: {_some(app['kept'])}"
        if shard["unchanged"]:
            yield f"  {counted(shard['unchanged'], 'app')} as before"


def _goes_back(app: dict[str, Any]) -> str:
    if app["restored"] and app["seen"] <= app["restored"]:
        return f"goes on from revision {app['restored']}"
    seen = f"from revision {app['seen']} " if app["seen"] else ""
    return f"goes back {seen}to {app['restored']}" if app["restored"] else f"goes back {seen}to before it was created"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"


def _total(view: dict[str, Any]) -> str:
    apps = [app for shard in view["shards"] for app in shard["apps"]]
    verb = "went back" if any(app["seen"] > app["restored"] for app in apps) else "taken as it is"
    withdrawn = sum(len(app["withdrawn"]) for app in apps)
    return f"{counted(len(apps), 'app')} {verb}, {counted(withdrawn, 'bundle')} withdrawn again"
