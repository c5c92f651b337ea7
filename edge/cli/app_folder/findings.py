"""What is wrong with an app before a device finds out: each finding with its remedy. Pure, of an AppFolder."""

import enum
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from edge.cli.app_folder.downloads import DownloadForm, download_form
from edge.cli.app_folder.folder import CORE_PACKAGE, PLUGIN_PACKAGE, AppFolder, same_key
from edge.domain.model import Platform
from edge.domain.versions import Version, coerce_native, parse_version
from edge.wire.capabilities import is_unknown_release
from edge.wire.plugins import OLDEST_SUPPORTED_MAJOR

READY_TIMEOUT_LEAST_MS = 1_000  # below, newer plugins take this, older ones roll every bundle back
READY_TIMEOUT_LOW_MS = 5_000  # an old phone starts a large app no faster
PERIOD_LEAST_SECONDS = 600  # of the plugin: what is shorter becomes this
MISTAKES = ("9.0.0", "10.0.0")  # old code under a high number (device-protocol §10)
_ADDRESSES = {"updateUrl": "/updates", "statsUrl": "/stats", "channelUrl": "/channel_self"}
_MODES = (True, False, "off", "atBackground", "atInstall", "onLaunch", "always", "onlyDownload")
_OWN_ORIGINS = ("https://localhost", "capacitor://localhost")  # of the web view: Android, iOS


