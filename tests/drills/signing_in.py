"""People sign in on a real node, in Chromium, at a login provider that is not ours: npm's oidc-provider, run by Node.

    python -m tests.drills.signing_in [--package FOLDER]

Needs Chromium, npm and a package registry, or a FOLDER in which oidc-provider is installed; a minute. Beside it
`tests/page/people` has the attacks, against a double of ours, since the real provider cannot misbehave.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.ports import free_port
from tests.worlds.login_screens import PersonAtScreen, add_person, ask
from tests.worlds.oidc_provider import CLIENT_ID, CLIENT_SECRET, install, running_provider
from tests.worlds.running_node import serving_node
from tests.worlds.screens import chromium

NODE_LEAST = 20
ANNA, BEN = "anna@example.com", "ben@example.com"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, help="where oidc-provider is installed")
    options = parser.parse_args()
    if missing := missing_here(options.package):
        print(f"skipped: {missing}")
        return 0
    with tempfile.TemporaryDirectory(prefix="edge-login-") as temporary, ExitStack() as stack:
        room = Path(temporary)
        package = options.package or room / "provider"
        if options.package is None:
            install(package)
        port = free_port()
        here = f"http://localhost:{port}"
        provider = stack.enter_context(running_provider(package, f"{here}/login/oidc/return"))
        (room / "client.secret").write_text(CLIENT_SECRET)
        node = stack.enter_context(
            serving_node(
                room,
                EDGE_CONTROL_PORT=str(port),
                EDGE_LOGIN_PUBLIC_URL=here,
                EDGE_LOGIN_OIDC_ISSUER=provider.issuer,
                EDGE_LOGIN_OIDC_CLIENT_ID=CLIENT_ID,
                EDGE_LOGIN_OIDC_CLIENT_SECRET_FILE=str(room / "client.secret"),
                EDGE_LOGIN_OIDC_SCOPES="openid,email,groups",
            )
        )
        launched = stack.enter_context(chromium())
        add_person(node, ANNA, "viewer")
        add_person(node, BEN)
        ask(node, "POST", "/v1/groups/grant", {"group": "releases", "role": "releaser", "scope": "everything"})
        done = [case(launched, node, provider) for case in CASES]
    for each in done:
        print(f"holds: {each}")
    return 0


def missing_here(package: Path | None) -> str:
    """Why the drill cannot run on this machine; "" if it can."""
    wanted = ("chromium", "node", *(() if package else ("npm",)))
    if absent := [each for each in wanted if shutil.which(each) is None]:
        return f"{', '.join(absent)} is not installed"
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    major = int(told.strip().lstrip("v").partition(".")[0])
    return f"oidc-provider needs Node {NODE_LEAST}, and this is {told.strip()}" if major < NODE_LEAST else ""


def log_in(screen: PersonAtScreen, name: str, path: str = "/login?next=/account") -> None:
    """The person's own clicks, at the page and at the provider."""
    page = screen.go(path)
    page.get_by_role("link", name="Go on to localhost").click()
    page.wait_for_url("**/interaction/**")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.wait_for_selector("input[name=prompt][value=consent]", state="attached")
    page.locator("button[type=submit]").click()


def role_of(screen: PersonAtScreen) -> str:
    screen.page.wait_for_selector("details.me")
    return str(screen.page.locator("p.lede").first.inner_text())


