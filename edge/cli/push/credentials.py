"""`edge push credentials` and `edge push test`: who may send an app's messages, and whether it works.

Keys are read from files, never from the command line, where other users of the machine would see them.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment, note, table
from edge.domain.errors import Invalid

FILE_LIMIT_BYTES = 16_384
PROVIDERS = ("fcm", "apns", "webpush", "webhook")

# What each provider needs, what it takes besides, and what its one argument is.
NEEDS = {
    "fcm": ((), (), "the service account's FILE"),
    "apns": (("key", "key_id", "team", "topic"), ("sandbox",), None),
    "webpush": (("subject",), ("new_key",), None),
    "webhook": ((), ("per_second",), "its URL"),
}

provider_argument = click.argument("provider", type=click.Choice(PROVIDERS))
key_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group(short_help="Set, list, test and remove credentials.")
def credentials() -> None:
    """Set, list, test and remove an app's credentials at push providers."""


@credentials.command("set", short_help="Set an app's credentials at a provider.")
@click.argument("app")
@provider_argument
@click.argument("given", required=False, metavar="[FILE|URL|@FILE]")
@click.option("--key", "file", type=key_file, help="apns: the .p8 file from Apple's console.")
@click.option("--key-id", metavar="ID", help="apns: ten characters, shown beside the key there.")
@click.option("--team", metavar="ID", help="apns: ten characters, of your Apple account.")
@click.option("--topic", metavar="BUNDLE", help="apns: the app's bundle id.")
@click.option("--sandbox", is_flag=True, help="apns: for builds from Xcode, which Apple's other environment serves.")
@click.option("--subject", metavar="CONTACT", help="webpush: mailto:you@example.com or https://example.com.")
@click.option("--new-key", is_flag=True, help="webpush: make another key; every subscribed browser is lost.")
@click.option(
    "--per-second", type=float, metavar="N", help="webhook: at most this many messages a second; default: 100."
)
@with_api
def set_credentials(
    client: ControlClient, out: Output, app: str, provider: str, given: str | None, file: Path | None, **named: Any
) -> None:
    """Set an app's credentials at a provider. They are sealed, and never shown again.

    fcm FILE: a service account's key, in JSON from Google's console. apns: --key, --key-id, --team, --topic. webpush:
    --subject; the node makes the key pair, and the public key, which apps subscribe with, goes to stdout. webhook URL:
    a service of your own, @FILE reads it from a file, since its path may be secret; the secret for verifying
    signatures goes to stdout, once.
    """
    asked = {name: value for name, value in named.items() if value not in (None, False)}
    if file is not None:
        asked["key"] = file
    _check_given(provider, given, asked)
    if provider == "fcm":
        asked["service_account"] = _text(Path(given or ""))
    elif provider == "webhook":
        asked["url"] = _text(Path(str(given)[1:])).strip() if str(given).startswith("@") else given
    elif provider == "apns":
        asked["key"] = _text(asked["key"])
    made = client.put(_path(app, provider), asked)
    out.result(made, lambda: _print_set(app, provider, made))


@credentials.command("list", short_help="List an app's credentials, without what is secret.")
@click.argument("app")
@with_api
def list_credentials(client: ControlClient, out: Output, app: str) -> None:
    """List an app's credentials at push providers, without what is secret."""
    found = client.get(_path(app))
    rows = [
        [each["provider"], _shown(each["shown"]), moment(each["set"]), each["by"], _key_state(each)] for each in found
    ]
    empty = f"no credentials, so nothing can be sent: edge push credentials set {app} PROVIDER"
    out.result(found, lambda: table(("provider", "what", "set", "by", "sealed with"), rows, empty))


@credentials.command(short_help="Ask a provider whether it takes the credentials.")
@click.argument("app")
@provider_argument
@with_api
def test(client: ControlClient, out: Output, app: str, provider: str) -> None:
    """Ask a provider whether it takes the credentials; nobody gets a message. Exits 1 if it refuses them."""
    tested = client.post(f"{_path(app, provider)}/test")
    said = f" ({tested['code']})" if tested["code"] else ""
    out.result(tested, lambda: line(f"{provider}: {tested['words']}{said}"))
    if tested["good"] is False:
        raise click.exceptions.Exit(1)


