"""Which passwords are taken: long ones, and none that everybody tries first. Pure."""

import re
import unicodedata

from edge.domain.errors import Invalid

PASSWORD_LEAST = 12  # characters: beyond what can be tried offline against argon2id, if it is not a common one
PASSWORD_MOST = 256  # characters: a sentence; the hash costs the same for each
DIFFERENT_LEAST = 5  # different characters

# What is left of the commonest passwords without figures, signs and capitals. Sources: any list of leaked ones.
_WORDS = """
    password passwort passphrase motdepasse contrasena contrasea senha wachtwoord haslo parola heslo salasana lozinka
    passw passwd pass pwd admin administrator root superuser user username guest test tester testing demo default
    changeme changeit letmein welcome willkommen bienvenue hello hallo login logmein access secret geheim topsecret
    qwerty qwertz azerty qwertyuiop qwertzuiop azertyuiop asdf asdfgh asdfghjkl zxcv zxcvbn zxcvbnm qazwsx qazwsxedc
    qweasd qweasdzxc wasd abc abcd abcde abcdef abcdefg abcdefgh abcdefghi abcdefghijkl abcdefghijklmnop
    iloveyou loveyou iloveu love lovely forever princess prinzessin sunshine superman batman spiderman starwars
    pokemon minecraft fortnite dragon monkey tiger lion shadow master killer hunter ninja samurai phoenix matrix
    football fussball baseball basketball soccer hockey liverpool chelsea arsenal barcelona realmadrid juventus
    michael jennifer jessica michelle daniel charlie thomas robert matthew andrew joshua ashley amanda nicole
    jordan harley ranger buster maggie ginger pepper cheese cookie chocolate banana orange summer winter spring
    autumn sommer january february monday computer internet google facebook samsung iphone android windows linux
    trustno mustang corvette ferrari porsche mercedes server database oracle cisco company corporate office backup
    whatever nothing freedom jesus christ jesuschrist blessed heaven angel angels money dollar bitcoin correcthorse
    correcthorsebatterystaple edge edgeedge
"""
COMMON = frozenset(_WORDS.split())
_LEET = str.maketrans("@4301!$5+7", "aaeoiisstt")
_ROW = "01234567890qwertyuiopasdfghjklzxcvbnm"


def normal_form(password: str) -> str:
    """The same for every way to type it (NFKC, as NIST SP 800-63B says)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, mail: str) -> str:
    """The password in its normal form. Raises Invalid `weak_password`; the message never has a part of it."""
    normal = normal_form(password)
    fault = _fault(normal, mail)
    if fault:
        raise Invalid("weak_password", f"this password {fault}; use a sentence, or what a password manager makes")
    return normal


def _fault(password: str, mail: str) -> str:
    if len(password) < PASSWORD_LEAST:
        return f"has fewer than {PASSWORD_LEAST} characters"
    if len(password) > PASSWORD_MOST:
        return f"has more than {PASSWORD_MOST} characters"
    if len(set(password)) < DIFFERENT_LEAST:
        return "repeats a few characters"
    if is_common(password):
        return "is figures alone, or common words with figures and signs"
    lower, name = password.casefold(), mail.partition("@")[0].casefold()
    if mail.casefold() in lower or (len(name) >= 4 and len(lower.replace(name, "")) < PASSWORD_LEAST // 2):
        return "is mostly your name"
    return ""


def is_common(password: str) -> bool:
    """Whether it is a common word, or several of the same, however decorated: `P@ssw0rd2026!`, `qwerty-qwerty-1`."""
    lower = password.casefold()
    bare = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)  # the year and the sign at its end
    return any(_is_plain(_letters(each)) for each in (lower, bare.translate(_LEET))) or _is_row(lower)


def _letters(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _is_plain(words: list[str]) -> bool:
    """No letters at all, or nothing but common words."""
    whole = "".join(words)
    if not whole or whole in COMMON:
        return True
    return all(each in COMMON or _repeated(each) in COMMON for each in words) or _repeated(whole) in COMMON


def _repeated(text: str) -> str:
    """`abc` of `abcabc`; the text itself if it is no repetition."""
    period = (text + text).find(text, 1)
    return text[:period]


def _is_row(lower: str) -> bool:
    """Along the keys, forwards or backwards."""
    return lower in _ROW or lower[::-1] in _ROW
