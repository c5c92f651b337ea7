"""The configuration as frozen values: a TOML file, overridden by environment variables `EDGE_<SECTION>_<NAME>`.

Nothing is guessed: an option that is unknown, ill-typed, out of range or unsafe is refused in one line that names the
file or the variable, the option and the reason. `config/edge.toml` documents the options.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from edge.config_faults import (
    bucket_fault,
    clickhouse_fault,
    clickhouse_needs,
    client_fault,
    control_fault,
    country_fault,
    endpoint_fault,
    home_fault,
    hosts_fault,
    is_loopback,
    issuer_fault,
    location_fault,
    nats_fault,
    networks_fault,
    page_url_fault,
    pair_fault,
    ports_fault,
    provider_fault,
    public_url_fault,
    push_hosts_fault,
    scopes_fault,
    source_fault,
    token_fault,
    value_fault,
    webhook_networks_fault,
)
from edge.config_sections import (
    KEEP_MOST_DAYS,
    KEY_ID,
    REGION,
    RETENTION_LEAST_DAYS,
    RETENTION_MOST_DAYS,
    AuditOptions,
    Control,
    Devices,
    Log,
    LoginOptions,
    NodeRole,
    OidcOptions,
    PushOptions,
    Retention,
    Telemetry,
    UpstreamOptions,
    WebhookRules,
)
from edge.domain.errors import EdgeError
from edge.domain.targeting.places import NodePlace, parse_location
from edge.store.secrets.key_file import SECRETS_FILE

__all__ = [
    "CONFIG_VARIABLE",
    "KEEP_MOST_DAYS",
    "KEY_ID",
    "REGION",
    "RETENTION_LEAST_DAYS",
    "RETENTION_MOST_DAYS",
    "AuditOptions",
    "Config",
    "ConfigError",
    "Control",
    "Devices",
    "Log",
    "NodeRole",
    "PushOptions",
    "Retention",
    "Setting",
    "Telemetry",
    "UpstreamOptions",
    "WebhookRules",
    "file_in_effect",
    "is_loopback",
    "load_config",
    "load_settings",
]

CONFIG_VARIABLE = "EDGE_CONFIG"
USUAL_FILE = Path("edge.toml")  # in the working directory; read if no other file is named
CONFIG_LIMIT_BYTES = 1024 * 1024  # a complete file has 3 kB; a log or an image given by mistake is not read
FAULTS_LIMIT = 100  # per file: it has fewer options than that

# Options that name a file or folder: in a file relative to its folder, in a variable to the working directory.
PATHS = frozenset(
    {
        *("data_dir", "devices.tls_certificate", "devices.tls_key", "control.tls_certificate", "control.tls_key"),
        *("telemetry.clickhouse_password_file", "upstream.token_file", "store.credentials_file"),
        *("upstream.nats_credentials_file", "secrets_key_file", "push.ca_file"),
        "login.oidc.client_secret_file",
    }
)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a node is started with; README.md beside edge.toml describes each option."""

    data_dir: str = "edge-data"
    secrets_key_file: str = ""
    role: NodeRole = "standalone"
    region: Annotated[str, msgspec.Meta(pattern=REGION)] = ""
    location: str = ""
    devices: Devices = Devices()
    telemetry: Telemetry = Telemetry()
    control: Control = Control()
    store: Retention = Retention()
    upstream: UpstreamOptions = UpstreamOptions()
    webhooks: WebhookRules = WebhookRules()
    push: PushOptions = PushOptions()
    audit: AuditOptions = AuditOptions()
    login: LoginOptions = LoginOptions()
    log: Log = Log()

    @property
    def home(self) -> str:
        """The node that this one tells what its devices do; "": it counts and judges by itself."""
        source = self.upstream.source
        follows_node = self.role == "region" and not source.startswith(("s3://", "file://"))
        return self.upstream.home or (source if follows_node else "")

    @property
    def node_dir(self) -> Path:
        """The folder of this node's own state: its key, the first admin's token, telemetry."""
        return Path(self.data_dir) / "node"

    @property
    def secrets_path(self) -> Path:
        """The file of the keys that seal secrets in the store."""
        return Path(self.secrets_key_file) if self.secrets_key_file else self.node_dir / SECRETS_FILE

    @property
    def place(self) -> NodePlace:
        """Where the node is, for segments."""
        return NodePlace(self.region, parse_location(self.location))

    @property
    def admin_token_file(self) -> Path:
        return self.node_dir / "admin.token"


class ConfigError(EdgeError):
    """`code` is `invalid_config`; the message begins with the file or variable at fault."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__("invalid_config", f"{source}: {reason}")


class Setting(NamedTuple):
    """One option in effect. `origin` is `default`, the file's path, or `env <variable>`."""

    option: str  # `devices.port`
    value: Any
    origin: str