class Level(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class AppFinding(NamedTuple):
    level: Level
    about: str
    says: str
    remedy: str = ""


def find_faults(folder: AppFolder) -> list[AppFinding]:
    """In the order in which a person would mend them."""
    found = [*_config(folder), *_plugin_version(folder)]
    if folder.config is not None:
        found += [*_addresses(folder), *_live_reload(folder), *_settings(folder), *_key(folder), *_names(folder)]
    return [*found, *_ready(folder), *_policy(folder)]


def _ok(about: str, says: str) -> AppFinding:
    return AppFinding(Level.OK, about, says)


def _warning(about: str, says: str, remedy: str) -> AppFinding:
    return AppFinding(Level.WARNING, about, says, remedy)


def _error(about: str, says: str, remedy: str) -> AppFinding:
    return AppFinding(Level.ERROR, about, says, remedy)


def _config(folder: AppFolder) -> Iterator[AppFinding]:
    if folder.config is None:
        yield _error("config", "no capacitor.config.json, .ts or .js here", "run this in the app's folder")
        return
    yield _ok("config", f"read {folder.config.file.name}")
    for name in folder.config.unread:
        yield _warning("config", f"{name} is no literal and was not read", "look at it yourself")


def _plugin_version(folder: AppFolder) -> Iterator[AppFinding]:
    about, text = "plugin", folder.versions.get(PLUGIN_PACKAGE, "")
    if not text:
        yield _error(about, f"{PLUGIN_PACKAGE} is not among the dependencies", f"npm install {PLUGIN_PACKAGE}")
        return
    version = parse_version(text) or coerce_native(text.lstrip("^~>=v "))
    if parse_version(text) is None:
        yield _warning(about, f"{text!r} is not one release", "install, so that the lock file says which one it is")
    if version is None:
        return
    number = f"{version.major}.{version.minor}.{version.patch}"
    if number in MISTAKES:
        yield _error(about, f"{number} was published by mistake, with the code of 5.x", "install the latest 8.x")
    elif version.major < OLDEST_SUPPORTED_MAJOR:
        yield _error(
            about, f"{number} is older than any that a node serves", "install the major line of your Capacitor"
        )
    elif is_unknown_release(Platform.ANDROID, number):
        yield _warning(
            about, f"{number} is newer than what this `edge` knows", "update edge: it is taken for the newest"
        )
    elif parse_version(text) is not None:
        yield _ok(about, f"{number}, {_downloads(number)}")
    yield from _capacitor_version(folder, version)


def _downloads(number: str) -> str:
    whole = [each.value for each in (Platform.ANDROID, Platform.IOS) if download_form(each, number) is DownloadForm.ZIP]
    if not whole:
        return "downloads only the files that changed"
    return f"downloads whole zips on {' and '.join(whole)}; newer releases download only what changed"


def _capacitor_version(folder: AppFolder, plugin: Version) -> Iterator[AppFinding]:
    core = coerce_native(folder.versions.get(CORE_PACKAGE, "").lstrip("^~>=v "))
    if core is not None and core.major != plugin.major:
        yield _warning(
            "plugin",
            f"{PLUGIN_PACKAGE} {plugin.major}.x with {CORE_PACKAGE} {core.major}.x",
            f"install {PLUGIN_PACKAGE}@{core.major}, which is made for it",
        )


def _addresses(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings = folder.config.plugin
    bases: dict[str, tuple[str, str]] = {}
    for name, path in _ADDRESSES.items():
        if folder.config.is_unread("plugins", "CapacitorUpdater", name):
            continue  # told already
        value = settings.get(name)
        if value is None:
            level = Level.ERROR if name == "updateUrl" else Level.WARNING
            says = "is not set: devices ask the hosted service, not your node"
            yield AppFinding(level, name, says, f'"{name}": "https://<your node>{path}"')
        elif value == "" and name == "statsUrl":
            yield _warning(name, "is empty: nobody hears of failures", "leave it so only if that is meant")
        else:
            parts, finding = _address(name, value, path)
            yield finding
            bases |= {name: (parts.scheme, parts.netloc)} if parts else {}
    if len(set(bases.values())) > 1:
        told = ", ".join(f"{name} {scheme}://{host}" for name, (scheme, host) in bases.items())
        yield _warning("addresses", f"lead to several hosts: {told}", "one node answers all three; use one address")


def _address(name: str, value: Any, path: str) -> tuple[SplitResult | None, AppFinding]:
    parts = _split(value)
    if parts is None:
        return None, _error(name, f"{value!r} is no http(s) address", f"https://<your node>{path}")
    if parts.path.rstrip("/") != path and not parts.path.endswith(path):
        return parts, _error(name, f"{value} does not end in {path}", f"{parts.scheme}://{parts.netloc}{path}")
    if parts.scheme == "https":
        return parts, _ok(name, value)
    if _is_private(parts.hostname or ""):
        return parts, _warning(
            name, f"{value} is without TLS", "for a desk only: phones refuse plain http unless the build allows it"
        )
    return parts, _error(name, f"{value} is without TLS: a network can change what devices install", "use https")


def _split(value: Any) -> SplitResult | None:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parts if parts and parts.scheme in ("http", "https") and parts.hostname else None


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".test", ".localhost"))


