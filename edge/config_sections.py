"""The sections of the configuration, each a frozen struct with the range of every option."""

from typing import Annotated, Literal

import msgspec

WORKER_LIMIT = 256  # processes; more than any machine has cores for
CONNECTION_LIMIT = 1_000_000  # per address; 0 means no limit
DOWNLOAD_LIMIT = 1_000_000  # per worker; 0 means no limit
WAIT_LIMIT_SECONDS = 3_600.0
RATE_LIMIT_BPS = 1_000_000_000
EVENTS_LIMIT = 1_000_000  # per second and worker, more than one can take; 0 means no limit
SPOOL_LEAST_BYTES = 256 * 2**20  # room for a segment of 64 MiB for every worker
OUTBOX_LEAST_BYTES = 16 * 2**20  # a few blocks of a full worker
SPOOL_MOST_BYTES = 2**50
KEEP_MOST_DAYS = 400  # raw events say who did what: a year for who must
RETENTION_LEAST_DAYS = 7  # an address stays good for as long after its bundle was offered last
RETENTION_MOST_DAYS = 36_500
UPLOADS_MOST_BYTES = 2**50
AUDIT_LEAST_DAYS = 7  # who looks after a week of holidays still finds something

POLL_LEAST_SECONDS, POLL_MOST_SECONDS = 1.0, 300.0  # a third of what a head may be old, at most
STALE_LEAST_SECONDS = 180  # heads are signed each minute: one that is missed is no outage
STALE_MOST_SECONDS = 7 * 86_400
CACHE_LEAST_BYTES = 64 * 2**20  # room for a bundle, and for what is in transfer

REGION = r"^[A-Za-z0-9_.-]{0,64}$"  # for comparison in segments, and as a label: eu-west, sydney
KEY_ID = r"^([0-9a-f]{16})?$"  # of the root key, as `edge keys show` prints it

NodeRole = Literal["standalone", "origin", "region"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Wait = Annotated[float, msgspec.Meta(gt=0, le=WAIT_LIMIT_SECONDS)]


class Devices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The port for devices. `port` 0 picks a free one, `workers` 0 is one per core, a limit of 0 means no limit."""

    host: str = ""
    port: Port = 8080
    public_url: str = ""
    bundles_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    workers: Annotated[int, msgspec.Meta(ge=0, le=WORKER_LIMIT)] = 0
    connections_per_address: Annotated[int, msgspec.Meta(ge=0, le=CONNECTION_LIMIT)] = 512
    downloads_per_worker: Annotated[int, msgspec.Meta(ge=0, le=DOWNLOAD_LIMIT)] = 8_192
    trusted_proxies: tuple[str, ...] = ()
    country_header: str = ""
    stall_seconds: Wait = 30.0
    minimum_bps: Annotated[int, msgspec.Meta(ge=0, le=RATE_LIMIT_BPS)] = 8_000
    drain_seconds: Wait = 30.0
    tls_certificate: str = ""
    tls_key: str = ""
    prefer: Literal["fastest", "fewest_bytes", "manifest", "zip"] = "fastest"


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much the node keeps of what devices report. Rates are per worker; a limit of 0 means no limit."""

    app_events_per_second: Annotated[int, msgspec.Meta(ge=0, le=EVENTS_LIMIT)] = 10_000
    address_events_per_second: Annotated[int, msgspec.Meta(ge=0, le=EVENTS_LIMIT)] = 2_000
    spool_limit_bytes: Annotated[int, msgspec.Meta(ge=SPOOL_LEAST_BYTES, le=SPOOL_MOST_BYTES)] = 8 * 2**30
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=KEEP_MOST_DAYS)] = 7
    clickhouse: str = ""
    clickhouse_password_file: str = ""
    clickhouse_outbox_bytes: Annotated[int, msgspec.Meta(ge=OUTBOX_LEAST_BYTES, le=SPOOL_MOST_BYTES)] = 4 * 2**30
    figures_from: Literal["node", "clickhouse"] = "node"


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The port of the API that changes things, and of the page, which answers to `allowed_hosts` beside `host` and the
    names of loopback. `trusted_proxies` state whence requests come, for tokens that work from some networks alone."""

    host: str = "127.0.0.1"
    port: Port = 8081
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    insecure: bool = False
    tls_certificate: str = ""
    tls_key: str = ""


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where releases are kept, and how long. `url` "": in the data directory. A limit of 0 means no limit."""

    url: str = ""
    endpoint: str = ""
    path_style: bool = False
    credentials_file: str = ""
    retention_days: Annotated[int, msgspec.Meta(ge=RETENTION_LEAST_DAYS, le=RETENTION_MOST_DAYS)] = 90
    upload_limit_bytes: Annotated[int, msgspec.Meta(ge=0, le=UPLOADS_MOST_BYTES)] = 8 * 2**30


class UpstreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom a node follows, and whom it reports to. `home` "": the source. `nats`: where changes are
    told. `root` "": the one of the first sight."""

    source: str = ""
    home: str = ""
    token_file: str = ""
    root: Annotated[str, msgspec.Meta(pattern=KEY_ID)] = ""
    insecure: bool = False
    nats: str = ""
    nats_credentials_file: str = ""
    poll_seconds: Annotated[float, msgspec.Meta(ge=POLL_LEAST_SECONDS, le=POLL_MOST_SECONDS)] = 5.0
    max_stale_seconds: Annotated[int, msgspec.Meta(ge=STALE_LEAST_SECONDS, le=STALE_MOST_SECONDS)] = 900
    cache_limit_bytes: Annotated[int, msgspec.Meta(ge=CACHE_LEAST_BYTES, le=SPOOL_MOST_BYTES)] = 20 * 2**30


class WebhookRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the node sends notices. Only the public internet by HTTPS, but for what is named here."""

    allow_http: bool = False
    allowed_networks: tuple[str, ...] = ()


class PushOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where push providers are, and what beyond them may be reached. Only the public internet by HTTPS, but for what is
    named here."""

    fcm_url: str = "https://fcm.googleapis.com"
    apns_url: str = "https://api.push.apple.com"
    apns_sandbox_url: str = "https://api.sandbox.push.apple.com"
    token_hosts: tuple[str, ...] = ()
    webpush_hosts: tuple[str, ...] = ()
    allow_http: bool = False
    allowed_networks: tuple[str, ...] = ()
    ca_file: str = ""


class AuditOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the audit keeps, and for how long. `addresses` "network": of an address only its /24, or /48."""

    retention_days: Annotated[int, msgspec.Meta(ge=AUDIT_LEAST_DAYS, le=RETENTION_MOST_DAYS)] = 400
    addresses: Literal["whole", "network"] = "whole"


class OidcOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The provider of OpenID Connect. `issuer` "": none."""

    issuer: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    groups_claim: str = "groups"


class LoginOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people sign in. `public_url` is the page's address as browsers see it, "" for as they say."""

    public_url: str = ""
    oidc: OidcOptions = OidcOptions()


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a node logs. `access`: a line for each request of a device."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    access: bool = False
