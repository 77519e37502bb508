"""Reads of objects answered by moto's buckets, past botocore and moto's web server."""

import io
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.response import StreamingBody
from moto.s3.models import FakeDeleteMarker, s3_backends

from tests.faults.direct import DONE, Asked, Elsewhere

_META = "x-amz-meta-"


class Objects:
    """The newest version of an object, asked for by bucket and key alone."""

    def __init__(self, account: str) -> None:
        self._account = account

    def can(self, operation: str, asked: Asked) -> bool:
        """Whether it is answered here."""
        return operation == "GetObject" and asked.keys() == {"Bucket", "Key"}

    def same(self, operation: str, asked: Asked, answer: Asked) -> bool:
        """Whether what is answered here is what was answered, besides the body, which is its reader's."""
        return _but_body(self.answer(operation, asked)) == _but_body(answer)

    def answer(self, _: str, asked: Asked) -> dict[str, Any]:
        """The operation's members. Raises Elsewhere when there is no such object, which moto words."""
        bucket = s3_backends[self._account]["aws"].buckets.get(asked["Bucket"])
        found = bucket.keys.get(asked["Key"]) if bucket else None
        if found is None or isinstance(found, FakeDeleteMarker):
            raise Elsewhere
        headers = {**found.metadata, **found.response_dict}
        content = found.value
        answer = {
            "AcceptRanges": "bytes",
            "LastModified": parsedate_to_datetime(headers["last-modified"]),
            "ContentLength": len(content),
            "ETag": headers["ETag"],
            "ContentType": headers.get("content-type", "binary/octet-stream"),
            "Metadata": {
                name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)
            },
            "Body": StreamingBody(io.BytesIO(content), len(content)),
        }
        if "x-amz-version-id" in headers:
            answer["VersionId"] = headers["x-amz-version-id"]
        if "x-amz-server-side-encryption" in headers:
            answer["ServerSideEncryption"] = headers["x-amz-server-side-encryption"]
        return {**answer, **DONE}


def _but_body(answer: Asked) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("Body", "ResponseMetadata")}