@credentials.command(short_help="Send nothing through a provider any more.")
@click.argument("app")
@provider_argument
@with_api
def remove(client: ControlClient, out: Output, app: str, provider: str) -> None:
    """Remove an app's credentials at a provider; of webpush, every browser that has subscribed is lost."""
    gone = client.delete(_path(app, provider))
    out.result(gone, lambda: line(f"removed: {provider} of {app}"))


@click.command("test", short_help="Send a message to one device now.")
@click.argument("app")
@click.argument("device", required=False)
@click.option("--provider", type=click.Choice(PROVIDERS), help="With --to: the provider of a token.")
@click.option("--to", metavar="TOKEN", help="Instead of DEVICE: a token from the provider's SDK; @FILE reads a file.")
@click.option("--title", default="Test", show_default=True)
@click.option("--body", default="It works.", show_default=True)
@click.option("--silent", is_flag=True, help="Wake the app and show nothing.")
@with_api
def send_test(
    client: ControlClient,
    out: Output,
    app: str,
    device: str | None,
    provider: str | None,
    to: str | None,
    **shown: Any,
) -> None:
    """Send a message to the device with the id DEVICE now, and show what came of it. Exits 1 unless each provider that
    the device registered with takes it."""
    if (device is None) is (to is None) or (to is None) is not (provider is None):
        raise click.UsageError("name a registered DEVICE, or --provider and --to")
    if to is not None:
        token = _text(Path(to[1:])).strip() if to.startswith("@") else to
        done = [client.post(f"{_path(app, str(provider))}/send", {"token": token, **shown})]
    else:
        done = client.post(f"{app_path(app)}/push/test", {"device": device, **shown})

    def print_text() -> None:
        for each in done:
            said = f" ({each['code']})" if each["code"] not in ("", each["verdict"]) else ""
            line(f"{each['provider']}: {each['verdict']}{said}")

    out.result(done, print_text)
    if any(each["verdict"] != "sent" for each in done):
        raise click.exceptions.Exit(1)


def _check_given(provider: str, given: str | None, asked: dict[str, Any]) -> None:
    """Raises a usage error."""
    needed, possible, word = NEEDS[provider]
    if (given is None) is not (word is None):
        raise click.UsageError(f"{provider} needs {word}" if word else f"{provider} takes no file and no URL")
    if lacking := [name for name in needed if name not in asked]:
        raise click.UsageError(f"{provider} needs --{lacking[0].replace('_', '-')}")
    if strange := [name for name in asked if name not in (*needed, *possible)]:
        raise click.UsageError(f"--{strange[0].replace('_', '-')} is not for {provider}")


def _print_set(app: str, provider: str, made: dict[str, Any]) -> None:
    note(f"{provider} of {app}: {_shown(made['shown'])}")
    if provider == "webpush":
        note("apps subscribe with this key (applicationServerKey):")
        line(made["shown"]["public_key"])
    if made["secret"]:
        note("messages are signed with this secret, which is not shown again:")
        line(made["secret"])


def _path(app: str, provider: str = "") -> str:
    path = f"{app_path(app)}/push/credentials"
    return f"{path}/{quote(provider, safe='')}" if provider else path


def _shown(shown: dict[str, str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items() if name != "public_key")


def _key_state(found: dict[str, Any]) -> str:
    return str(found["sealed_with"]) + ("" if found["openable"] else ", which is not here")


def _text(file: Path) -> str:
    """Raises Invalid `invalid_credentials`."""
    with file.open("rb") as stream:
        content = stream.read(FILE_LIMIT_BYTES + 1)
    try:
        if len(content) <= FILE_LIMIT_BYTES:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise Invalid("invalid_credentials", f"{file} is not a key file: it is text of up to {FILE_LIMIT_BYTES} bytes")
