"""The `edge` command: its verbs by module path, and the one place where an error becomes one line and an exit code.

Exit codes: 0 done, 1 refused or failed (one line on stderr: `edge: <reason>`), 2 wrong usage, 3 made and not served, 4
waits for approval, 130 interrupted. A verb's
module is imported when the verb runs, so `edge --help` is quick and one broken verb does not affect the others.
"""

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import IO, Any, NamedTuple

import click

from edge import __version__
from edge.domain.errors import EdgeError

INTERRUPTED = 130  # what a shell makes of SIGINT


class VerbEntry(NamedTuple):
    """Where a verb is, and its line in the list of commands."""

    module: str  # below edge.cli
    attribute: str  # the click command in it
    summary: str


VERBS: Mapping[str, VerbEntry] = {
    "app": VerbEntry("releases.apps", "app", "Manage apps and their event keys; check an app's folder."),
    "audit": VerbEntry("audit.audit", "audit", "List, export and verify who did, tried or read what."),
    "bundle": VerbEntry("releases.bundles", "bundle", "Publish, list, delete, prune and withdraw bundles."),
    "channel": VerbEntry("releases.channels", "channel", "Manage channels: which devices are offered which bundle."),
    "completion": VerbEntry("completion", "completion", "Print a shell completion script."),
    "config": VerbEntry("node.configs", "config", "Check and show a node's configuration."),
    "demo": VerbEntry("demo.demo", "demo", "Serve a demo app, or check that the node works."),
    "device": VerbEntry("devices.simulated", "device", "Simulate a device; list and show known devices."),
    "doctor": VerbEntry("node.doctor", "doctor", "Check this host for limits on delivery."),
    "experiment": VerbEntry("releases.experiments", "experiment", "Offer several bundles side by side and keep one."),
    "explain": VerbEntry("devices.explain", "explain", "Explain how a device's update check is decided."),
    "feature": VerbEntry("features.feature", "feature", "Give parts of an app values by segment, without a release."),
    "freeze": VerbEntry("approvals.freezes", "freeze", "Change nothing for devices for a while."),
    "guard": VerbEntry("releases.guard", "guard", "Watch a channel's releases and stop a bad one."),
    "history": VerbEntry("releases.history", "history", "List the revisions of an app."),
    "idset": VerbEntry("devices.id_sets", "idset", "Manage lists of ids that segments match with in_set."),
    "init": VerbEntry("app_folder.init", "init", "Write edge.json in the app's folder."),
    "join": VerbEntry("node.join", "join", "Make this machine a node that follows another one."),
    "keys": VerbEntry("keys.keys", "keys", "Create keys for bundles; change who may sign releases."),
    "leave": VerbEntry("node.join", "leave", "End following on this machine."),
    "login": VerbEntry("node.login", "login", "Store a token for a control API."),
    "login-link": VerbEntry("node.login", "login_link", "Make a link that signs a browser in to the page once."),
    "logout": VerbEntry("node.login", "logout", "Remove the stored token for a control API."),
    "message": VerbEntry("push.messages", "message", "Send messages to an app's devices, at the right hour."),
    "node": VerbEntry("node.nodes", "node", "See the nodes of all regions, and forget one that is gone."),
    "org": VerbEntry("people.organisations", "org", "Manage organisations, which own apps."),
    "outcome": VerbEntry("figures.outcomes", "outcome", "Import what came of devices, such as support tickets."),
    "override": VerbEntry("devices.overrides", "override", "Send single devices to a channel, overriding the rules."),
    "person": VerbEntry("people.persons", "person", "Manage people and the roles that they hold."),
    "proposal": VerbEntry("approvals.proposals", "proposal", "Decide on changes that wait for approval."),
    "publish": VerbEntry("releases.publish_app", "publish", "Publish the app in this folder."),
    "push": VerbEntry("push.push", "push", "Set the credentials at push providers, and send a test."),
    "put-back": VerbEntry("releases.going_back", "put_back", "Put back what an older change altered."),
    "restart": VerbEntry("node.restart", "restart", "Restart this machine's node without refusing a connection."),
    "role": VerbEntry("people.roles", "role", "See what roles may do, and make your own."),
    "rollback": VerbEntry("releases.going_back", "rollback", "Return a channel to what it offered before."),
    "rollout": VerbEntry("releases.rollouts", "rollout", "Roll a bundle out to a growing share of devices."),
    "secrets": VerbEntry("keys.sealing", "sealing", "Show and rotate the keys that seal secrets in the store."),
    "segment": VerbEntry("devices.segments", "segment", "Manage segments: devices selected by an expression."),
    "serve": VerbEntry("node.serve", "serve", "Run a node."),
    "stats": VerbEntry("figures.stats", "stats", "Show who has what, whether it works, how it is used."),
    "store": VerbEntry("store.verify", "store", "Care for the releases, on disk or in a bucket."),
    "telemetry": VerbEntry("figures.telemetry", "telemetry", "Export and audit what devices sent."),
    "token": VerbEntry("people.tokens", "token", "Create, list, rotate and revoke access tokens."),
    "undo": VerbEntry("releases.going_back", "undo", "Undo the latest change of an app."),
    "webhook": VerbEntry("node.webhooks", "webhook", "Tell other systems and chats what a guard or a rollout did."),
    "whoami": VerbEntry("people.roles", "whoami", "Show who you are to the node, and what you may do."),
    "window": VerbEntry("releases.windows", "window", "Set the hours when a channel offers something new."),
}


class CommandFailed(click.ClickException):
    """An error that becomes one line on stderr and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"edge: {self.message}", err=True)


class EdgeGroup(click.Group):
    """The verbs of VERBS, each imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        return getattr(importlib.import_module(f"edge.cli.{verb.module}"), verb.attribute) if verb else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and (alike := get_close_matches(args[0], VERBS, n=1)):
            ctx.fail(f"unknown verb {args[0]!r} (did you mean {alike[0]}?)")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb. An error of the user or a peer becomes one line; our own bugs keep their traceback."""
        try:
            return super().invoke(ctx)
        except EdgeError as error:
            raise CommandFailed(_one_line(error.message)) from error
        except BrokenPipeError:
            raise  # click exits quietly: the reader of our output is gone
        except OSError as error:
            from edge.cli.terminal.output import reason_of  # no verb is imported before it runs

            raise CommandFailed(_one_line(reason_of(error))) from error
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(INTERRUPTED) from error


@click.group(cls=EdgeGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge")
def cli() -> None:
    """Manage live app updates on your own nodes.

    Verbs take the control API's address from --url or EDGE_URL, and the token from --token, EDGE_TOKEN or `edge login`.
    On the node's own machine they find both by themselves. Add --json for output that programs can read.
    """


def main() -> None:
    """The entry point of the `edge` script."""
    cli(prog_name="edge")


def _one_line(message: str) -> str:
    """Text from outside can neither break the line nor control the terminal."""
    return "".join(c if c.isprintable() else " " for c in message).strip()