def a_whole_login(launched, node, provider) -> str:
    provider.state(anna={"email": ANNA, "email_verified": True, "groups": ["releases", "other"]})
    screen = PersonAtScreen(launched, node)
    sent: list[str] = []
    screen.page.on("request", lambda request: sent.append(request.url) if "/auth?" in request.url else None)
    log_in(screen, "anna")
    screen.page.wait_for_url("**/account")
    assert screen.is_signed_in_as(ANNA)
    assert "viewer" in role_of(screen) and "releaser" in role_of(screen), role_of(screen)
    asked = parse_qs(urlsplit(sent[0]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["nonce"] and asked["state"]
    screen.faults.clear()  # those of the provider's own pages
    screen.go("/account")
    assert screen.faults == []
    assert ask(node, "GET", f"/v1/people/{ANNA}/credentials")["issuers"] == [provider.issuer]
    screen.close()
    return "a login by the authorization code flow with PKCE, state, nonce and iss, roles by groups"


def groups_are_read_again(launched, node, provider) -> str:
    provider.state(anna={"email": ANNA, "email_verified": True, "groups": "other"})
    screen = PersonAtScreen(launched, node)
    log_in(screen, "anna")
    screen.page.wait_for_url("**/account")
    assert "releaser" not in role_of(screen)
    screen.close()
    return "a group that was left takes its role away at the next login"


def a_renewal_is_silent(launched, node, provider) -> str:
    """With a session at the provider nothing is asked: what a renewal after 45 minutes does."""
    provider.state(anna={"email": ANNA, "email_verified": True, "groups": []})
    screen = PersonAtScreen(launched, node)
    log_in(screen, "anna")
    screen.page.wait_for_url("**/account")
    provider.state(anna={"email": ANNA, "email_verified": True, "groups": ["releases"]})
    screen.go("/login/oidc?renew=1&next=/account")
    screen.page.wait_for_url("**/account")
    assert "releaser" in role_of(screen)
    screen.close()
    return "a renewal asks the provider without the person, and brings the groups of now"


def making_a_token_asks_again(launched, node, provider) -> str:
    """The provider knows the browser, and asks all the same; without that, nothing is made."""
    provider.state(anna={"email": ANNA, "email_verified": True, "groups": []})
    screen = PersonAtScreen(launched, node)
    log_in(screen, "anna")
    screen.page.wait_for_url("**/account")
    page = screen.go("/account")
    assert page.get_by_role("button", name="Make a token for twelve hours").count() == 0, "auth_time was not asked for"
    page.get_by_role("link", name="Sign in again").first.click()
    page.wait_for_url("**/interaction/**")
    page.locator("input[name=login]").fill("anna")
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/account")
    page.locator("input[name=name][maxlength='64']").last.fill("laptop")
    page.get_by_role("button", name="Make a token for twelve hours").click()
    page.wait_for_selector("#made")
    screen.close()
    return "a token for the command line is made after the provider has asked again, and stated so"


def strangers_stay_out(launched, node, provider) -> str:
    people = {
        "eve": {"email": "eve@example.com", "email_verified": True},
        "mal": {"email": BEN, "email_verified": False},
    }
    provider.state(**people)
    for name, why in (("eve", "nobody has added"), ("mal", "mail address that it has verified")):
        screen = PersonAtScreen(launched, node)
        log_in(screen, name)
        screen.page.get_by_text(why).wait_for()
        assert "edge_session" not in {each["name"] for each in screen.context.cookies()}
        screen.close()
    return "whom nobody added, and whose mail address is not verified, gets nothing"


def another_subject_is_another_person(launched, node, provider) -> str:
    provider.state(anna2={"email": ANNA, "email_verified": True})
    screen = PersonAtScreen(launched, node)
    log_in(screen, "anna2")
    screen.page.get_by_text("another account at the provider").wait_for()
    screen.close()
    return "a second account with the same mail address does not become the person"


def an_invitation_binds(launched, node, provider) -> str:
    provider.state(someone={"groups": ["releases"]})
    screen = PersonAtScreen(launched, node)
    page = screen.open_invitation(BEN)
    page.get_by_role("link", name="Use your account at localhost").click()
    page.wait_for_url("**/interaction/**")
    page.locator("input[name=login]").fill("someone")
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.wait_for_selector("input[name=prompt][value=consent]", state="attached")
    page.locator("button[type=submit]").click()
    assert screen.is_signed_in_as(BEN)
    screen.close()
    return "an invitation binds an account without a mail address"


def a_copied_passkey_is_told(launched, node, provider) -> str:
    screen = PersonAtScreen(launched, node)
    screen.plug_in()
    page = screen.open_invitation(ANNA)
    page.get_by_role("button", name="Make a passkey").click()
    assert screen.is_signed_in_as(ANNA)
    (kept,) = screen.credentials()
    for _ in range(2):
        screen.sign_out()
        page.get_by_role("button", name="Use a passkey").click()
        assert screen.is_signed_in_as(ANNA)
    screen.put_back(kept)
    screen.sign_out()
    page.get_by_role("button", name="Use a passkey").click()
    assert screen.is_signed_in_as(ANNA), "told, not locked out"
    screen.close()
    return "a passkey whose count falls still signs in"


CASES = (
    a_whole_login,
    groups_are_read_again,
    a_renewal_is_silent,
    making_a_token_asks_again,
    strangers_stay_out,
    another_subject_is_another_person,
    an_invitation_binds,
    a_copied_passkey_is_told,
)

if __name__ == "__main__":
    begun = time.monotonic()
    failed = main()
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(failed)
