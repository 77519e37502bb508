"""The gate in front of the laptop port: what a web page in the user's browser must not be able to do.

A page may send requests to 127.0.0.1, so binding to loopback is not enough. The Host check defeats DNS
rebinding; Origin and Sec-Fetch-Site (Fetch Metadata Request Headers, w3.org/TR/fetch-metadata) tell a
browser's cross-site requests from an AWS client's, which sends neither.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

APPROVAL_PAGES = "/approvals/"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"})
MAX_BODY = 512 * 1024 * 1024
"""Largest request body, in bytes: an S3 part of a training file."""

_CONTROL_PAGES = re.compile(r"/+(moto-api|latest/(meta-data|api)|favicon\.ico|_?admin)(/|$)", re.IGNORECASE)
_ADDED = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # An object of a bucket can be a page, and its script would be on our own origin.
    "Content-Security-Policy": "sandbox; default-src 'none'",
}
"""What answers without such a header get. The approval page brings its own policy."""

_LENGTH = re.compile(r"[0-9]{1,15}")
_OWN_SITES = frozenset({"same-origin", "none"})


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request goes no further: HTTP status and the sentence for the client."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Gate:
    """WSGI middleware, first in line; ``port`` is known once the socket is bound."""

    def __init__(self, app: Wsgi, port: Callable[[], int]) -> None:
        self._app, self._port = app, port

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [(k, v) for k, v in headers if not k.lower().startswith("access-control-")]
            sent = {name.lower() for name, _ in kept}
            kept += [(name, value) for name, value in _ADDED.items() if name.lower() not in sent]
            return start_response(status, kept, exc_info)

        try:
            check(environ, self._port())
        except Refused as refusal:
            body = f"{refusal.message}\n".encode()
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            start(refusal.status, headers)
            return [body]
        return self._app(environ, start)


def check(environ: Environ, port: int) -> None:
    """Raises Refused for a request that no client of ours sends."""
    _check_host(environ, port)
    _check_shape(environ)
    if _CONTROL_PAGES.match(environ.get("PATH_INFO", "")):
        raise Refused("404 Not Found", "there is no such page")
    _check_origin(environ, port)
    _check_site(environ)


def _check_host(environ: Environ, port: int) -> None:
    if environ.get("HTTP_HOST", "") not in {f"127.0.0.1:{port}", f"localhost:{port}"}:
        raise Refused("421 Misdirected Request", "this port answers to its own address only")


def _check_shape(environ: Environ) -> None:
    if environ["REQUEST_METHOD"] not in METHODS:
        raise Refused("405 Method Not Allowed", "this method is not served")
    length = environ.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(length):
        raise Refused("400 Bad Request", "Content-Length is not a number")
    if int(length) > MAX_BODY:
        raise Refused("413 Content Too Large", f"the body has more than {MAX_BODY} bytes")
    if environ.get("HTTP_TRANSFER_ENCODING") and environ.get("CONTENT_LENGTH"):
        raise Refused("400 Bad Request", "Content-Length and Transfer-Encoding exclude each other")


def _check_origin(environ: Environ, port: int) -> None:
    origin = environ.get("HTTP_ORIGIN")
    if origin == "null" and _own_form(environ):
        return
    if origin is not None and origin not in {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}:
        raise Refused("403 Forbidden", "requests from web pages are not served")


def _own_form(environ: Environ) -> bool:
    """Whether the browser says that the approval page itself, which has no referrer, sends its form."""
    return (
        environ.get("HTTP_SEC_FETCH_SITE") == "same-origin"
        and environ["REQUEST_METHOD"] == "POST"
        and environ.get("PATH_INFO", "").startswith(APPROVAL_PAGES)
    )


def _check_site(environ: Environ) -> None:
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is None or site in _OWN_SITES:
        return
    navigation = (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    )
    if not navigation or not environ.get("PATH_INFO", "").startswith(APPROVAL_PAGES):
        raise Refused("403 Forbidden", "requests from web pages are not served")