def _live_reload(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    server = folder.config.settings.get("server")
    url = server.get("url") if isinstance(server, dict) else None
    if url:
        yield _error(
            "server.url", f"is {url}: the plugin turns updates off (blocked_by_server_url)", "take it out of the build"
        )


def _settings(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings = folder.config.plugin
    mode = settings.get("autoUpdate", True)
    if mode in (False, "off"):
        yield _warning(
            "autoUpdate", "is off: devices ask only when your code does", 'set it to true, or "atBackground"'
        )
    elif mode not in _MODES:
        yield _warning("autoUpdate", f"{mode!r} is no mode; the plugin takes atBackground", f"one of {_MODES[2:]}")
    if settings.get("directUpdate"):
        yield _warning("directUpdate", "is deprecated", 'use "autoUpdate": "atInstall", "onLaunch" or "always"')
    timeout = settings.get("appReadyTimeout", 10_000)
    if not isinstance(timeout, int) or timeout < READY_TIMEOUT_LEAST_MS:
        remedy = "milliseconds; 10000 is the plugin's own"
        yield _error(
            "appReadyTimeout", f"{timeout!r} is below {READY_TIMEOUT_LEAST_MS}: bundles are rolled back", remedy
        )
    elif timeout < READY_TIMEOUT_LOW_MS:
        yield _warning("appReadyTimeout", f"{timeout} ms is short for an old phone", "10000 is the plugin's own")
    period = settings.get("periodCheckDelay", 0)
    if isinstance(period, int) and 0 < period < PERIOD_LEAST_SECONDS:
        yield _warning("periodCheckDelay", f"{period} s become {PERIOD_LEAST_SECONDS}", f"say {PERIOD_LEAST_SECONDS}")
    native = settings.get("version")
    if isinstance(native, str) and native and coerce_native(native) is None:
        yield _warning("version", f"{native!r} has no number: rules on native versions cannot see it", "like 1.2.3")


def _key(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    settings, about = folder.config.plugin, "publicKey"
    if settings.get("privateKey"):
        yield _error(
            "privateKey", "is in the app, so everybody has it", "take it out, and make new keys: edge keys create"
        )
    if folder.config.is_unread("plugins", "CapacitorUpdater", about):
        return
    key, file = settings.get(about), folder.key_file
    if not key and file is None:
        return
    if not key:
        yield _warning(about, f"is not set, though {file} is there", "set it to that file's text, or do not encrypt")
    elif "BEGIN RSA PUBLIC KEY" not in str(key):
        yield _error(about, "is no PKCS#1 public key: no update can be read", "print it with: edge keys create")
    elif file is None:
        yield _ok(about, "is set; no key file here to compare it with (--key FILE)")
    elif not same_key(str(key), folder.key):
        yield _error(about, f"is another key than {file}: no update can be read", "set it to that file's text")
    else:
        yield _ok(about, f"is the key of {file}")


def _names(folder: AppFolder) -> Iterator[AppFinding]:
    assert folder.config is not None
    app = folder.config.plugin.get("appId") or folder.config.text("appId")
    if folder.app_file is None:
        yield _warning("edge.json", "is not there", "edge init")
    elif app and app != folder.app_file.app:
        yield _error("edge.json", f"publishes to {folder.app_file.app}, devices ask for {app}", "make them one")
    channel = folder.config.plugin.get("defaultChannel")
    if channel and folder.app_file and channel not in folder.app_file.channels.values():
        yield _warning("defaultChannel", f"no branch is published to {channel!r}", 'add it to "channels" in edge.json')


def _ready(folder: AppFolder) -> Iterator[AppFinding]:
    about = "notifyAppReady"
    if folder.calls_ready:
        yield _ok(about, "is called")
    elif not folder.web_is_there:
        yield _error(about, f"is in no source here, and {folder.web} is not built", "build the app and look again")
    else:
        yield _error(
            about,
            "is called nowhere: each update is rolled back",
            "call CapacitorUpdater.notifyAppReady() at the start",
        )


def _policy(folder: AppFolder) -> Iterator[AppFinding]:
    for policy in folder.policies:
        sources = _script_sources(policy)
        if sources is None or _allows_own(sources):
            yield _ok("CSP", "lets the app's own scripts run")
        else:
            yield _error(
                "CSP", f"script-src {' '.join(sources)} leaves the app's own files out", "add 'self' to script-src"
            )


def _script_sources(policy: str) -> list[str] | None:
    """Of `script-src-elem`, else `script-src`, else `default-src`. None: anything may run."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        words = part.split()
        if words:
            directives.setdefault(words[0].lower(), words[1:])  # CSP3 2.2.1: the first of a name counts
    return next(
        (directives[name] for name in ("script-src-elem", "script-src", "default-src") if name in directives), None
    )


def _allows_own(sources: list[str]) -> bool:
    """`'self'` is the web view's own origin, on both platforms; hashes and nonces name scripts one by one."""
    given = {source.lower().rstrip("/") for source in sources}
    if given & {"'self'", "*", "'strict-dynamic'"} or any(each.startswith(("'sha", "'nonce-")) for each in given):
        return True
    return all(origin in given or f"{origin.split(':')[0]}:" in given for origin in _OWN_ORIGINS)
