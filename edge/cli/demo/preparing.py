"""The demo app as the demo finds it, set up through the control API like any other: only what is missing is created."""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from edge.assembly.standalone import Standalone
from edge.bundles.sources.selection import build_selection
from edge.cli.demo.fleet import COUNTRY_HEADER
from edge.cli.demo.power_user import POWER_USER, use_without_connection
from edge.cli.demo.release import APP, BETA, CHANNEL, RELEASES, STORY, DemoRelease, write_release
from edge.cli.demo.segments import create_if_missing, prepare_segments
from edge.cli.publishing.publish import PublishOptions, Release, publish
from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config

PROXY = "127.0.0.1"  # the fleet speaks as a proxy on this machine


def with_fleets_proxy(config: Config) -> Config:
    """Trusts what the fleet says of its devices' addresses and countries. Only this machine can say so."""
    devices = config.devices
    trusted = devices.trusted_proxies if PROXY in devices.trusted_proxies else (*devices.trusted_proxies, PROXY)
    country = devices.country_header or COUNTRY_HEADER
    return msgspec.structs.replace(
        config, devices=msgspec.structs.replace(devices, trusted_proxies=trusted, country_header=country)
    )


def client_of(node: Standalone) -> ControlClient:
    """As the first admin; close it."""
    return ControlClient(f"http://127.0.0.1:{node.control_port}", node.admin_token_file.read_text().strip())


def login_link(client: ControlClient) -> str:
    """An address that opens the page once, within minutes. Blocks."""
    return f"{client.url}{client.post('/v1/login-links')['path']}"


def prepare(node: Standalone) -> dict[str, str]:
    """Create what is missing of the app. Returns, for each version, whether it was published or found. Blocks."""
    client = client_of(node)
    try:
        create_if_missing(client, "/v1/apps", {"app": APP})
        create_if_missing(client, app_path(APP, "channels"), {"name": CHANNEL, "public": True})
        create_if_missing(client, app_path(APP, "channels"), {"name": BETA.channel})
        prepared = {release.version: _publish(client, release) for release in (*RELEASES, BETA, *STORY)}
        prepare_segments(client)
        return prepared
    finally:
        client.close()


async def show_power_user(node: Standalone) -> None:
    """Unless an earlier run did."""
    client = client_of(node)
    try:
        known = await asyncio.to_thread(client.get, app_path(APP, "devices", POWER_USER))
    finally:
        client.close()
    if known["behaviour"] is None:
        with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
            await use_without_connection(f"http://127.0.0.1:{node.device_port}", Path(folder))


def _publish(client: ControlClient, release: DemoRelease) -> str:
    known = {bundle["version"] for bundle in client.get(app_path(APP, "bundles"))}
    if release.version in known:
        return "found"
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder:
        web = Path(folder) / "www"
        write_release(release, web)
        options = PublishOptions(build_selection(), warn=_ignore)
        publish(client, Release(APP, release.version, release.channel), web, options)
    return "published"


def _ignore(_said: str) -> None:
    """A warning that does not apply: the demo's native app is older than its pre-release."""
