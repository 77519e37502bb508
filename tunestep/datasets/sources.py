"""Where data lies: local files and S3 objects, each opened as a stream that reads large blocks."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tunestep import s3uri
from tunestep.datasets.blocks import Readable, Unreadable
from tunestep.errors import TransientFault

if TYPE_CHECKING:
    from tunestep.aws import Client

MOST_FILES = 10_000
"""Most files of one channel."""
_ATTEMPTS = 4
_GONE = frozenset(("PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404"))


class DataFile(Protocol):
    """One file of a data set. ``size`` is in bytes; ``local`` is its path when it lies on this disk."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def local(self) -> Path | None: ...
    def open(self) -> Readable:
        """Raises Unreadable, and TransientFault when trying again later may help; so do the reads."""


class Source(NamedTuple):
    """One channel's data: ``label`` is what the request calls it, ``files`` are sorted by name."""

    label: str
    files: tuple[DataFile, ...]


class _Opened:
    """A local file whose errors are findings."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as fault:
            raise Unreadable("DATA_UNREADABLE", f"The file cannot be opened ({fault.strerror}).") from None

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size) or b""
        except OSError as fault:
            raise Unreadable("DATA_UNREADABLE", f"The file cannot be read ({fault.strerror}).") from None

    def close(self) -> None:
        self._file.close()


class LocalFile(NamedTuple):
    """A file on this disk."""

    path: Path
    size: int

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def local(self) -> Path | None:
        return self.path

    def open(self) -> Readable:
        return _Opened(self.path)


class S3File(NamedTuple):
    """An object of S3, in the version (or with the ETag) that was listed."""

    client: "Client"
    uri: s3uri.S3Uri
    size: int
    etag: str = ""
    version_id: str = ""

    @property
    def name(self) -> str:
        return str(self.uri)

    @property
    def local(self) -> Path | None:
        return None

    def open(self) -> Readable:
        return _Stream(self)


class _Stream:
    """An object's bytes in order; a connection that breaks is taken up again where it broke."""

    def __init__(self, file: S3File) -> None:
        self._file = file
        self._place = 0
        self._body = self._open() if file.size else None

    def _open(self) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - local files need no AWS

        pinned: dict[str, str] = {}
        if self._file.version_id:
            pinned["VersionId"] = self._file.version_id
        if self._file.etag:
            pinned["IfMatch"] = f'"{self._file.etag}"'
        if self._place:
            pinned["Range"] = f"bytes={self._place}-"
        try:
            return self._file.client.get_object(
                Bucket=self._file.uri.bucket, Key=self._file.uri.key, **pinned
            )["Body"]
        except (ClientError, BotoCoreError) as fault:
            raise _refusal(fault, "hand it out") from None

    def read(self, size: int, /) -> bytes:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        for _ in range(_ATTEMPTS):
            if self._body is None:
                return b""
            try:
                piece: bytes = self._body.read(size)
            except (BotoCoreError, HTTPError, OSError):
                self._body = self._open()
                continue
            self._place += len(piece)
            return piece
        raise TransientFault("The connection to S3 breaks again and again.")

    def close(self) -> None:
        if self._body is not None:
            self._body.close()


def _refusal(fault: Exception, what: str) -> Unreadable | TransientFault:
    """What to raise for a call that S3 did not answer; its message may name the object: left out."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    from tunestep.aws import error_code  # noqa: PLC0415
    from tunestep.faults import transient  # noqa: PLC0415

    code = error_code(fault) if isinstance(fault, ClientError) else type(fault).__name__
    if transient(fault):
        return TransientFault(f"S3 does not {what} for now ({code}).")
    if code in _GONE:
        return Unreadable("DATA_CHANGED", "The object is no longer the one that was listed.")
    return Unreadable("DATA_UNREADABLE", f"S3 refuses to {what} ({code}).")


def local(path: Path) -> Source:
    """A file, or every file below a folder but hidden ones.

    Raises:
        Unreadable: nothing there, nothing that is a plain file, or more than ``MOST_FILES``.
    """
    try:
        mode = path.stat().st_mode
    except OSError as fault:
        raise Unreadable("DATA_NOT_FOUND", f"The path cannot be read ({fault.strerror}).") from None
    if stat.S_ISREG(mode):
        return Source(str(path), (LocalFile(path, path.stat().st_size),))
    if not stat.S_ISDIR(mode):
        raise Unreadable("DATA_NOT_FOUND", "It is neither a file nor a folder.")
    found = []
    for entry in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in entry.relative_to(path).parts)
        if entry.is_file() and not hidden:
            found.append(LocalFile(entry, entry.stat().st_size))
    return _source(str(path), found)


def in_s3(client: "Client", text: str, *, version_id: str = "") -> Source:
    """An object, or every object below a prefix but empty folder markers.

    Raises:
        Unreadable: as for local files, or S3 refuses.
        TransientFault: S3 is busy or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        uri = s3uri.parse(text)
        if version_id:
            head = client.head_object(Bucket=uri.bucket, Key=uri.key, VersionId=version_id)
            return Source(text, (S3File(client, uri, head["ContentLength"], "", version_id),))
        return _source(text, _listed(client, uri))
    except s3uri.S3UriInvalid as fault:
        raise Unreadable("DATA_NOT_FOUND", f"It is no S3 URI: {fault}.") from None
    except (ClientError, BotoCoreError) as fault:
        raise _refusal(fault, "list it") from None


def _listed(client: "Client", uri: s3uri.S3Uri) -> list[S3File]:
    found: list[S3File] = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=uri.bucket, Prefix=uri.key):
        for entry in page.get("Contents", ()):
            place = s3uri.S3Uri(uri.bucket, str(entry["Key"]))
            exact = place.key == uri.key
            marker = place.key.endswith("/") and not entry["Size"]
            if marker or not (exact or s3uri.is_within(place, uri)):
                continue
            file = S3File(client, place, int(entry["Size"]), str(entry["ETag"]).strip('"'))
            if exact:
                return [file]
            found.append(file)
        if len(found) > MOST_FILES:
            break
    return sorted(found, key=lambda file: file.uri.key)


def _source(label: str, files: list[Any]) -> Source:
    if not files:
        raise Unreadable("DATA_NOT_FOUND", "There is no file below it.")
    if len(files) > MOST_FILES:
        raise Unreadable("DATA_TOO_MANY_FILES", f"It holds more than {MOST_FILES} files.")
    return Source(label, tuple(files))
