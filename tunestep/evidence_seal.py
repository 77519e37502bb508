"""What an acceptance of a licence says, and the two documents that prove one another: an item and a file.

The item's digest stands in the file and the file's in the item, and both are filed under the digest of
what they say. Whoever changes, moves or replaces one of them, or a part of one, leaves a contradiction.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tunestep.names import PREFIX_EVIDENCE
from tunestep.plan_model import LicencePlan, ModelPlan
from tunestep.run_files import canonical
from tunestep.runs import Item

VERSION = 1

ACCEPTED, REVOKED, USED = "ACCEPTED#", "REVOKED#", "USED#"
"""Beginnings of the sort keys below one subject: acceptances, their revocations, the runs that used them."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed to. The text is known by its SHA-256, or else by the revision of the link table."""

    licence_id: str
    name: str
    url: str
    text_sha256: str
    revision: str
    model_arn: str
    model_version: str
    source_model_package_arn: str = ""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """Who agreed to it, and when, how and for which run. All of it is what the digests are made of."""

    version: int
    terms: Terms
    actor: str
    channel: str
    assurance: str
    reason: str
    decided_at: str
    request_hash: str
    run_id: str
    execution_arn: str
    approval_id: str

    @property
    def id(self) -> str:
        """The first 32 hex digits of the SHA-256 of everything that it says."""
        return digest(msgspec.to_builtins(self))[:32]

    @property
    def decided(self) -> datetime:
        return datetime.fromisoformat(self.decided_at)


class Sealed(NamedTuple):
    """An acceptance as it is stored: the table's item, the file's key and its bytes."""

    item: Item
    key: str
    body: bytes


def terms(model: ModelPlan, licence: LicencePlan) -> Terms:
    """What accepting this licence for this model is about.

    A package whose base model could not be established stands for itself, not for the model it names.
    """
    return Terms(
        licence_id=licence.id,
        name=licence.name,
        url=licence.url,
        text_sha256=licence.text_sha256,
        revision=licence.revision,
        model_arn=model.arn,
        model_version=model.version,
        source_model_package_arn="" if model.base_established else model.source_model_package_arn,
    )


def reusable(agreed: Terms, *, known: bool) -> bool:
    """Whether an acceptance can speak for a later run at all: nothing is reused without something fixed.

    The revision of the table says nothing about a licence that the table does not know.
    """
    return bool(agreed.text_sha256 or (known and agreed.url and agreed.revision))


def same(left: Terms, right: Terms) -> bool:
    """Whether two acceptances are about the same model and the same text.

    Where the text is known by its hash, a newer table of links changes nothing.
    """
    if left.text_sha256 and right.text_sha256:
        left, right = (msgspec.structs.replace(one, revision="") for one in (left, right))
    return left == right


def digest(document: Any) -> str:
    """SHA-256 (hex) of a document's canonical JSON."""
    return hashlib.sha256(canonical(document)).hexdigest()


def subject(agreed: Terms) -> str:
    """The partition key: one per model version, or per package that stands for itself."""
    return f"MODEL#{agreed.source_model_package_arn or agreed.model_arn}"


def file_key(evidence_id: str) -> str:
    return f"{PREFIX_EVIDENCE}{evidence_id}.json"


def revocation_key(evidence_id: str) -> str:
    return f"{PREFIX_EVIDENCE}{evidence_id}.revoked.json"


def seal(acceptance: Acceptance) -> Sealed:
    """The two documents of an acceptance; the same for the same acceptance, however often it is made."""
    said = msgspec.to_builtins(acceptance)
    key = file_key(acceptance.id)
    unsealed: Item = {
        "pk": subject(acceptance.terms),
        "sk": f"{ACCEPTED}{acceptance.id}",
        "evidence_id": acceptance.id,
        "said": canonical(said).decode(),
        "file_key": key,
    }
    body = canonical({"said": said, "item_sha256": digest(unsealed)})
    return Sealed({**unsealed, "file_sha256": hashlib.sha256(body).hexdigest()}, key, body)


def acceptance_of(item: Mapping[str, Any]) -> Acceptance | None:
    """What an item says; None for one that says nothing readable."""
    try:
        found = msgspec.json.decode(str(item.get("said", "")), type=Acceptance)
        dated = found.decided.tzinfo is not None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if dated else None


def faults(item: Mapping[str, Any], body: bytes | None) -> list[str]:
    """What contradicts itself in a stored acceptance, in words; nothing for one that is as it was made.

    ``body`` is the file under the key of the item's own id, None when there is none.
    """
    acceptance = acceptance_of(item)
    if acceptance is None:
        return ["the item is not readable"]
    made = seal(acceptance)
    said = []
    if (item.get("pk"), item.get("sk")) != (made.item["pk"], made.item["sk"]):
        said.append("the item does not say what its key says: it was altered or copied")
    elif dict(item) != made.item:
        said.append("the item was altered")
    if body is None:
        said.append(f"the file {made.key} is gone")
    elif body != made.body:
        said.append(f"the file {made.key} was altered or copied from elsewhere")
    return said
