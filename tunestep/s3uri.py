"""S3 URIs: read strictly, compared on path boundaries.

S3 treats ``..`` and ``//`` as plain characters of a key, other tools treat them as paths. A request
may therefore use neither, so that what was checked is what is read.
"""

import re
from typing import NamedTuple

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ACCESS_POINT = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint/[a-z0-9-]{3,50}")
_SCHEME = "s3://"
_LONGEST = 1024


class S3UriInvalid(ValueError):  # noqa: N818 - reads like the other refusals of outside text
    """The text is not an S3 URI that a request may use; the message says why."""


class S3Uri(NamedTuple):
    """Bucket (a name, or an access point ARN) and key; the key is empty for a whole bucket."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.key}" if self.key else f"{_SCHEME}{self.bucket}"

    @property
    def is_folder(self) -> bool:
        """Whether the URI can only mean a prefix: a whole bucket, or a key that ends with a slash."""
        return not self.key or self.key.endswith("/")


def parse(text: str) -> S3Uri:
    """Take ``s3://bucket/key`` apart; raises S3UriInvalid for anything else."""
    if not text.startswith(_SCHEME):
        raise S3UriInvalid(f"{text!r} does not start with s3://")
    if len(text) > _LONGEST:
        raise S3UriInvalid(f"the S3 URI has {len(text)} characters; at most {_LONGEST} are allowed")
    rest = text[len(_SCHEME) :]
    access_point = _ACCESS_POINT.match(rest)
    bucket = access_point.group() if access_point else rest.partition("/")[0]
    remainder = rest[len(bucket) :]
    if not access_point and not _BUCKET.fullmatch(bucket):
        raise S3UriInvalid(f"{bucket!r} is not a bucket name")
    if remainder and not remainder.startswith("/"):
        raise S3UriInvalid(f"{bucket!r} must be followed by a slash")
    key = remainder[1:]
    _check_key(key)
    return S3Uri(bucket, key)


def _check_key(key: str) -> None:
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise S3UriInvalid("the key holds a control character")
    segments = key.removesuffix("/").split("/")
    if key and any(segment in ("", ".", "..") for segment in segments):
        raise S3UriInvalid("the key holds an empty, '.' or '..' part between slashes")


def is_within(uri: S3Uri, location: S3Uri) -> bool:
    """Whether the URI is the location or lies below it, on a path boundary.

    ``s3://b/pre`` holds ``s3://b/pre`` and ``s3://b/pre/x``, and not ``s3://b/prefix``.
    """
    if uri.bucket != location.bucket:
        return False
    if not location.key or uri.key == location.key:
        return True
    return uri.key.startswith(location.key.removesuffix("/") + "/")
