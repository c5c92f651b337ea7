"""`edge webhook`: whom this node tells by itself. A secret is shown once, when a webhook is added."""

from typing import Any
from urllib.parse import quote

import click

from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, moment, note, table
from edge.messages.notice import NoticeKind
from edge.messages.webhook import WebhookForm

FORMS = tuple(form.value for form in WebhookForm)
KINDS = tuple(kind.value for kind in NoticeKind)


@click.group()
def webhook() -> None:
    """Tell other systems and chats what a guard or a rollout did."""


@webhook.command()
@click.argument("name")
@click.argument("address")
@click.option(
    "--form",
    type=click.Choice(FORMS),
    default="json",
    show_default=True,
    help='What the receiver takes: every field, or a chat message: {"text": …} (Slack, Mattermost, Google Chat), or as '
    "Discord takes it.",
)
@click.option("--app", "apps", multiple=True, metavar="APP", help="Only notices about this app; may be repeated.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these; may be repeated.")
@with_api
def add(
    client: ControlClient,
    out: Output,
    name: str,
    address: str,
    form: str,
    apps: tuple[str, ...],
    kinds: tuple[str, ...],
) -> None:
    """Send notices to ADDRESS, as the webhook NAME. Only the secret for verifying signatures goes to stdout."""
    asked = {"name": name, "url": address, "form": form, "apps": apps, "kinds": kinds}
    made = client.post("/v1/webhooks", asked)

    def print_text() -> None:
        note(f"webhook {made['name']} to {made['address']} ({_filter(made)}); try it: edge webhook test {made['name']}")
        note("messages are signed with this secret, which is not shown again:")
        line(made["secret"])

    out.result(made, print_text)


@webhook.command("list", short_help="List the webhooks, without their secrets.")
@with_api
def list_webhooks(client: ControlClient, out: Output) -> None:
    """List the webhooks, without their secrets and the paths of their addresses."""
    found = client.get("/v1/webhooks")
    rows = [
        [each["name"], each["address"], each["form"], _filter(each), moment(each["created"]), each["by"]]
        for each in found
    ]
    out.result(found, lambda: table(("name", "address", "form", "gets", "added", "by"), rows, "no webhooks"))


@webhook.command()
@click.argument("name")
@with_api
def test(client: ControlClient, out: Output, name: str) -> None:
    """Send a test notice to the webhook NAME now. Exits 1 if it is not taken."""
    tested = client.post(f"{_path(name)}/test")

    def print_text() -> None:
        verdict = "it took the test" if tested["delivered"] else f"not delivered: {tested['fault']}"
        status = f", status {tested['status']}" if tested["status"] else ""
        line(f"{name}: {verdict} ({tested['milliseconds']} ms{status})")
        if tested["answer"]:
            line(f"it said: {tested['answer']}")

    out.result(tested, print_text)
    if not tested["delivered"]:
        raise click.exceptions.Exit(1)


@webhook.command(short_help="Send nothing to a webhook any more.")
@click.argument("name")
@with_api
def remove(client: ControlClient, out: Output, name: str) -> None:
    """Send nothing to the webhook NAME any more; what waits for it is dropped."""
    gone = client.delete(_path(name))
    out.result(gone, lambda: line(f"removed webhook {gone['name']}"))


@webhook.command(short_help="List the latest notices to a webhook.")
@click.argument("name")
@with_api
def deliveries(client: ControlClient, out: Output, name: str) -> None:
    """List the latest notices to the webhook NAME, and what became of each."""
    found = client.get(f"{_path(name)}/deliveries")
    columns = ("posted", "kind", "app", "notice", "state", "attempts", "status", "next", "fault")
    rows = [
        [
            *(moment(each["posted"]), each["kind"], each["app"], each["title"], each["state"].replace("_", " ")),
            *(each["attempts"], each["status"] or None, moment(each["next"]) if each["next"] else None, each["fault"]),
        ]
        for each in found
    ]
    out.result(found, lambda: table(columns, rows, "no notice was for it yet; tests are not listed"))


def _path(name: str) -> str:
    return f"/v1/webhooks/{quote(name, safe='')}"


def _filter(view: dict[str, Any]) -> str:
    kinds = ", ".join(view["kinds"]) or "all notices"
    apps = view["apps"]
    return f"{kinds} about {apps[0] if len(apps) == 1 else counted(len(apps), 'app')}" if apps else kinds
