"""Access key ids of roles: each role has one, made from its ARN, so that it is the same after a restart.

It says who calls, as on AWS; nobody checks a signature. Every other key id is the user's.
"""

import base64
import hashlib
import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

PREFIX = "ASIALAPTOP"
"""How key ids of roles begin: with ASIA, as of temporary credentials (IAM user guide, "IAM identifiers")."""

_HEADER = re.compile(r"AWS4-HMAC-SHA256 +Credential=([^,\s]+)")


class Credential(NamedTuple):
    """What a signature says of its caller: the key id, and the region and service that it is for."""

    key: str
    region: str
    service: str


@lru_cache(maxsize=1024)
def of_role(arn: str) -> str:
    """The access key id of a role."""
    return PREFIX + base64.b32encode(hashlib.sha256(arn.encode()).digest())[:10].decode()


def credential(environ: dict[str, Any]) -> Credential | None:
    """Who signs a request, by its Authorization header or as a presigned URL; None when nobody does."""
    found = _HEADER.match(environ.get("HTTP_AUTHORIZATION", ""))
    if found:
        scope = found[1]
    else:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        scope = query.get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    return Credential(parts[0], parts[2], parts[3]) if len(parts) == 5 else None
