"""The `edge` command: its groups by module path, and the one place where a failure becomes a line and an exit code.

Exit codes: 0 done, 1 refused or failed (one line on stderr: `edge: <reason>`), 2 wrong usage, 130 interrupted. A verb's
module is imported when it is asked for, so `edge --help` is quick and one broken verb leaves the others alone.
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
    module: str  # below edge.cli
    attribute: str
    summary: str


VERBS: Mapping[str, VerbEntry] = {
    "app": VerbEntry("releases.apps", "app", "Create, list and delete apps; check an app's folder."),
    "bundle": VerbEntry("releases.bundles", "bundle", "Publish, list, delete, prune and withdraw bundles."),
    "channel": VerbEntry("releases.channels", "channel", "Decide who is offered which bundle."),
    "completion": VerbEntry("completion", "completion", "Complete verbs and options in a shell."),
    "config": VerbEntry("node.configs", "config", "Check and show the configuration."),
    "demo": VerbEntry("demo.demo", "demo", "Serve a demo app, or prove that the node works."),
    "device": VerbEntry("devices.simulated", "device", "Behave as a device does; see what is known of one."),
    "doctor": VerbEntry("node.doctor", "doctor", "See what of this host limits delivery."),
    "experiment": VerbEntry("releases.experiments", "experiment", "Offer several bundles side by side and keep one."),
    "explain": VerbEntry("devices.explain", "explain", "Show how a device's check is decided."),
    "history": VerbEntry("releases.history", "history", "List an app's revisions."),
    "idset": VerbEntry("devices.id_sets", "idset", "Upload lists of ids that segments ask."),
    "init": VerbEntry("app_folder.init", "init", "Write the app's own file, edge.json, in its folder."),
    "keys": VerbEntry("releases.keys", "keys", "Make the keys of encrypted bundles."),
    "login": VerbEntry("node.login", "login", "Keep a token for a control port."),
    "logout": VerbEntry("node.login", "logout", "Forget the token for a control port."),
    "override": VerbEntry("devices.overrides", "override", "Send single devices to a channel."),
    "publish": VerbEntry("releases.publish_app", "publish", "Publish the app of this folder."),
    "rollback": VerbEntry("releases.going_back", "rollback", "Go back to what a channel offered before."),
    "rollout": VerbEntry("releases.rollouts", "rollout", "Offer a bundle to a growing share of devices."),
    "segment": VerbEntry("devices.segments", "segment", "Tell devices apart by an expression."),
    "serve": VerbEntry("node.serve", "serve", "Run a node."),
    "stats": VerbEntry("devices.stats", "stats", "Count what devices reported."),
    "token": VerbEntry("node.tokens", "token", "Make and revoke access tokens."),
    "undo": VerbEntry("releases.going_back", "undo", "Take back an app's last change."),
    "window": VerbEntry("releases.windows", "window", "Set the hours in which a channel offers something new."),
}


class CommandFailed(click.ClickException):
    """One line on stderr, exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"edge: {self.message}", err=True)


class EdgeGroup(click.Group):
    """The verbs of VERBS, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        return getattr(importlib.import_module(f"edge.cli.{verb.module}"), verb.attribute) if verb else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and (alike := get_close_matches(args[0], VERBS, n=1)):
            ctx.fail(f"there is no verb {args[0]!r} (did you mean {alike[0]}?)")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb. What a peer or the user did wrong is told in one line; our own bugs rise with their trace."""
        try:
            return super().invoke(ctx)
        except EdgeError as error:
            raise CommandFailed(_one_line(error.message)) from error
        except BrokenPipeError:
            raise  # click ends quietly: who read our output has left
        except OSError as error:
            raise CommandFailed(_one_line(_file_reason(error))) from error
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(INTERRUPTED) from error


@click.group(cls=EdgeGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge")
def cli() -> None:
    """Live app updates from a node of your own.

    Every verb takes --json. The control port is given by --url or EDGE_URL, the token by --token, EDGE_TOKEN or
    `edge login`; on the machine of the node it is found in its data directory.
    """


def main() -> None:
    cli(prog_name="edge")


def _file_reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _one_line(message: str) -> str:
    """Words from outside cannot break the line, nor speak to the terminal."""
    return "".join(c if c.isprintable() else " " for c in message).strip()