class _Option(NamedTuple):
    section: str  # empty for options at the top; of a section in another, both names: `login.oidc`
    name: str
    type: Any

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        return "EDGE_" + self.path.replace(".", "_").upper()


_SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "devices": Devices,
    "telemetry": Telemetry,
    "control": Control,
    "store": Retention,
    "upstream": UpstreamOptions,
    "webhooks": WebhookRules,
    "push": PushOptions,
    "audit": AuditOptions,
    "login": LoginOptions,
    "login.oidc": OidcOptions,
    "log": Log,
}


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in effect; see `file_in_effect` for where it is read from.

    Raises ConfigError for the first fault. Options of a command line are passed as variables in `environ`.
    """
    return load_settings(path, environ)[0]


def file_in_effect(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: `path`, else the one that EDGE_CONFIG names, else edge.toml in the working directory, if there
    is one."""
    if path is not None:
        return path
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return USUAL_FILE if USUAL_FILE.is_file() else None


def load_settings(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, list[Setting]]:
    """The configuration and where each value comes from, in the order of the fields. Raises ConfigError."""
    config, settings, faults = read_settings(path, environ)
    if faults:
        raise faults[0]
    return config, settings


def read_settings(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, list[Setting], list[ConfigError]]:
    """As `load_settings`, with every fault; options at fault count as not given. Raises ConfigError for a file that
    cannot be read at all."""
    file = file_in_effect(path, environ)
    document = _read_document(file) if file else {}
    config, faults = _convert(document, str(file))
    if file is not None:
        config = _resolve_paths(config, document, file.parent)
    origins = {option.path: str(file) for option in _options() if _has(document, option)}
    for option in _options():
        if option.variable in environ:
            try:
                config = _with(config, option, _parse_variable(option, environ[option.variable]))
            except ConfigError as fault:
                faults.append(fault)
            origins[option.path] = f"env {option.variable}"
    faults += _unknown_variables(environ)
    faults += _check(config, origins, str(file) if file else "configuration")
    settings = [Setting(o.path, _value(config, o), origins.get(o.path, "default")) for o in _options()]
    return config, settings, faults


