"""The numbers of config/PEOPLE.md, "Signing in", are those of the code."""

from places import ROOT

from edge.control.login.credential_document import INVITATION_SECONDS, TERMINAL_SECONDS
from edge.control.login.oidc.id_token import SKEW_SECONDS
from edge.control.login.oidc_login import LOGIN_SECONDS
from edge.control.login.passkeys import CHALLENGE_SECONDS
from edge.control.login.passwords.hashing import AT_ONCE
from edge.control.login.passwords.password_rules import PASSWORD_LEAST
from edge.control.login.passwords.password_tries import ACCOUNT_LIMIT, NETWORK_LIMIT, PAIR_LIMIT, WINDOW_SECONDS
from edge.page.door.sessions import FRESH_SECONDS, RENEW_SECONDS, SESSION_SECONDS, STATED_SECONDS


def test_how_people_sign_in_is_documented_as_it_is():
    text = (ROOT / "config" / "PEOPLE.md").read_text()
    minutes = int(WINDOW_SECONDS // 60)
    assert f"in {minutes} minutes {PAIR_LIMIT} tries of one account from one network" in text
    assert f"{ACCOUNT_LIMIT} of one account from everywhere, {NETWORK_LIMIT} from one network" in text
    assert f"| password | {PASSWORD_LEAST} characters;" in text
    assert f"end after {int(CHALLENGE_SECONDS // 60)} minutes, {int(LOGIN_SECONDS // 60)} minutes and a day" in text
    assert INVITATION_SECONDS == 86_400 and f"It is you for {int(TERMINAL_SECONDS // 3_600)} hours" in text
    assert f"again after {int(RENEW_SECONDS // 60)} minutes" in text and STATED_SECONDS == 3_600
    assert f"within {int(FRESH_SECONDS // 60)} minutes" in text and f"times ({SKEW_SECONDS:g} s)" in text
    assert f"a session of {int(SESSION_SECONDS // 3_600)} hours" in text and "Two hashes run at once" in text
    assert AT_ONCE == 2
