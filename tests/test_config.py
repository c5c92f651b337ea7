"""The configuration: defaults, file, environment, and one line for everything that is wrong."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from edge.config import (
    PATHS,
    Config,
    ConfigError,
    file_in_effect,
    is_loopback,
    load_config,
    load_settings,
    read_settings,
)
from edge.config_faults import nats_fault

EXAMPLE = Path(__file__).parent.parent / "config" / "edge.toml"


@pytest.fixture
def written(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "edge.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_without_file_and_environment_everything_is_the_default():
    assert load_config(None, {}) == Config()


def test_the_example_file_equals_the_defaults():
    here = str(EXAMPLE.parent / Config().data_dir)
    assert load_config(EXAMPLE, {}) == msgspec.structs.replace(Config(), data_dir=here)


def test_the_example_file_has_every_option_with_a_comment():
    assert tomllib.loads(EXAMPLE.read_text()) == msgspec.json.decode(msgspec.json.encode(Config()))
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#") and line != 'tls_key = ""':
            assert lines[number - 1].startswith("#"), f"{line} is not explained"


def test_a_file_changes_what_it_names_and_nothing_else(written):
    config = load_config(written('data_dir = "/srv/edge"\n[devices]\nport = 9090\nstall_seconds = 5\n'), {})
    assert (config.data_dir, config.devices.port, config.devices.stall_seconds) == ("/srv/edge", 9090, 5.0)
    assert config.control == Config().control


def test_the_environment_wins_over_the_file(written):
    environ = {"EDGE_DEVICES_PORT": "7070", "EDGE_DATA_DIR": "elsewhere", "EDGE_CONTROL_INSECURE": "true"}
    config = load_config(written("[devices]\nport = 9090\nworkers = 3\n"), environ)
    assert (config.devices.port, config.devices.workers, config.data_dir) == (7070, 3, "elsewhere")
    assert config.control.insecure


def test_a_list_in_the_environment_is_comma_separated():
    config = load_config(None, {"EDGE_DEVICES_ALLOWED_HOSTS": "a.example, b.example:8080,,"})
    assert config.devices.allowed_hosts == ("a.example", "b.example:8080")


def test_an_empty_variable_empties_a_list(written):
    file = written('[devices]\nallowed_hosts = ["a.example"]\n')
    assert load_config(file, {"EDGE_DEVICES_ALLOWED_HOSTS": ""}).devices.allowed_hosts == ()


def test_the_file_may_be_named_by_the_environment_and_an_argument_wins(written, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("[devices]\nport = 2\n")
    file = written("[devices]\nport = 1\n")
    assert load_config(None, {"EDGE_CONFIG": str(file)}).devices.port == 1
    assert load_config(other, {"EDGE_CONFIG": str(file)}).devices.port == 2


def test_a_section_in_another_has_variables_and_paths_too(written, tmp_path):
    file = written("[login]\npublic_url = 'https://e.example'\n[login.oidc]\nclient_secret_file = 'oidc.secret'\n")
    config = load_config(file, {"EDGE_LOGIN_OIDC_ISSUER": "https://a.example", "EDGE_LOGIN_OIDC_CLIENT_ID": "edge"})
    assert (config.login.public_url, config.login.oidc.issuer) == ("https://e.example", "https://a.example")
    assert config.login.oidc.client_secret_file == str(tmp_path / "oidc.secret")
    with pytest.raises(ConfigError, match="did you mean EDGE_LOGIN_OIDC_ISSUER"):
        load_config(None, {"EDGE_LOGIN_OIDC_ISUER": "https://a.example"})


def test_other_variables_of_the_command_are_left_alone():
    assert load_config(None, {"EDGE_URL": "http://x", "EDGE_TOKEN": "y", "EDGE_CONFIG": "", "PATH": "z"}) == Config()


def test_every_value_knows_where_it_came_from(written):
    file = written('[log]\nlevel = "debug"\n[devices]\nport = 1\n')
    _, settings = load_settings(file, {"EDGE_DEVICES_PORT": "2"})
    origins = {each.option: (each.value, each.origin) for each in settings}
    assert origins["log.level"] == ("debug", str(file))
    assert origins["devices.port"] == (2, "env EDGE_DEVICES_PORT")
    assert origins["control.port"] == (8081, "default")
    assert next(iter(origins)) == "data_dir"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[devices]\nprot = 1\n", "devices.prot: unknown option"),
        ("dta_dir = 'x'\n", "dta_dir: unknown option"),
        ("[login.oidc]\nissuers = 'x'\n", "login.oidc.issuers: unknown option (did you mean login.oidc.issuer?)"),
        ("[login.oidc]\nscopes = 1\n", "login.oidc.scopes"),
        ("[login.oidc]\nissuer = 'https://a.example'\n", "login.oidc.client_id: is empty"),
        ("[login.oidc]\nissuer = 'http://a.example'\nclient_id = 'x'\n", "is not https"),
        ("[login.oidc]\nissuer = 'https://a.example?x'\nclient_id = 'x'\n", "has a query"),
        ("[login.oidc]\nissuer = 'a.example'\nclient_id = 'x'\n", "is not an address"),
        ("[login.oidc]\nscopes = ['email']\n", "login.oidc.scopes: is without openid"),
        ("[login.oidc]\nscopes = ['openid', 'a b']\n", "'a b' is not a scope"),
        ("[login]\npublic_url = 'https://edge.example.com/page'\n", "login.public_url: "),
        ("[login]\npublic_url = 'edge.example.com'\n", "is not an address"),
        ("[device]\nport = 1\n", "device: unknown option (did you mean devices?)"),
        ("[devices]\nport = '8080'\n", "devices.port: must be a whole number, not a string"),
        ("[devices]\nport = 65536\n", "devices.port: must be at most 65535"),
        ("[devices]\nport = true\n", "devices.port: must be a whole number, not true or false"),
        ("[devices]\nstall_seconds = 0\n", "devices.stall_seconds: must be above 0.0"),
        ("[devices]\nallowed_hosts = [1]\n", "devices.allowed_hosts[0]: must be a string, not a whole number"),
        ("devices = 1\n", "devices: must be a section, not a whole number"),
        ("[log]\nlevel = 'loud'\n", "log.level: 'loud' is not one of debug, info, warning, error"),
        ("data_dir = ''\n", "data_dir: is empty"),
        ("[devices\n", "not TOML"),
        (b"data_dir = '\xff'\n", "not TOML"),
        ("a = " + "[" * 5_000, "not TOML"),
        (b"#" * (1024 * 1024 + 1), "exceeds"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_in_one_line_with_file_and_option(written, text, reason):
    file = written(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    assert caught.value.message.startswith(f"{file}: ")
    assert reason in caught.value.message
    assert caught.value.code == "invalid_config"


def test_every_fault_is_found_and_the_options_beside_them_count(written):
    file = written(
        "dta_dir = 'x'\nregion = 'eu'\n[devices]\nport = 'a'\nprot = 1\nallowed_hosts = [1, 2]\n[device]\na = 1\n"
    )
    config, _, faults = read_settings(file, {"EDGE_LOG_LEVEL": "loud", "EDGE_LOG_LEVLE": "info", "EDGE_DATA_DIR": ""})
    told = [fault.message.removeprefix(f"{file}: ") for fault in faults]
    assert config.region == "eu" and len(told) == 8
    for place in ("dta_dir", "device", "devices.port", "devices.prot", "devices.allowed_hosts", "EDGE_LOG_LEVEL:"):
        assert any(each.startswith(place) for each in told), place
    assert "EDGE_LOG_LEVLE: unknown option (did you mean EDGE_LOG_LEVEL?)" in told


def test_a_file_in_the_working_directory_is_read_unless_another_is_named(written, monkeypatch):
    file = written("[devices]\nport = 1\n")
    monkeypatch.chdir(file.parent)
    other = file.with_name("other.toml")
    other.write_text("[devices]\nport = 2\n")
    assert file_in_effect(None, {}) == Path("edge.toml")
    assert load_config(None, {}).devices.port == 1
    assert load_config(other, {}).devices.port == load_config(None, {"EDGE_CONFIG": str(other)}).devices.port == 2
    file.unlink()
    assert file_in_effect(None, {}) is None and load_config(None, {}) == Config()


def test_a_relative_path_in_a_file_is_relative_to_that_file(written, monkeypatch, tmp_path_factory):
    tls = "tls_certificate = 'tls/cert.pem'\ntls_key = '/etc/key.pem'\n"
    file = written(f"data_dir = 'edge-data'\n[devices]\n{tls}[control]\n{tls}")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    config = load_config(file, {})
    assert config.data_dir == str(file.parent / "edge-data")
    for port in (config.devices, config.control):
        assert (port.tls_certificate, port.tls_key) == (str(file.parent / "tls/cert.pem"), "/etc/key.pem")
    assert load_config(file, {"EDGE_DATA_DIR": "edge-data"}).data_dir == "edge-data"
    assert load_config(written("region = 'eu'\n"), {}).data_dir == "edge-data"


def test_every_option_that_names_a_file_or_folder_is_resolved():
    texts = {each.option for each in load_settings(None, {})[1] if isinstance(each.value, str)}
    other = {
        "region",
        "location",
        "devices.host",
        "devices.public_url",
        "devices.bundles_url",
        "devices.country_header",
        "control.host",
    }
    other |= {"upstream.source", "upstream.home", "upstream.root", "upstream.nats", "store.url", "store.endpoint"}
    other |= {"push.fcm_url", "push.apns_url", "push.apns_sandbox_url"}
    other |= {"login.public_url", "login.oidc.issuer", "login.oidc.client_id", "login.oidc.groups_claim"}
    choices = {"role", "log.level", "log.format", "devices.prefer", "telemetry.figures_from", "audit.addresses"}
    assert texts - other - choices - {"telemetry.clickhouse"} == PATHS


REGION = "role = 'region'\n[upstream]\ntoken_file = 'node.token'\n"


def test_a_region_names_whom_it_follows(written):
    file = written(f"{REGION}source = 'https://origin.example.com:8081'\nroot = '{'0a' * 8}'\n")
    config = load_config(file, {})
    assert config.upstream.source == "https://origin.example.com:8081"
    assert config.upstream.token_file == str(file.parent / "node.token")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("role = 'region'\n", "upstream.source: is empty"),
        ("[upstream]\nsource = 'https://a:1'\n", 'upstream.source: is for role = "region"'),
        (f"{REGION}source = 's3://'\n", "is no name of a bucket"),
        (f"{REGION}source = 'http://192.0.2.1:8081'\n", "would send the token unencrypted"),
        (f"{REGION}source = 'https://a:1/'\n", "ends in a slash"),
        (f"{REGION}source = 's3://bucket/p'\nhome = 'http://example.com'\n", "upstream.home: .*unencrypted"),
        ("role = 'region'\n[upstream]\nsource = 'https://a:1'\n", "upstream.token_file: is empty"),
        ("role = 'origin'\n[upstream]\nhome = 'https://a:1'\n", "upstream.token_file: is empty"),
        (f"{REGION}source = 'https://a:1'\nroot = '1'\n", "upstream.root"),
        ("role = 'replica'\n", "'replica' is not one of standalone, origin, region"),
    ],
)
def test_what_a_region_cannot_follow_is_refused_by_name(written, text, said):
    with pytest.raises(ConfigError, match=said):
        load_config(written(text), {})


def test_a_region_of_a_bucket_that_reports_to_nobody_needs_no_token(written):
    assert load_config(written("role = 'region'\n[upstream]\nsource = 's3://bucket/p'\n"), {}).upstream.home == ""


@pytest.mark.parametrize(("end", "said"), [("/", "ends in a slash"), ("?a", "has a query"), ("#a", "has a fragment")])
def test_a_public_url_is_told_what_it_has_too_much(end, said):
    with pytest.raises(ConfigError, match=said):
        load_config(None, {"EDGE_DEVICES_PUBLIC_URL": f"https://example.com{end}"})


def test_a_file_that_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: No such file"):
        load_config(tmp_path / "gone.toml", {})


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("EDGE_DEVICES_PORT", "many", "'many': must be a whole number"),
        ("EDGE_DEVICES_PORT", "-1", "'-1': must be at least 0"),
        ("EDGE_CONTROL_INSECURE", "perhaps", "'perhaps': must be true or false"),
        ("EDGE_DEVICES_PROT", "1", "unknown option"),
        ("EDGE_LOG_FORMAT", "xml", "'xml' is not one of text, json"),
    ],
)
def test_what_is_wrong_in_the_environment_names_the_variable(variable, text, reason):
    with pytest.raises(ConfigError) as caught:
        load_config(None, {variable: text})
    assert caught.value.message.startswith(f"{variable}: {reason}")


@pytest.mark.parametrize("url", ["", "https://updates.example.com", "http://[::1]:8080", "https://example.com/edge"])
def test_public_urls_that_devices_can_be_told(url):
    assert load_config(None, {"EDGE_DEVICES_PUBLIC_URL": url}).devices.public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "updates.example.com",
        "ftp://example.com",
        "https://",
        "https://example.com/",
        "https://example.com?a=1",
        "https://example.com#a",
        "https://me@example.com",
        "https://exa mple.com",
        "https://example.com:99999",
        "http://[::1",
    ],
)
def test_public_urls_that_are_refused(url):
    for option in ("public_url", "bundles_url"):
        with pytest.raises(ConfigError, match=rf"devices\.{option}"):
            load_config(None, {f"EDGE_DEVICES_{option.upper()}": url})


@pytest.mark.parametrize("host", ["updates.example.com", "192.0.2.1:8080", "[2001:db8::1]", "[::1]:80"])
def test_allowed_hosts_have_the_form_of_a_host_header(host):
    assert load_config(None, {"EDGE_DEVICES_ALLOWED_HOSTS": host}).devices.allowed_hosts == (host,)


@pytest.mark.parametrize("host", ["https://a.example", "a.example/", "a b", "::1"])
def test_what_no_host_header_can_be_is_refused(host):
    with pytest.raises(ConfigError, match=r"devices\.allowed_hosts"):
        load_config(None, {"EDGE_DEVICES_ALLOWED_HOSTS": host})


@pytest.mark.parametrize(
    ("network", "good"), [("10.0.0.1", True), ("10.0.0.0/8", True), ("::1", True), ("proxy", False)]
)
def test_trusted_proxies_are_addresses_or_networks(network, good):
    environ = {"EDGE_DEVICES_TRUSTED_PROXIES": network}
    if good:
        assert load_config(None, environ).devices.trusted_proxies == (network,)
    else:
        with pytest.raises(ConfigError, match=r"devices\.trusted_proxies: 'proxy' is not an address"):
            load_config(None, environ)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "192.0.2.1/0"])
def test_a_network_that_is_everybody_is_no_proxy(network):
    with pytest.raises(ConfigError, match=r"devices\.trusted_proxies: .* is every address"):
        load_config(None, {"EDGE_DEVICES_TRUSTED_PROXIES": f"10.0.0.0/8,{network}"})


@pytest.mark.parametrize(
    "url",
    [
        "https://edge@db.example.com:8443/edge",
        "https://db.example.com/edge",
        "http://127.0.0.1:8123/e_2",
        "http://[::1]/edge",
    ],
)
def test_clickhouse_is_a_server_and_a_database(url):
    assert load_config(None, {"EDGE_TELEMETRY_CLICKHOUSE": url}).telemetry.clickhouse == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("db.example.com", "is not an address like"),
        ("https://db.example.com:99999/edge", "is not an address like"),
        ("https://db .example.com/edge", "is not an address like"),
        ("clickhouse://db.example.com/edge", "is not an address like"),
        ("https://edge:hunter2@db.example.com/edge", "has a password: put it in a file"),
        ("https://edge:@db.example.com/edge", "has a password: put it in a file"),
        ("https://db.example.com", "ends in no database"),
        ("https://db.example.com/edge/", "ends in no database"),
        ("https://db.example.com/edge%60;drop", "ends in no database"),
        ("https://db.example.com/edge?async_insert=1", "has a query"),
        ("http://db.example.com/edge", "sends device keys and a password unencrypted"),
        ("http://10.0.0.1/edge", "sends device keys and a password unencrypted"),
    ],
)
def test_addresses_of_clickhouse_that_are_refused(url, said):
    with pytest.raises(ConfigError, match=rf"telemetry\.clickhouse: {said}") as refused:
        load_config(None, {"EDGE_TELEMETRY_CLICKHOUSE": url})
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(("option", "value"), [("CLICKHOUSE_PASSWORD_FILE", "x"), ("FIGURES_FROM", "clickhouse")])
def test_what_concerns_clickhouse_needs_one(option, value):
    with pytest.raises(ConfigError, match=r"needs telemetry\.clickhouse"):
        load_config(None, {f"EDGE_TELEMETRY_{option}": value})


def test_a_country_header_needs_a_proxy_that_is_believed():
    environ = {"EDGE_DEVICES_COUNTRY_HEADER": "CF-IPCountry"}
    with pytest.raises(ConfigError, match=r"devices\.country_header: .* devices\.trusted_proxies"):
        load_config(None, environ)
    proxied = environ | {"EDGE_DEVICES_TRUSTED_PROXIES": "10.0.0.0/8"}
    assert load_config(None, proxied).devices.country_header == "CF-IPCountry"


@pytest.mark.parametrize(
    ("devices", "control", "good"),
    [
        (("", 8081), ("127.0.0.1", 8081), False),
        (("0.0.0.0", 8081), ("127.0.0.1", 8081), False),
        (("127.0.0.1", 8081), ("127.0.0.1", 8081), False),
        (("192.0.2.1", 8081), ("127.0.0.1", 8081), True),
        (("", 0), ("127.0.0.1", 0), True),
        (("", 8080), ("127.0.0.1", 8081), True),
    ],
)
def test_the_two_ports_do_not_meet_on_one_address(devices, control, good):
    environ = {"EDGE_DEVICES_HOST": devices[0], "EDGE_DEVICES_PORT": str(devices[1])}
    environ |= {"EDGE_CONTROL_HOST": control[0], "EDGE_CONTROL_PORT": str(control[1])}
    if good:
        load_config(None, environ)
    else:
        with pytest.raises(ConfigError, match=r"control\.port: 8081 is also devices.port"):
            load_config(None, environ)


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "control.example.com", "127.0.0.1.example.com"])
def test_the_control_port_beyond_loopback_needs_tls_or_insecure(host):
    environ = {"EDGE_CONTROL_HOST": host}
    with pytest.raises(ConfigError, match=r"control\.host: .* reachable from other machines"):
        load_config(None, environ)
    assert load_config(None, environ | {"EDGE_CONTROL_INSECURE": "1"}).control.insecure
    tls = {"EDGE_CONTROL_TLS_CERTIFICATE": "c.pem", "EDGE_CONTROL_TLS_KEY": "k.pem"}
    assert load_config(None, environ | tls).control.host == host


@pytest.mark.parametrize("option", ["CERTIFICATE", "KEY"])
@pytest.mark.parametrize("section", ["CONTROL", "DEVICES"])
def test_half_of_tls_is_refused(section, option):
    with pytest.raises(ConfigError, match="need each other"):
        load_config(None, {f"EDGE_{section}_TLS_{option}": "x.pem"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_nothing(host):
    assert is_loopback(host)
    assert load_config(None, {"EDGE_CONTROL_HOST": host}).control.host == host


def test_the_first_admins_token_is_in_the_data_directory():
    assert str(load_config(None, {"EDGE_DATA_DIR": "/d"}).admin_token_file) == "/d/node/admin.token"


@pytest.mark.parametrize(
    ("url", "insecure", "fault"),
    [
        ("", False, ""),
        ("tls://nats.example.com:4222", False, ""),
        ("nats://127.0.0.1:4222", False, ""),
        ("nats://nats.example.com", True, ""),
        ("nats://nats.example.com", False, "unencrypted"),
        ("nats://origin:secret@127.0.0.1", False, "nats_credentials_file"),
        ("https://nats.example.com", False, "no address of a NATS server"),
        ("tls://", False, "no address of a NATS server"),
    ],
)
def test_the_address_of_a_nats_server(url, insecure, fault):
    found = nats_fault(url, insecure=insecure)
    assert fault in found and bool(found) == bool(fault) and "secret" not in found.replace("secret@", "")
