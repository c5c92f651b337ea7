"""The options that say what a feature gives to whom, and what the control API takes of them."""

from typing import Any

import click

from edge.cli.features.conditions import parse_prerequisite, parse_rule, parse_share_value, parse_value
from edge.cli.terminal.client import ControlClient, app_path
from edge.domain.errors import NotFound

_TYPES = ("boolean", "string", "number", "integer", "float", "json")


def setting_options(command: Any) -> Any:
    """What can be set of a feature; the command gets it as keyword arguments."""
    for option in reversed(
        (
            click.option("--type", "kind", type=click.Choice(_TYPES), help="What it is; a new feature needs it."),
            click.option("--default", metavar="VALUE", help="What everybody else gets; a new feature needs it."),
            click.option("--rule", "rules", metavar="RULE", multiple=True, help="See below; repeat, in order."),
            click.option("--no-rules", is_flag=True, help="Remove all rules."),
            click.option("--share", metavar="SHARE% => VALUE", help="A share of the devices that no rule takes."),
            click.option("--no-share", is_flag=True, help="Remove the share."),
            click.option(
                "--prerequisite",
                "prerequisites",
                metavar="FEATURE[=VALUE]",
                multiple=True,
                help="Only where that feature gives this value (default: true); repeat for more.",
            ),
            click.option("--no-prerequisites", is_flag=True, help="Remove all prerequisites."),
            click.option("--needs", metavar="VERSION", help='Only on devices that run this bundle or newer; "": any.'),
            click.option(
                "--server-only/--for-devices",
                "server_only",
                default=None,
                help="Give it to your servers alone.",
            ),
            click.option("--note/--no-note", "noted", default=None, help="Record which device gets which value."),
            click.option("--about", metavar="TEXT", help="What it is for, in a line."),
        )
    ):
        command = option(command)
    return command


def settings_body(client: ControlClient, app: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the API takes of the options of `setting_options`."""
    for one, other in (("rules", "no_rules"), ("share", "no_share"), ("prerequisites", "no_prerequisites")):
        if given[one] and given[other]:
            raise click.UsageError(f"--{one.removesuffix('s')} and --{other.replace('_', '-')} exclude each other")
    kinds = _Kinds(client, app)
    kind = _kind(given) or ""
    body: dict[str, Any] = {"type": kind} if kind else {}
    valued = given["default"] is not None or given["rules"] or given["share"]
    if valued and not kind:
        kind = kinds.of(name)
    if given["default"] is not None:
        body["default"] = parse_value(kind, given["default"])
    if given["rules"] or given["no_rules"]:
        body["rules"] = [parse_rule(kind, text) for text in given["rules"]]
    if given["share"] or given["no_share"]:
        body["share"] = parse_share_value(kind, given["share"]) if given["share"] else None
    if given["prerequisites"] or given["no_prerequisites"]:
        body["prerequisites"] = [parse_prerequisite(text, kinds.of) for text in given["prerequisites"]]
    plain = {each: given[each] for each in ("needs", "server_only", "noted", "about")}
    return body | {each: value for each, value in plain.items() if value is not None}


class _Kinds:
    """The types of an app's features, asked when they are needed."""

    def __init__(self, client: ControlClient, app: str) -> None:
        self._client, self._app = client, app

    def of(self, name: str) -> str:
        """Of one that does not exist, a type whose values are JSON: the node says that it is missing."""
        try:
            return str(self._client.get(app_path(self._app, "features", name))["type"])
        except NotFound as error:
            if error.code != "unknown_feature":
                raise
            return "json"


def _kind(given: dict[str, Any]) -> str | None:
    """`number` is what the default is written as: 3 or 3.0."""
    kind = given["kind"]
    if kind != "number":
        return None if kind is None else str(kind)
    text = (given["default"] or "").strip()
    if not text:
        raise click.UsageError("--type number needs --default: 3 makes it an integer, 3.0 a float")
    return "integer" if text.lstrip("-").isdigit() else "float"
