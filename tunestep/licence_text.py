"""The text of a licence, read from where it may be read: the service's own bucket, or a known https host.

An address comes from a hub document, so it is taken for a stranger's. For https the host has to be one of
the table of licences, every address that it resolves to has to be public, the connection goes to the very
address that was looked at, and a redirect is an error like any other answer but 200.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tunestep import licences, s3uri
from tunestep.aws import Client
from tunestep.hub import Absence
from tunestep.recipes import read_small

MAX_BYTES = 1024 * 1024
MAX_SECONDS = 5.0
_PORT = 443


class TextRefused(ValueError):  # noqa: N818
    """The text may not be read from there, or was not to be had."""


def resolve(host: str, port: int) -> list[str]:
    """The IPv4 addresses of a host. Raises OSError when it has none."""
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet: not loopback, link-local, private or reserved."""
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address, whatever the name resolves to by now; the certificate is the name's."""

    def __init__(self, host: str, address: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=MAX_SECONDS, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = plain
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


@dataclass(frozen=True)
class Web:
    """How texts are read over https. Everything that reaches outside can be exchanged."""

    hosts: frozenset[str] = licences.HOSTS
    resolve: Callable[[str, int], list[str]] = resolve
    is_public: Callable[[str], bool] = is_public
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    port: int = _PORT
    seconds: float = MAX_SECONDS

    def read(self, url: str) -> bytes:
        """The body of an https URL: at most 1 MB, within 5 s. Raises TextRefused saying why not."""
        host, path = self._target(url)
        reading = _Reading(self, host, path)
        worker = threading.Thread(target=reading.run, daemon=True)
        worker.start()
        # A host that sends a byte now and then never runs into a socket's own time-out.
        worker.join(self.seconds)
        if worker.is_alive():
            reading.abandon()
            raise TextRefused(f"{host} did not answer within {self.seconds:g} s")
        if reading.fault:
            raise TextRefused(reading.fault)
        return reading.body

    def _target(self, url: str) -> tuple[str, str]:
        """Host and path of a URL that may be asked for."""
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            raise TextRefused("its address has characters that no address has")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise TextRefused("its address is no URL") from None
        host = parts.hostname or ""
        if parts.scheme != "https":
            raise TextRefused(f"its address is not https but {parts.scheme or 'without a scheme'}")
        if host not in self.hosts or "@" in parts.netloc or port not in (None, _PORT):
            raise TextRefused(f"{parts.netloc} is not a host of the table of licences")
        return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Reading:
    """One reading in a thread of its own, which can be left behind."""

    def __init__(self, web: Web, host: str, path: str) -> None:
        self._web, self._host, self._path = web, host, path
        self._connection: _Pinned | None = None
        self._abandoned = False
        self.body = b""
        self.fault = ""

    def run(self) -> None:
        try:
            self.body = self._read()
        except TextRefused as refused:
            self.fault = str(refused)
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self.fault = f"{self._host} cannot be read ({type(fault).__name__})"

    def abandon(self) -> None:
        """End the connection under the reader."""
        self._abandoned = True
        open_socket: Any = self._connection.sock if self._connection else None
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> bytes:
        addresses = self._web.resolve(self._host, self._web.port)
        if not addresses or not all(map(self._web.is_public, addresses)):
            raise TextRefused(f"{self._host} resolves to an address that is not public")
        if self._abandoned:
            raise TextRefused("it took too long")
        self._connection = _Pinned(self._host, addresses[0], self._web.port, self._web.tls())
        try:
            headers = {"User-Agent": "tunestep", "Accept": "text/*", "Accept-Encoding": "identity"}
            self._connection.request("GET", self._path, headers=headers)
            answer = self._connection.getresponse()
            if answer.status != http.client.OK:
                raise TextRefused(f"{self._host} answers {answer.status}; redirects are not followed")
            body = answer.read(MAX_BYTES + 1)
        finally:
            self._connection.close()
        if len(body) > MAX_BYTES:
            raise TextRefused("it is larger than 1 MB")
        return body


def read(s3: Client, address: str, *, service_bucket: str, web: Web | None = None) -> bytes | Absence:
    """The text at an ``s3://`` or ``https://`` address; an Absence saying why it was not read.

    Raises TransientFault and ServiceFault as tunestep.checks.calls does.
    """
    if not address.startswith("s3://"):
        try:
            return (web or Web()).read(address)
        except TextRefused as refused:
            return Absence("refused", str(refused))
    try:
        uri = s3uri.parse(address)
    except s3uri.S3UriInvalid as fault:
        return Absence("refused", str(fault))
    if uri.bucket != service_bucket:
        return Absence("refused", f"{uri.bucket} is not the service's own bucket")
    return read_small(s3, uri, MAX_BYTES)
