"""Objects put and read in moto's buckets, past botocore and moto's web server."""

import io
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.response import StreamingBody
from moto.s3.models import FakeDeleteMarker, s3_backends

from tests.faults.direct import DONE, Asked, Elsewhere, Refusal

_META = "x-amz-meta-"
_TAKES = {
    "GetObject": ({"Bucket", "Key"}, {"Bucket", "Key", "VersionId", "IfMatch"}),
    "HeadObject": ({"Bucket", "Key"}, {"Bucket", "Key", "VersionId"}),
    "PutObject": ({"Bucket", "Key", "Body", "ContentType"},),
}
_READER_S = ("Body", "ResponseMetadata")
_ITS_OWN = (*_READER_S, "VersionId", "LastModified")


class Objects:
    """The operations that nearly all calls are, asked for by nothing but what is listed above."""

    def __init__(self, account: str) -> None:
        self._account = account

    def can(self, operation: str, asked: Asked) -> bool:
        """Whether it is answered here."""
        if not any(asked.keys() == members for members in _TAKES.get(operation, ())):
            return False
        return operation != "PutObject" or isinstance(asked["Body"], bytes)

    def same(self, operation: str, asked: Asked, answer: Asked) -> bool:
        """Whether what is answered here, and kept, is what was answered, and is kept: but for the body, which
        is its reader's, and the number of a version."""
        if operation == "PutObject":
            return self._kept_alike(asked, answer)
        return _but(_READER_S, self.answer(operation, asked)) == _but(_READER_S, answer)

    def answer(self, operation: str, asked: Asked) -> dict[str, Any]:
        """The operation's members. Raises Refusal when there is no such object, and Elsewhere for what moto
        words."""
        if operation == "PutObject":
            return self._put(asked)
        found = self._found(asked)
        if operation == "HeadObject":
            return {**_described(found), **DONE}
        body = StreamingBody(io.BytesIO(found.value), len(found.value))
        return {**_described(found), "Body": body, **DONE}

    def _bucket(self, asked: Asked) -> Any:
        bucket = s3_backends[self._account]["aws"].buckets.get(asked["Bucket"])
        if bucket is None:
            raise Elsewhere
        return bucket

    def _found(self, asked: Asked) -> Any:
        versions = self._bucket(asked).keys.getlist(asked["Key"], [])
        if "VersionId" in asked:
            versions = [each for each in versions if each.version_id == asked["VersionId"]]
            if not versions:
                raise Elsewhere
        if not versions:
            raise Refusal
        found = versions[-1]
        if isinstance(found, FakeDeleteMarker) or asked.get("IfMatch", found.etag) != found.etag:
            raise Elsewhere
        return found

    def _put(self, asked: Asked) -> dict[str, Any]:
        bucket = self._bucket(asked)
        backend = s3_backends[self._account]["aws"]
        kept = backend.put_object(asked["Bucket"], asked["Key"], asked["Body"], storage="STANDARD")
        kept.set_metadata({"content-type": asked["ContentType"]})
        kept.set_acl(bucket.acl)
        described = _described(kept)
        told = ("ETag", "VersionId", "ServerSideEncryption")
        return {**{name: described[name] for name in told if name in described}, **DONE}

    def _kept_alike(self, asked: Asked, answer: Asked) -> bool:
        by_moto = self._found(asked)
        ours = self._put(asked)
        kept = self._found(asked)
        self._bucket(asked).keys.getlist(asked["Key"]).remove(kept)
        alike = [(_but(_ITS_OWN, _described(each)), each.value, each.acl) for each in (by_moto, kept)]
        return _but(_ITS_OWN, ours) == _but(_ITS_OWN, answer) and alike[0] == alike[1]


def _described(found: Any) -> dict[str, Any]:
    headers = {**found.metadata, **found.response_dict}
    answer = {
        "AcceptRanges": "bytes",
        "LastModified": parsedate_to_datetime(headers["last-modified"]),
        "ContentLength": int(headers["content-length"]),
        "ETag": headers["ETag"],
        "ContentType": headers.get("content-type", "binary/octet-stream"),
        "Metadata": {name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)},
    }
    if "x-amz-version-id" in headers:
        answer["VersionId"] = headers["x-amz-version-id"]
    if "x-amz-server-side-encryption" in headers:
        answer["ServerSideEncryption"] = headers["x-amz-server-side-encryption"]
    return answer


def _but(members: tuple[str, ...], answer: Asked) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in members}
