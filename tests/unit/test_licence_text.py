"""A licence text is read from where it may be read, and from nowhere else."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto import mock_aws

from tunestep import licence_text
from tunestep.hub import Absence
from tunestep.licence_text import MAX_BYTES, TextRefused, Web, is_public
from tunestep.licences import HOSTS

HOST = "licences.test"


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


class _Site(BaseHTTPRequestHandler):
    hold = threading.Event()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        match self.path:
            case "/text?v=1":
                self._answer(200, b"the terms")
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
                self.end_headers()
            case "/large":
                self._answer(200, b"x" * (MAX_BYTES + 1))
            case "/exact":
                self._answer(200, b"x" * MAX_BYTES)
            case "/drip":
                self.send_response(200)
                self.end_headers()
                while not self.hold.wait(0.02):
                    self.wfile.write(b".")
                    self.wfile.flush()
            case _:
                self._answer(404, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()


class Site:
    """A web server on this machine that stands for a host of the table."""

    def __init__(self, folder: Path) -> None:
        certificate, key = _certificate(folder)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
        self.server.daemon_threads = True
        self.asked: list[tuple[str, str]] = []
        self.server.asked = self.asked  # type: ignore[attr-defined]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.certificate = certificate
        self.lookups: list[str] = []

    def web(self, *, addresses: list[str] | None = None, **changes: Any) -> Web:
        """A reader that believes this server to be the open internet."""

        def resolve(host: str, port: int) -> list[str]:
            self.lookups.append(host)
            return ["127.0.0.1"] if addresses is None else addresses

        options: dict[str, Any] = {
            "hosts": frozenset({HOST}),
            "resolve": resolve,
            "is_public": lambda address: address == "127.0.0.1",
            "tls": lambda: ssl.create_default_context(cafile=str(self.certificate)),
            "port": self.port,
        }
        return Web(**options | changes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    _Site.hold.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_a_text_of_a_known_host_is_read_as_it_is(site: Site) -> None:
    assert site.web().read(f"https://{HOST}/text?v=1#part") == b"the terms"
    assert site.asked[-1] == ("/text?v=1", f"{HOST}:{site.port}")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/moved", "redirects are not followed"),
        ("/large", "larger than 1 MB"),
        ("/nothing", "answers 404"),
    ],
)
def test_a_redirect_a_large_text_and_an_error_are_no_text(site: Site, path: str, why: str) -> None:
    with pytest.raises(TextRefused, match=why):
        site.web().read(f"https://{HOST}{path}")


def test_a_megabyte_is_not_too_large(site: Site) -> None:
    assert len(site.web().read(f"https://{HOST}/exact")) == MAX_BYTES


def test_a_host_that_never_comes_to_an_end_is_left_after_the_time(site: Site) -> None:
    began = time.monotonic()
    with pytest.raises(TextRefused, match="did not answer within"):
        site.web(seconds=0.4).read(f"https://{HOST}/drip")
    assert time.monotonic() - began < 2


def test_a_resolver_that_hangs_is_left_after_the_time(site: Site) -> None:
    hang = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        hang.wait(10)
        return ["127.0.0.1"]

    before = len(site.asked)
    with pytest.raises(TextRefused, match="did not answer within"):
        site.web(seconds=0.1, resolve=resolve).read(f"https://{HOST}/text?v=1")
    hang.set()
    assert len(site.asked) == before


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://licences.test/text",
        "ftp://licences.test/text",
        "gopher://licences.test/",
        "data:text/plain,terms",
        "//licences.test/text",
        "licences.test/text",
        "",
        "https://",
        "https:///text",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://licences.test.evil.test/",
        "https://evil.test/licences.test",
        "https://licences.test@evil.test/",
        "https://user@licences.test/",
        "https://licences.test:8443/",
        "https://licences.test:99999/",
        "https://licences.test:x/",
        "https://licences.test\\@evil.test/",
        "https://licences.test/a b",
        "https://licences.test/\r\nHost: evil.test",
        "https://licences.tes\N{CYRILLIC SMALL LETTER TE}/",
    ],
)
def test_an_address_that_is_not_https_to_a_known_host_is_not_even_looked_up(site: Site, url: str) -> None:
    before = len(site.lookups)
    with pytest.raises(TextRefused):
        site.web().read(url)
    assert len(site.lookups) == before


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["172.16.3.4"],
        ["192.168.1.1"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["240.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["::1"],
        ["fd00::1"],
        ["nonsense"],
    ],
)
def test_a_known_host_that_resolves_to_an_address_that_is_not_public_is_not_asked(
    site: Site, addresses: list[str]
) -> None:
    before = len(site.asked)
    with pytest.raises(TextRefused, match="not public"):
        site.web(addresses=addresses, is_public=is_public).read(f"https://{HOST}/text?v=1")
    assert len(site.asked) == before


def test_addresses_of_the_open_internet_are_public() -> None:
    assert all(map(is_public, ("93.184.216.34", "1.1.1.1", "151.101.1.6")))


def test_a_name_that_resolves_to_something_else_a_moment_later_is_asked_at_the_address_that_was_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebinding name: public when looked at, something inside when connected to."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    connected: list[Any] = []
    connect = socket.create_connection

    def watch(address: Any, *rest: Any, **more: Any) -> socket.socket:
        connected.append(address)
        return connect(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", watch)
    web = site.web(resolve=lambda host, port: next(answers))
    assert web.read(f"https://{HOST}/text?v=1") == b"the terms"
    assert connected == [("127.0.0.1", site.port)]
    assert ipaddress.ip_address(connected[0][0]).is_loopback


def test_a_certificate_of_another_name_or_maker_is_refused(site: Site) -> None:
    with pytest.raises(TextRefused, match="cannot be read"):
        site.web(hosts=frozenset({"other.test"})).read("https://other.test/text?v=1")
    with pytest.raises(TextRefused, match="cannot be read"):
        site.web(tls=ssl.create_default_context).read(f"https://{HOST}/text?v=1")


def test_the_hosts_are_those_of_the_table_of_licences() -> None:
    assert Web().hosts == HOSTS
    assert {"www.llama.com", "aws.amazon.com", "huggingface.co"} <= HOSTS
    assert "" not in HOSTS


@pytest.mark.parametrize(
    "address", ["s3://other-bucket/eula.txt", "s3://jumpstart-cache-prod-us-west-2", "s3:///x"]
)
def test_of_buckets_only_the_services_own_is_read(address: str) -> None:
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket="other-bucket")
        s3.put_object(Bucket="other-bucket", Key="eula.txt", Body=b"terms")
        found = licence_text.read(s3, address, service_bucket="jumpstart-cache-prod-us-west-2")
    assert isinstance(found, Absence)


def test_the_services_own_bucket_is_read_up_to_a_megabyte() -> None:
    bucket = "jumpstart-cache-prod-us-west-2"
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="eula.txt", Body=b"terms")
        s3.put_object(Bucket=bucket, Key="large.txt", Body=b"x" * (MAX_BYTES + 1))
        assert licence_text.read(s3, f"s3://{bucket}/eula.txt", service_bucket=bucket) == b"terms"
        assert isinstance(licence_text.read(s3, f"s3://{bucket}/large.txt", service_bucket=bucket), Absence)
