"""What of a source belongs to the bundle: rules like .gitignore's, and secrets that nobody meant to publish."""

import base64
import subprocess
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zip_bytes import Member, build_zip

from edge.bundles.sources.read import read_source
from edge.bundles.sources.selection import IGNORE_LIMIT_BYTES, LeftOut, build_selection
from edge.bundles.sources.suspects import check_suspects
from edge.domain.errors import EdgeError

SITE = {"index.html": b"<html>", "assets/app.js": b"let a", "assets/app.js.map": b"{}", "assets/app.css.map": b"{}"}
EXTRA = {".env": b"A=1", ".env.production": b"A=1", ".git/config": b"x", "docs/a.md": b"", "docs/b/c.md": b""}
KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.encodebytes(bytes(range(256))) + b"-----END RSA PRIVATE KEY-----\n"


@pytest.fixture(params=["folder", "zip", "zip with a top folder"])
def source(request, tmp_path):
    """Writes the files as a folder or a zip."""

    def write(files):
        if request.param == "folder":
            for name, plain in files.items():
                (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "site" / name).write_bytes(plain)
            return tmp_path / "site"
        top = "dist/" if "top" in request.param else ""
        with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
            for name, plain in files.items():
                archive.writestr(top + name, plain)
        return tmp_path / "site.zip"

    return write


@pytest.fixture
def read(source, tmp_path):
    """The names that stay, and what was left out by which rule."""

    def select(files, **options):
        found = read_source(source(files), tmp_path / "work", build_selection(**options))
        return {file.name for file in found.files}, dict(found.left_out)

    return select


def test_environments_version_control_and_source_maps_are_left_out_and_named(read):
    kept, left_out = read(SITE | EXTRA)
    assert kept == {"index.html", "assets/app.js", "docs/a.md", "docs/b/c.md"}
    assert left_out == {
        "assets/app.js.map": "*.js.map",
        "assets/app.css.map": "*.css.map",
        ".env": ".env*",
        ".env.production": ".env*",
        ".git/": ".git",
    }


def test_what_was_left_out_is_brought_back_by_name_or_pattern(read):
    kept, left_out = read(SITE | EXTRA, include=[".env", "*.js.map"])
    assert kept >= {".env", "assets/app.js.map"}
    assert set(left_out) == {"assets/app.css.map", ".env.production", ".git/"}


def test_an_option_excludes_and_names_the_folder_once(read):
    kept, left_out = read(SITE | EXTRA, exclude=["docs/", "*.css"])
    assert "docs/" in left_out and not any(name.startswith("docs") for name in kept)


def test_the_sources_own_ignore_file_is_read_and_is_not_published(read):
    rules = b"\xef\xbb\xbf# ours\r\n\r\ndocs/*\r\n!docs/a.md\r\n"
    kept, left_out = read(SITE | EXTRA | {".edgeignore": rules})
    assert "docs/a.md" in kept and not {"docs/b/c.md", ".edgeignore"} & kept
    assert left_out["docs/b/"] == "docs/*"


def test_the_later_rule_decides_working_directory_own_file_options(read):
    files = SITE | {"a.txt": b"", "b.txt": b"", "c.txt": b"", "d.txt": b"", ".edgeignore": b"!b.txt\nc.txt\n"}
    options = {"ignore_file": b"*.txt\n", "exclude": ["!d.txt", "d.txt", "!a.txt", "a.txt"], "include": ["c.txt"]}
    kept, _ = read(files, **options)
    assert {name for name in kept if name.endswith("txt")} == {"b.txt", "c.txt"}


def test_what_is_left_out_is_not_even_looked_at(tmp_path):
    (tmp_path / "index.html").write_bytes(b"")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/bin").symlink_to("/nowhere")
    (tmp_path / "node_modules/a\\b").write_bytes(b"")
    found = read_source(tmp_path, tmp_path / "work", build_selection(exclude=["node_modules"]))
    assert found.left_out == (LeftOut("node_modules/", "node_modules"),)


def test_files_beside_the_top_folder_may_be_left_out(tmp_path):
    for name in ("dist/index.html", "README.md", ".env"):
        (tmp_path / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / name).write_bytes(b"")
    found = read_source(tmp_path / "app", tmp_path / "work", build_selection(exclude=["README.md"]))
    assert [file.name for file in found.files] == ["index.html"]


def test_an_index_that_is_left_out_is_missing(source, tmp_path):
    with pytest.raises(EdgeError) as caught:
        read_source(source(SITE), tmp_path / "work", build_selection(exclude=["index.html"]))
    assert caught.value.code in ("no_index", "empty_bundle")


