"""Everything that is known about acceptances, read in one go, and every contradiction in it by name."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from tunestep.evidence import Evidence
from tunestep.evidence_seal import (
    ACCEPTED,
    REVOKED,
    USED,
    Acceptance,
    acceptance_of,
    faults,
    file_key,
    revocation_key,
)
from tunestep.names import PREFIX_EVIDENCE
from tunestep.runs import Item

State = Literal["valid", "expired", "revoked", "damaged"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One acceptance. ``model`` is the partition key it is filed under; ``faults`` are in words."""

    evidence_id: str
    state: State
    model: str = ""
    said: Acceptance | None = None
    revoked: dict[str, Any] = {}
    runs: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def audit(
    evidence: Evidence, *, now: datetime, window: timedelta, cited: Mapping[str, str] | None = None
) -> list[Entry]:
    """All acceptances, the newest first, and after them what is left of others.

    ``cited`` are evidence ids by run id, as the runs' items have them: an acceptance that is gone with its
    file is still named by the runs that relied on it.
    """
    items, files = list(evidence.items()), frozenset(evidence.files())
    accepted = [item for item in items if item["sk"].startswith(ACCEPTED)]
    found = [
        _entry(evidence, item, [one for one in items if one["pk"] == item["pk"]], files) for item in accepted
    ]
    entries = [_aged(entry, now, window) for entry in found]
    known = {entry.evidence_id for entry in entries}
    entries.sort(key=lambda entry: entry.said.decided_at if entry.said else "", reverse=True)
    entries += [_orphan(evidence, key) for key in sorted(files) if _id_of(key) not in known]
    known |= {entry.evidence_id for entry in entries}
    return [*entries, *_only_cited(cited or {}, known)]


def _entry(evidence: Evidence, item: Item, beside: list[Item], files: frozenset[str]) -> Entry:
    """``beside`` are the items of the same model."""
    evidence_id = item["sk"].removeprefix(ACCEPTED)
    revoked = next((one for one in beside if one["sk"] == f"{REVOKED}{evidence_id}"), None)
    said = acceptance_of(item)
    wrong = faults(item, evidence.file(file_key(said.id if said else evidence_id)))
    if (revoked is None) != (revocation_key(evidence_id) not in files):
        wrong.append("the revocation's item is gone" if revoked is None else "the revocation's file is gone")
    kept = ("actor", "reason", "revoked_at")
    return Entry(
        evidence_id=evidence_id,
        state="damaged" if wrong else "revoked" if revoked else "valid",
        model=item["pk"],
        said=said,
        revoked={name: revoked.get(name, "") for name in kept} if revoked else {},
        runs=_users(beside, evidence_id, said),
        faults=tuple(wrong),
    )


def _aged(entry: Entry, now: datetime, window: timedelta) -> Entry:
    if entry.state != "valid" or entry.said is None or now - entry.said.decided <= window:
        return entry
    return msgspec.structs.replace(entry, state="expired")


def _users(items: Iterable[Item], evidence_id: str, said: Acceptance | None) -> tuple[str, ...]:
    """The run that an acceptance was given for, and the later ones that went on by it."""
    later = [item["run_id"] for item in items if item["sk"].startswith(f"{USED}{evidence_id}#")]
    return tuple(dict.fromkeys(([said.run_id] if said else []) + sorted(later)))


def _id_of(key: str) -> str:
    return key.removeprefix(PREFIX_EVIDENCE).removesuffix(".json").removesuffix(".revoked")


def _orphan(evidence: Evidence, key: str) -> Entry:
    """A file without its item: either that was deleted, or the file was put there."""
    wrong = [f"the item of {key} is gone"]
    try:
        document = msgspec.json.decode(evidence.file(key) or b"{}", type=dict[str, Any])
        said = acceptance_of({"said": msgspec.json.encode(document.get("said")).decode()})
    except msgspec.MsgspecError:
        said = None
    if said is not None and said.id != _id_of(key):
        wrong = [f"{key} is a copy, or what is left of {said.id}"]
    return Entry(evidence_id=_id_of(key), state="damaged", said=said, faults=tuple(wrong))


def _only_cited(cited: Mapping[str, str], known: set[str]) -> list[Entry]:
    missing: dict[str, list[str]] = {}
    for run_id, evidence_id in cited.items():
        if evidence_id not in known:
            missing.setdefault(evidence_id, []).append(run_id)
    return [
        Entry(
            evidence_id=evidence_id,
            state="damaged",
            runs=tuple(sorted(users)),
            faults=("its item and its file are gone, and runs rely on it",),
        )
        for evidence_id, users in sorted(missing.items())
    ]