def _read_document(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            content = stream.read(CONFIG_LIMIT_BYTES + 1)
        if len(content) > CONFIG_LIMIT_BYTES:
            raise ConfigError(str(file), f"exceeds the limit of {CONFIG_LIMIT_BYTES} bytes")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError(str(file), error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(str(file), f"not TOML: {error}") from error


def _convert(document: dict[str, Any], source: str) -> tuple[Config, list[ConfigError]]:
    """The valid part of the document, and a fault for each invalid option; those are removed from it."""
    faults: list[ConfigError] = []
    while True:
        try:
            return msgspec.convert(document, Config), faults
        except msgspec.ValidationError as error:
            place, reason = _reason(str(error))
            faults.append(ConfigError(source, f"{place}: {reason}"))
            _take_out(document, place)
            if len(faults) == FAULTS_LIMIT:
                return Config(), faults


def _resolve_paths(config: Config, document: Mapping[str, Any], folder: Path) -> Config:
    """A relative path in a file is relative to that file's folder, wherever the node is started."""
    for option in _options():
        value = _value(config, option)
        if option.path in PATHS and _has(document, option) and value:
            config = _with(config, option, str(folder / value))
    return config


def _take_out(document: dict[str, Any], place: str) -> None:
    name, _, rest = place.partition(".")
    section = document.get(name)
    if isinstance(section, dict) and f"{name}.{rest.partition('.')[0]}" in _SECTIONS:
        name, _, rest = rest.partition(".")
        document, section = section, section.get(name)
    inside = [(section, key) for key in (rest, rest.partition("[")[0])] if isinstance(section, dict) else []
    for held, key in (*inside, *((document, key) for key in (place, place.partition("[")[0], name))):
        if key in held:
            del held[key]
            return
    document.clear()  # the place is not found; clearing ensures that each call removes something


def _reason(words: str) -> tuple[str, str]:
    """The option and its fault, from msgspec's message."""
    text, _, place = words.partition(" - at `$")
    place = place.rstrip("`").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL)
    if unknown:
        name = f"{place + '.' if place else ''}{unknown[1]}"
        near = difflib.get_close_matches(name, [*_SECTIONS, *(option.path for option in _options())], 1)
        return name, f"unknown option{f' (did you mean {near[0]}?)' if near else ''}"
    types = {option.path: option.type for option in _options()}
    return place, value_fault(text, types.get(place))


def _parse_variable(option: _Option, text: str) -> Any:
    """The variable's value; lists are comma-separated. Raises ConfigError."""
    given: Any = text
    if option.type == tuple[str, ...]:
        given = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(given, option.type, strict=False)
    except msgspec.ValidationError as error:
        fault = value_fault(str(error), option.type)
        # Every variable is a string, so that part is redundant.
        fault = fault.removesuffix(", not a string")
        raise ConfigError(option.variable, fault if "not one of" in fault else f"{text!r}: {fault}") from error


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[ConfigError]:
    known = {option.variable for option in _options()}
    prefixes = tuple(f"EDGE_{section.upper()}_" for section in _SECTIONS)
    for variable in sorted(environ):
        if variable.startswith(prefixes) and variable not in known:
            near = difflib.get_close_matches(variable, known, 1)
            yield ConfigError(variable, f"unknown option{f' (did you mean {near[0]}?)' if near else ''}")


def _check(config: Config, origins: Mapping[str, str], source: str) -> Iterator[ConfigError]:
    """What types cannot check; `source` is named for a fault of several options or a default."""
    devices, control, telemetry, upstream = config.devices, config.control, config.telemetry, config.upstream
    login = config.login
    for option, reason in (
        ("data_dir", "" if config.data_dir else "is empty: name a directory"),
        ("location", location_fault(config.location)),
        ("devices.public_url", public_url_fault(devices.public_url)),
        ("devices.bundles_url", public_url_fault(devices.bundles_url)),
        ("devices.allowed_hosts", hosts_fault(devices.allowed_hosts)),
        ("devices.trusted_proxies", networks_fault(devices.trusted_proxies)),
        ("devices.country_header", country_fault(devices.country_header, devices.trusted_proxies)),
        ("telemetry.clickhouse", clickhouse_fault(telemetry.clickhouse)),
        (
            "telemetry.clickhouse_password_file",
            clickhouse_needs(telemetry.clickhouse, telemetry.clickhouse_password_file),
        ),
        ("telemetry.figures_from", clickhouse_needs(telemetry.clickhouse, telemetry.figures_from != "node")),
        ("devices.tls_key", pair_fault(devices.tls_certificate, devices.tls_key)),
        ("control.allowed_hosts", hosts_fault(control.allowed_hosts)),
        ("control.trusted_proxies", networks_fault(control.trusted_proxies)),
        ("control.tls_key", pair_fault(control.tls_certificate, control.tls_key)),
        ("store.url", bucket_fault(config.store.url, config.role)),
        ("store.endpoint", endpoint_fault(config.store.endpoint)),
        ("upstream.source", source_fault(config.role, upstream.source, insecure=upstream.insecure)),
        ("upstream.home", home_fault(upstream.home, insecure=upstream.insecure)),
        ("upstream.token_file", token_fault(config.role, upstream.source, upstream.home, upstream.token_file)),
        ("upstream.nats", nats_fault(upstream.nats, insecure=upstream.insecure)),
        ("webhooks.allowed_networks", webhook_networks_fault(config.webhooks.allowed_networks)),
        ("push.fcm_url", provider_fault(config.push.fcm_url)),
        ("push.apns_url", provider_fault(config.push.apns_url)),
        ("push.apns_sandbox_url", provider_fault(config.push.apns_sandbox_url)),
        ("push.token_hosts", push_hosts_fault(config.push.token_hosts)),
        ("push.webpush_hosts", push_hosts_fault(config.push.webpush_hosts)),
        ("push.allowed_networks", webhook_networks_fault(config.push.allowed_networks)),
        ("login.public_url", page_url_fault(login.public_url)),
        ("login.oidc.issuer", issuer_fault(login.oidc.issuer)),
        ("login.oidc.client_id", client_fault(login.oidc.issuer, login.oidc.client_id)),
        ("login.oidc.scopes", scopes_fault(login.oidc.scopes)),
        ("control.host", control_fault(control.host, bool(control.tls_certificate), control.insecure)),
        ("control.port", ports_fault(devices.host, devices.port, control.host, control.port)),
    ):
        if reason:
            yield ConfigError(origins.get(option, source), f"{option}: {reason}")


def _options() -> list[_Option]:
    """Every option, those at the top first, in the order of the fields."""
    top = [_Option("", field.name, field.type) for field in msgspec.structs.fields(Config)]
    found = [option for option in top if option.name not in _SECTIONS]
    for section, struct in _SECTIONS.items():
        fields = msgspec.structs.fields(struct)
        found += [
            _Option(section, each.name, each.type) for each in fields if f"{section}.{each.name}" not in _SECTIONS
        ]
    return found


def _has(document: Mapping[str, Any], option: _Option) -> bool:
    for part in option.section.split(".") if option.section else ():
        document = document.get(part, {})
    return option.name in document


def _value(config: Config, option: _Option) -> Any:
    return attrgetter(option.path)(config)


def _with(config: Config, option: _Option, value: Any) -> Config:
    changed: Config = _replaced(config, option.path.split("."), value)
    return changed


def _replaced(struct: Any, path: list[str], value: Any) -> Any:
    first, *rest = path
    new = _replaced(getattr(struct, first), rest, value) if rest else value
    return msgspec.structs.replace(struct, **{first: new})