def test_an_encrypted_ignore_file_of_a_zip_is_refused(tmp_path):
    (tmp_path / "site.zip").write_bytes(build_zip(Member("index.html"), Member(".edgeignore", flags=1)))
    with pytest.raises(EdgeError) as caught:
        read_source(tmp_path / "site.zip", tmp_path / "work")
    assert caught.value.code == "zip_encrypted"


# Against git itself

PATTERNS = [
    *("*.md", "docs", "docs/", "/docs", "docs/*", "docs/**", "**/c.md", "docs/**/c.md", "a?.md", "[ab].md", "[!a].md"),
    *("/a.md", "b/", "b/c.md", "**", "*", "d*s", "\\*.md", "#x", "docs/b", "**/b/**", "/**/a.md", "a**.md", "[a-c].md"),
]
PATHS = ["a.md", "ab.md", "*.md", "#x", "c.md", "docs/a.md", "docs/b/c.md", "x/docs/a.md", "x/b/c.md", "b", "d.s/a.md"]


def test_patterns_mean_what_they_mean_to_git(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    for pattern in PATTERNS:
        (tmp_path / ".git/info/exclude").write_text(pattern.replace("#", "\\#") + "\n")
        asked = subprocess.run(
            ["git", "check-ignore", "--stdin"], cwd=tmp_path, input="\n".join(PATHS).encode(), capture_output=True
        )
        theirs = set(asked.stdout.decode().split())
        ours = {path for path in PATHS if build_selection(exclude=[pattern.replace("#", "\\#")]).left_out(path)}
        assert ours == theirs, pattern


@given(st.text(max_size=12), st.text(alphabet="ab/*.", max_size=12))
def test_any_pattern_is_taken_or_refused(pattern, name):
    try:
        selection = build_selection(exclude=[pattern])
    except EdgeError as error:
        assert error.code == "invalid_pattern"
    else:
        selection.left_out(name)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe", "invalid_ignore_file"),
        (b"[z-a]", "invalid_pattern"),
        (b"/", "invalid_pattern"),
        (b"a\n" * IGNORE_LIMIT_BYTES, "ignore_file_too_large"),
    ],
    ids=["not utf-8", "no set", "nothing", "too large"],
)
def test_an_ignore_file_that_cannot_be_read_is_refused(content, code):
    with pytest.raises(EdgeError) as caught:
        build_selection(ignore_file=content)
    assert caught.value.code == code


# Secrets

SERVICE_ACCOUNT = b'{"type": "service_account", "private_key": "x"}'
CERTIFICATE = KEY.replace(b"RSA PRIVATE KEY", b"CERTIFICATE")
SECRETS = {
    "cert/server.pem": KEY,
    "id_rsa": b"anything",
    "store.P12": b"",
    "release.jks": b"",
    "app/google-services.json": b"{}",
    "firebase.json": SERVICE_ACCOUNT,
    ".npmrc": b"//registry.example.com/:_authToken=abc123\n",
    "credentials": b"",
    "assets/chunk.js": b"const k = `" + KEY + b"`",
    "assets/oneline.js": b'k="' + KEY.replace(b"\n", b"\\n") + b'"',
    "late.txt": b" " * 300_000 + b"ghp_" + b"a" * 36 + b" ",
    "token.txt": b"edge_" + b"A" * 43,
}
HARMLESS = {
    "ca.pem": CERTIFICATE,
    ".npmrc": b"registry=https://registry.example.com\n//registry.example.com/:_authToken=${TOKEN}\n",
    "jose.js": b'a.startsWith("-----BEGIN PRIVATE KEY-----")&&b("-----END PRIVATE KEY-----")',
    "data.json": b'{"type": "service_account_form"}',
    "credentials.html": b"",
    "keyboard.js": b"sk_live_ is how they begin; ghp_ too",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_refuses_the_publish_until_it_is_included_or_excluded(source, tmp_path, name):
    path = source(SITE | {name: SECRETS[name]})
    with pytest.raises(EdgeError) as caught:
        check_suspects(read_source(path, tmp_path / "1", build_selection()).files, frozenset())
    assert caught.value.code == "suspect_files" and repr(name) in caught.value.message
    for number, options in enumerate(({"include": [name]}, {"exclude": [name]}, {"ignore_file": name.encode()})):
        selection = build_selection(**options)
        check_suspects(read_source(path, tmp_path / f"w{number}", selection).files, selection.included)


def test_a_wildcard_includes_no_secret(source, tmp_path):
    selection = build_selection(include=["*"])
    with pytest.raises(EdgeError):
        check_suspects(
            read_source(source(SITE | {"id_rsa": b""}), tmp_path / "work", selection).files, selection.included
        )


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_a_secret_is_published(source, tmp_path, name):
    check_suspects(read_source(source(SITE | {name: HARMLESS[name]}), tmp_path / "work").files, frozenset())
