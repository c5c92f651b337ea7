"""The rules, in our own words, each with where the store states it. Pure.

Read in November 2026, in stored copies. Google's two pages and Apple's on 5.1.1 were read at the address given. Of
Apple's other guidelines and of its licence, the wording was read where others quote it, not on Apple's own page. Look
at the sources before you rely on a rule: stores change them.
"""

from enum import Enum
from typing import NamedTuple


class StoreRule(NamedTuple):
    """Where a store says it."""

    store: str
    title: str
    section: str
    address: str


APPLE_CODE = StoreRule(
    "Apple",
    "App Review Guidelines",
    "2.5.2, no downloaded code that changes what an app does",
    "https://developer.apple.com/app-store/review/guidelines/#2.5.2",
)
APPLE_INTERPRETED = StoreRule(
    "Apple",
    "Developer Program License Agreement",
    "3.3.1 (B), executable code: interpreted code alone may be downloaded, within the app's purpose",
    "https://developer.apple.com/support/terms/apple-developer-program-license-agreement/",
)
APPLE_PURPOSE = StoreRule(
    "Apple",
    "App Review Guidelines",
    "5.1.1 (ii), permission: what is asked for, and why, is reviewed with the app",
    "https://developer.apple.com/help/app-review/guideline-reference/5-1-1-purpose-strings",
)
GOOGLE_CODE = StoreRule(
    "Google Play",
    "Device and Network Abuse",
    "no executable code (dex, JAR, .so) from elsewhere; JavaScript in a web view is allowed",
    "https://support.google.com/googleplay/android-developer/answer/9888379",
)
GOOGLE_PERMISSIONS = StoreRule(
    "Google Play",
    "Permissions and APIs that Access Sensitive Information",
    "only what the features in the listing need",
    "https://support.google.com/googleplay/android-developer/answer/9888170",
)


class StoreCode(Enum):
    """The stable code of a warning, and the rules behind it."""

    NATIVE_CODE = "native_code", (APPLE_CODE, APPLE_INTERPRETED, GOOGLE_CODE)
    APP_ID_DIFFERS = "app_id_differs", (APPLE_CODE, GOOGLE_CODE)
    PERMISSIONS_DIFFER = "permissions_differ", (APPLE_PURPOSE, GOOGLE_PERMISSIONS)
    START_PAGE_ELSEWHERE = "start_page_elsewhere", (APPLE_CODE, APPLE_INTERPRETED, GOOGLE_CODE)
    REMOTE_SCRIPT = "remote_script", (APPLE_CODE, APPLE_INTERPRETED, GOOGLE_CODE)

    def __init__(self, code: str, rules: tuple[StoreRule, ...]) -> None:
        self.code = code
        self.rules = rules


class StoreWarning(NamedTuple):
    """Something in a bundle that a store may not allow in a live update. `file` is the bundle's; `message` says what
    was found and what to do."""

    code: StoreCode
    file: str
    message: str

    def document(self) -> dict[str, object]:
        """As `--json` shows it."""
        rules = [rule._asdict() for rule in self.code.rules]
        return {"code": self.code.code, "file": self.file, "message": self.message, "rules": rules}

    def line(self) -> str:
        """For people, with the first source."""
        rule = self.code.rules[0]
        more = f" and {len(self.code.rules) - 1} more" if len(self.code.rules) > 1 else ""
        source = f"{rule.store}, {rule.title} {rule.section.partition(',')[0]}{more}"
        return f"app stores: {self.message} [{self.code.code}; {source}]"
