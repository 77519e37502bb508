"""Where what cannot be started ends: one file under ``rejected/`` that says why."""

import hashlib
from datetime import datetime
from urllib.parse import quote

import msgspec

from tunestep.aws import Client
from tunestep.context import Context
from tunestep.findings import Finding
from tunestep.names import PREFIX_REJECTED
from tunestep.run_files import canonical

LONGEST_KEY = 1000
"""Bytes of a key under ``rejected/``; S3 takes 1,024."""


def rejected_key(subject: str) -> str:
    """``rejected/<subject>.json``, whatever the subject is made of.

    Everything but letters, digits and ``-_.=+`` is percent-encoded part by part, so that no part leads
    elsewhere (``..``), breaks a line or needs another encoding; an empty part is a lone ``%``, which no other
    becomes. What gets too long is cut and ends in its hash.
    """
    parts = [_part(part) for part in subject.split("/")]
    key = PREFIX_REJECTED + "/".join(parts)
    if len(key) + len(".json") > LONGEST_KEY:
        digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        key = f"{key[: LONGEST_KEY - 40]}-{digest}"
    return f"{key}.json"


def _part(part: str) -> str:
    quoted = quote(part, safe="-_.=+", errors="surrogatepass")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E") or "%"


def since(s3: Client, bucket: str, moment: datetime) -> list[str]:
    """S3 URIs of what was rejected since then, newest first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX_REJECTED)
    found = [item for page in pages for item in page.get("Contents", []) if item["LastModified"] >= moment]
    found.sort(key=lambda item: item["LastModified"], reverse=True)
    return [f"s3://{bucket}/{item['Key']}" for item in found]


def reject(context: Context, subject: str, source: str, findings: list[Finding]) -> str:
    """Write why a trigger was not started; the same subject has one file. Returns its S3 URI."""
    key = rejected_key(subject)
    document = {
        "rejected": subject,
        "source": source,
        "findings": [msgspec.to_builtins(finding) for finding in findings],
        "at": context.timestamp(),
        "next": "Mend what the findings name and upload or send it again.",
    }
    context.clients.s3.put_object(
        Bucket=context.env.bucket, Key=key, Body=canonical(document), ContentType="application/json"
    )
    return f"s3://{context.env.bucket}/{key}"
