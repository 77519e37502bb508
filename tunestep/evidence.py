"""Acceptances of licences that outlive the run they were given for: written once, and never changed.

An acceptance is an item of a table of its own and a file beside it (see ``evidence_seal``). Nothing here
updates or deletes: a revocation is another item and another file, and so is a run that used an acceptance.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from botocore.exceptions import ClientError

from tunestep.aws import Client, error_code
from tunestep.errors import TunestepError
from tunestep.evidence_seal import (
    ACCEPTED,
    REVOKED,
    USED,
    VERSION,
    Acceptance,
    Terms,
    acceptance_of,
    faults,
    file_key,
    revocation_key,
    same,
    seal,
    subject,
)
from tunestep.names import PREFIX_EVIDENCE
from tunestep.run_files import canonical
from tunestep.runs import Item, Runs

_CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of this clock a decision may be dated."""

_MAX_BYTES = 64 * 1024


class Found(NamedTuple):
    """The newest acceptance that counts, if any; and those that would count if they were unharmed."""

    acceptance: Acceptance | None = None
    damaged: tuple[str, ...] = ()


class NoSuchEvidence(TunestepError):  # noqa: N818
    """There is no acceptance with this id."""


class Evidence:
    """The acceptances of one stack, over its evidence table and the ``evidence/`` part of its bucket."""

    def __init__(self, dynamodb: Client, s3: Client, *, table: str, bucket: str) -> None:
        self._table = Runs(dynamodb, table)
        self._s3 = s3
        self._bucket = bucket

    def record(self, item: Mapping[str, Any]) -> str:
        """Store what an approved question says, and answer with its id; doing it again changes nothing.

        ``item`` is the stored approval with the ``terms`` it was about. The file goes first: without the
        item it proves nothing and is written again as it was.
        """
        made = seal(
            Acceptance(
                version=VERSION,
                terms=msgspec.convert(item["terms"], Terms),
                actor=item["actor"],
                channel=item["channel"],
                assurance=item["assurance"],
                reason=item.get("reason", ""),
                decided_at=item["decided_at"],
                request_hash=item["request_hash"],
                run_id=item["run_id"],
                execution_arn=item["execution_arn"],
                approval_id=item["approval_id"],
            )
        )
        self._put_file(made.key, made.body)
        self._table.put_new(made.item)
        return str(made.item["evidence_id"])

    def covering(self, agreed: Terms, *, now: datetime, window: timedelta) -> Found:
        """The acceptance of exactly this, unrevoked, unharmed and no older than ``window``."""
        items = self._table.collection(subject(agreed))
        damaged = []
        for item in _newest_first(items):
            acceptance = acceptance_of(item)
            if acceptance is None or not same(acceptance.terms, agreed):
                continue
            age = now - acceptance.decided
            if age > window or age < -_CLOCK_SKEW or self._revoked(items, acceptance.id):
                continue
            if wrong := faults(item, self.file(file_key(acceptance.id))):
                damaged.append(f"{acceptance.id}: {'; '.join(wrong)}")
            else:
                return Found(acceptance, tuple(damaged))
        return Found(None, tuple(damaged))

    def still_counts(self, evidence_id: str, agreed: Terms) -> bool:
        """Whether an acceptance that was cited is there, unharmed, about this, and not revoked."""
        items = self._table.collection(subject(agreed))
        found = next((item for item in items if item["sk"] == f"{ACCEPTED}{evidence_id}"), None)
        acceptance = acceptance_of(found or {})
        return (
            found is not None
            and acceptance is not None
            and same(acceptance.terms, agreed)
            and not self._revoked(items, evidence_id)
            and not faults(found, self.file(file_key(evidence_id)))
        )

    def use(self, acceptance: Acceptance, *, run_id: str, execution_arn: str, at: str) -> None:
        """Note that a run went on by an acceptance given for another."""
        self._table.put_new(
            {
                "pk": subject(acceptance.terms),
                "sk": f"{USED}{acceptance.id}#{run_id}",
                "evidence_id": acceptance.id,
                "run_id": run_id,
                "execution_arn": execution_arn,
                "used_at": at,
            }
        )

    def revoke(self, evidence_id: str, model: str, *, actor: str, reason: str, at: str) -> Item:
        """Take an acceptance back, for every run that has not relied on it yet; the first revocation stands.

        ``model`` is the partition key that the acceptance is filed under. Raises NoSuchEvidence.
        """
        if self._table.get(model, f"{ACCEPTED}{evidence_id}") is None:
            raise NoSuchEvidence(f"There is no acceptance {evidence_id}. `tunestep licences` lists them.")
        said = {"evidence_id": evidence_id, "actor": actor, "reason": reason, "revoked_at": at}
        key = revocation_key(evidence_id)
        if not self._put_file(key, canonical(said)):
            said = msgspec.json.decode(self.file(key) or b"{}")
        self._table.put_new({"pk": model, "sk": f"{REVOKED}{evidence_id}", **said})
        return self._table.get(model, f"{REVOKED}{evidence_id}") or said

    def _revoked(self, items: list[Item], evidence_id: str) -> bool:
        """By the item or by the file: one of them is enough, so that removing one gives nothing back."""
        return (
            any(item["sk"] == f"{REVOKED}{evidence_id}" for item in items)
            or self.file(revocation_key(evidence_id)) is not None
        )

    def items(self) -> Iterator[Item]:
        """Everything in the table, which needs dynamodb:Scan; no function of the stack may."""
        return self._table.everything()

    def files(self) -> Iterator[str]:
        """The keys of all files below ``evidence/``."""
        listing = self._s3.get_paginator("list_objects_v2")
        pages = listing.paginate(Bucket=self._bucket, Prefix=PREFIX_EVIDENCE)
        return (entry["Key"] for page in pages for entry in page.get("Contents", []))

    def file(self, key: str) -> bytes | None:
        """The bytes of one file; None when there is none. One that is too large to be ours is cut."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as fault:
            if error_code(fault) in ("NoSuchKey", "404"):
                return None
            raise
        body: bytes = answer["Body"].read(_MAX_BYTES)
        return body

    def _put_file(self, key: str, body: bytes) -> bool:
        """Write a file unless there is one; False when there was."""
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        except ClientError as fault:
            if error_code(fault) != "PreconditionFailed":
                raise
            return False
        return True


def _newest_first(items: list[Item]) -> list[Item]:
    accepted = [(acceptance_of(item), item) for item in items if item["sk"].startswith(ACCEPTED)]
    known = [(acceptance.decided_at, item) for acceptance, item in accepted if acceptance]
    return [item for _, item in sorted(known, key=lambda pair: pair[0], reverse=True)]
