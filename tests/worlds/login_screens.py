"""A person at a browser: opens an invitation, makes a passkey with a virtual authenticator, signs in and out."""

from contextlib import closing
from urllib.parse import quote

from edge.cli.terminal.client import ControlClient
from tests.worlds.screens import Screen

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def ask(node, method, path, body=None):
    """The node's control API, as its first admin."""
    client = ControlClient(node.control, (node.data_dir / "node" / "admin.token").read_text().strip())
    with closing(client):
        return client.get(path) if method == "GET" else client.post(path, body)


def add_person(node, mail, role=""):
    holds = [{"role": role, "scope": "everything"}] if role else []
    ask(node, "POST", "/v1/people", {"mail": mail, "holds": holds})


class PersonAtScreen(Screen):
    """On a page that is open by its name: passkeys take no address."""

    def __init__(self, launched, node, **options):
        super().__init__(launched, node, **options)
        self.base = node.control.replace("127.0.0.1", "localhost")

    def go(self, path):
        self.page.goto(self.base + path)
        return self.page

    def open_invitation(self, mail):
        return self.go(ask(self.node, "POST", f"/v1/people/{quote(mail)}/invitation")["path"])

    def plug_in(self, **changed):
        """An authenticator that verifies its user by itself."""
        self.cdp = self.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | changed})
        self.authenticator = made["authenticatorId"]

    def verify_user(self, verified):
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": verified})

    def credentials(self):
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        return found["credentials"]

    def put_back(self, credential, **changed):
        """The authenticator holds this credential, and no other: as of a copy."""
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.authenticator})
        self.cdp.send(
            "WebAuthn.addCredential", {"authenticatorId": self.authenticator, "credential": credential | changed}
        )

    def sign_out(self):
        self.page.locator("details.me > summary").click()
        self.page.get_by_role("button", name="Sign out", exact=True).click()
        self.page.wait_for_url("**/login")

    def is_signed_in_as(self, name):
        self.page.wait_for_selector("details.me")
        return name in self.page.locator("details.me > summary").inner_text()
