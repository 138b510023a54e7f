"""Patterns of the keys whose values are secrets, and of the text between such a key and its sign (`=`, `:`)."""

from __future__ import annotations

import re

_NAMES = (
    r"pass[_-]?(?:word|wd|wrd|phrase|code|key)s?",
    r"pswd|psswd",
    r"secrets?",
    r"token",
    r"(?:access|api|auth|bearer|refresh|session)[_ -]?tokens",  # `tokens` alone is the token count of a language model
    r"authori[sz]ation",
    r"cookies?",
    r"credentials?",
    r"(?:access|account|admin|aes|api|app|auth|backup|bot|client|consumer|cookie|deploy|encryption|functions?|hmac"
    r"|jwt|licen[cs]e|master|private|recovery|role|root|sas|secret|service|shared|signing|ssh|subscription|webhook"
    r"|write)[_ .-]?keys?",
    r"secret[_-]?(?:key[_-]?base|string)",
    r"sess(?:ion)?[_-]?(?:id|key)",
    r"connect\.sid",
    r"csrf",
    r"xsrf",
    r"signature",
    r"(?:2fa|access|auth|authorization|backup|login|mfa|one[_ -]?time|otp|pin|recovery|security|sms|totp"
    r"|two[_ -]?factor|verification)[_ -]?codes?",
    r"security[_ -]?answers?",
    r"code[_-]?verifier",
    r"client[_-]?assertion",
    r"saml[_-]?(?:request|response)",
    r"(?:recovery|seed)[_ -]?phrase",
    r"mnemonic",
    r"passwort|kennwort|mot[_ -]?de[_ -]?passe|wachtwoord|salasana|adgangskode|passord|losenord|contrasena|lozinka",
)
"""Names that make a key sensitive if it ends in one: `csrfmiddlewaretoken`, `DB_PASSWORD`, `x-api-key`."""

_GROUP = re.compile(r"\(\?:([^()]*)\)(.*)")

FOREIGN = (
    *("contraseña", "lösenord", "hasło", "jelszó", "şifre", "mật khẩu", "пароль", "ПАРОЛЬ", "κωδικός"),
    *("密码", "密碼", "口令", "パスワード", "비밀번호", "암호", "סיסמה", "كلمة المرور"),
)
"""Words for password in letters beyond ASCII. Both cases are spelled out, because only `re` knows the other case."""

WORDS = (
    *("pass", "pwd", "pw", "psw", "auth", "cred", "creds", "jwt", "otp", "cvv", "cvc"),
    *("senha", "parola", "heslo", "haslo", "jelszo", "sifre", "mdp"),
)
"""Names in which other words end too (`compass`). A key is sensitive if its last word is one: `db_pass`, `userPwd`."""

WEAK_WORDS = ("sid", "refresh", "bearer", "session", "hmac", "assertion", "pin")
"""Names with other meanings. A key whose last word is one is sensitive only if its value looks like a secret."""

BEHIND = (
    r"(?i:[_.-]?(?:again|b(?:ase)?64|confirm(?:ation)?|current|dev|enc(?:rypted)?|hash|hex|hint|live|new|old|pem"
    r"|plain(?:text)?|prod|raw|repeat|staging|str(?:ing)?|test|text|tmp|v|val(?:ue)?))?"
    r"(?:[_-]?[0-9]{1,2}|_)?(?:\[[0-9]?\])?(?i: ?\((?:clear|encrypted|hash(?:ed)?|new|old|plain|raw)\))?"
)
"""Suffixes of a name before its sign: `password_confirmation`, `token_1`, `api_key_v2`, `password[]`, `token (raw)`."""

QUOTE = r"(?:\\*[\"'`]|&(?:amp;)?(?:quot|apos|#34|#39|#x22|#x27);|%(?:25)*2[27])"

GAP = (
    r"(?:\\[nrt]|[ \t\r\n\"'\]\\`?*]"
    r"|&(?:amp;)?(?:quot|apos|#34|#39|#x22|#x27);|%(?:25)*2[27]|%(?:25)*5[Dd]|%(?:25)*20)*"
)
"""Quotes, blanks and brackets between a key and its sign, plain or escaped by HTML, JSON or a URL."""

_FULL_WIDTH = "\uff1a|\uff1d"
SIGN = rf"(?::=|[:=]|%(?:25)*3[ADad]|\\u003[ADad]|-+>|→|\\u2192|{_FULL_WIDTH}|\\uff1[ADad])>?"


def in_any_case(*patterns: str) -> str:
    """Return a pattern that matches any of the patterns in either case.

    Each of `patterns` is one name, alternatives, or a group of names with a common end. The result groups them by their
    first letter, so that `re` skips a whole group if that letter does not match.
    """
    groups: dict[str, list[str]] = {}
    for pattern in patterns:
        group = _GROUP.fullmatch(pattern)
        names, end = (group[1], group[2]) if group else (pattern, "")
        apart = names.split("|") if group or "(" not in pattern else [pattern]
        for letter in dict.fromkeys(name[0] for name in apart):
            rests = "|".join(name[1:] for name in apart if name[0] == letter)
            groups.setdefault(letter, []).append(f"(?:{rests}){end}" if end else rests)
    return "|".join(f"{_of_either_case(letter)}(?i:{'|'.join(rest)})" for letter, rest in groups.items())


def spelled(word: str) -> str:
    """Return a pattern of the word that also matches JSON's escapes of letters beyond ASCII."""
    first, rest = word[0], "".join(letter if letter.isascii() else _escaped(letter) for letter in word[1:])
    if first.isascii():
        return f"[{first}{first.upper()}]{rest}"
    cases = dict.fromkeys((first, first.upper()))
    return "|".join(f"{case}{rest}|u(?i:{ord(case):04x}){rest}" for case in cases)


def humps(words: list[bytes]) -> list[bytes]:
    """Return the words as they are written inside camel case."""
    return [word[:1].upper() + word[1:] for word in words if word[:1].islower()]


def parts(name: str) -> list[str]:
    """Split a name into its words."""
    return [part for part in re.split(r"[_. -]+", name) if part]


def _of_either_case(letter: str) -> str:
    return f"[{letter}{letter.upper()}]" if letter.isalpha() else letter


def _escaped(letter: str) -> str:
    return rf"(?:{letter}|\\+u(?i:{ord(letter):04x}))"


KEYS = in_any_case(*_NAMES)
