"""Whether a reward is fast enough at the sizes of batches that training sends."""

from collections.abc import Sequence

from tunestep.certify.calls import MAX_PAYLOAD
from tunestep.certify.outcomes import Probe
from tunestep.certify.session import Case, Session, failure, size

SIZES = (1, 64, 512)
NAMES = tuple(f"batch of {count} in time" for count in SIZES)


def probes(session: Session, cases: Sequence[Case]) -> list[Probe]:
    """One probe per size, on the cases repeated with their answers made distinct.

    Where so many rows do not fit into one call, the largest batch that does is timed and the time
    extrapolated. Raises OutOfTime.
    """
    found: list[Probe] = []
    for count, name in zip(SIZES, NAMES, strict=True):
        if found and found[-1].outcome not in ("pass", "fail"):
            found.append(Probe(name=name, outcome="not run", detail="a smaller batch was not answered"))
        else:
            found.append(_probe(session, cases, count, name))
    return found


def _probe(session: Session, cases: Sequence[Case], count: int, name: str) -> Probe:
    batch = _fitting(cases, count)
    answered = session.batch(batch)
    limit = f"within {session.function.timeout:g} s"
    if lost := answered.lost:
        return Probe(name=name, outcome=failure(lost), limit=limit, rows=len(batch), detail=lost.message)
    seconds = answered.reply.seconds * count / len(batch)
    how = "" if len(batch) == count else f", extrapolated from {len(batch)} rows"
    return Probe(
        name=name,
        outcome="pass" if seconds < session.function.timeout else "fail",
        limit=limit,
        rows=len(batch),
        detail=f"{seconds:.2f} s{how}",
    )


def _fitting(cases: Sequence[Case], count: int) -> list[Case]:
    """``count`` cases, or as many as one call carries; at least one."""
    batch: list[Case] = []
    total = 0
    for number in range(count):
        case = cases[number % len(cases)]
        # Equal answers to one question could be scored once for all.
        distinct = Case(case.question, f"Attempt {number + 1}.\n{case.response}")
        total += size(distinct)
        if batch and total > MAX_PAYLOAD:
            break
        batch.append(distinct)
    return batch
