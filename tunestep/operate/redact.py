"""Takes out of recorded calls whatever is a secret or says whose account it was.

Account ids become the documentation's example accounts, the same id always the same one; secrets, tokens,
signatures and addresses become a word. What is left is searched for what is known to be secret before a
file is written, and a file that holds any of it is not written.
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

GONE = "REDACTED"
EXAMPLES = ("111122223333", "444455556666", "777788889999", "123456789012")
"""Accounts that AWS's documentation uses."""

_SECRET_KEYS = re.compile(
    r"token|secret|password|passwd|authorization|signature|credential|cookie|api.?key|private.?key|accesskey"
    r"|policyinputlist|receipthandle",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(
    r"^(next|continuation|pagination)token$|tokens$|tokens?count$|^max_?tokens|usetoken", re.IGNORECASE
)
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_TEXTS: tuple[re.Pattern[str], ...] = (
    re.compile(r"\b(AKIA|ASIA|AROA|AIDA|ANPA)[A-Z0-9]{12,}"),
    re.compile(r"\bxox[a-z]-[A-Za-z0-9-]+"),
    re.compile(r"\bxapp-[A-Za-z0-9-]+"),
    re.compile(r"\b(hf|ghp|gho|glpat|sk)[_-][A-Za-z0-9_-]{16,}"),
    re.compile(r"\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(
        r"(?i)(?<=[?&])(x-amz-(signature|credential|security-token)|awsaccesskeyid|signature|k|token)=[^&\s\"']+"
    ),
    re.compile(r"(?i)\b(aws4-hmac-sha256|bearer|basic)\s+[^\"\n]+"),
    re.compile(r"(?i)(?<=signature=)[0-9a-f]{64}"),
)


class LeakFound(RuntimeError):  # noqa: N818
    """Something secret would have been written; the message names the kind and not the thing."""


class Redactor:
    """``secrets`` are texts that must not be in what is written, by what they are called."""

    def __init__(self, account: str, secrets: Mapping[str, str] | None = None) -> None:
        self._own, self._accounts = account, {account: EXAMPLES[0]}
        self._secrets = {name: text for name, text in (secrets or {}).items() if len(text) >= 4}

    def value(self, value: Any, key: str = "") -> Any:
        """A redacted copy of JSON-like data. Bytes become their length, times ISO 8601."""
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(each, str(name)) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, key) for each in value]
        return self._leaf(value, key)

    def _leaf(self, value: Any, key: str) -> Any:
        if isinstance(value, bytes | bytearray):
            return f"{len(value)} bytes"
        if isinstance(value, int | float | bool) or value is None:
            return self._number(value)
        if isinstance(value, str):
            return GONE if value and _is_secret(key) else self._string(value)
        return value.isoformat() if isinstance(value, datetime) else self.text(str(value))

    def _number(self, value: Any) -> Any:
        return int(self.text(str(value))) if type(value) is int and _ACCOUNT.fullmatch(str(value)) else value

    def _string(self, text: str) -> str:
        """A text, or a JSON document in a text, whose keys count as well."""
        if text.lstrip()[:1] in ("{", "["):
            try:
                return json.dumps(self.value(json.loads(text)))
            except ValueError:
                pass
        return self.text(text)

    def text(self, text: str) -> str:
        """A redacted text."""
        for secret in self._secrets.values():
            text = text.replace(secret, GONE)
        for pattern in _TEXTS:
            text = pattern.sub(GONE, text)
        # One's own is gone even where it is a part of a longer word.
        text = text.replace(self._own, EXAMPLES[0])
        text = _EMAIL.sub("someone@example.com", text)
        return _ACCOUNT.sub(lambda found: self._account(found[0]), text)

    def _account(self, account: str) -> str:
        if account in EXAMPLES and account not in self._accounts:
            return account
        if account not in self._accounts:
            free = [example for example in EXAMPLES if example not in self._accounts.values()]
            self._accounts[account] = free[0] if free else f"{len(self._accounts):012}"
        return self._accounts[account]

    def checked(self, text: str) -> str:
        """The text, when nothing known to be secret is in it, not even encoded. Raises LeakFound."""
        known = {**self._secrets, **({} if self._own in EXAMPLES else {"your account's id": self._own})}
        for name, secret in known.items():
            if secret in text or base64.b64encode(secret.encode()).decode().rstrip("=") in text:
                raise LeakFound(f"{name} would have been written; nothing was")
        stand_ins = {*EXAMPLES, *self._accounts.values()}
        if set(_ACCOUNT.findall(text)) & (set(self._accounts) - stand_ins):
            raise LeakFound("the id of another account would have been written; nothing was")
        return text


def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEYS.search(key)) and not _NOT_SECRET.search(key)
