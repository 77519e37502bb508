"""What usually helps: known causes of failed runs, recognised in what SageMaker or a service said."""

import re
from typing import NamedTuple


class Hint(NamedTuple):
    """``sign`` is searched for, without regard to case, in an error's cause and the job's failure reason."""

    sign: re.Pattern[str]
    help: str


def _hint(sign: str, help_: str) -> Hint:
    return Hint(re.compile(sign, re.IGNORECASE), help_)


KNOWN: tuple[Hint, ...] = (
    _hint(
        r"insufficient ?capacity|capacity ?error|waited for capacity|unable to provision|\binterrupted\b",
        "There was no capacity for the job just now. Run it again later; nothing has to be changed.",
    ),
    _hint(
        r"resource ?limit ?exceeded|service limit|\bquota",
        "A quota of the account is used up. Service Quotas in the console shows it and raises it.",
    ),
    _hint(
        r"out of memory|\boom\b|memory ?error",
        "The job ran out of memory. Lower global_batch_size or sequence_length, or use LoRA.",
    ),
    _hint(
        r"\bnan\b|not finite|diverg|overflow",
        "The training diverged. Lower the learning rate, and look for empty or broken rows in the data.",
    ),
    _hint(
        r"max ?runtime|reached its time limit|timed out waiting",
        "Raise limits.max_runtime, or train on less data or for fewer epochs.",
    ),
    _hint(
        r"reward.{0,200}(time[sd]? ?out|timeout)|(time[sd]? ?out|timeout).{0,200}reward|invoke.{0,80}lambda",
        "The reward function failed or was slow in the job. `tunestep reward test` tries it on your rows.",
    ),
    _hint(
        r"reward|evaluator",
        "The reward gave answers that the job could not use. `tunestep reward test` shows them on your rows.",
    ),
    _hint(
        r"eula|licen[cs]e",
        "The model's licence was not accepted for this job. Run it again and accept it when asked.",
    ),
    _hint(
        r"kms|decrypt",
        "The job's role may not use the KMS key. The key's policy has to allow it to encrypt and decrypt.",
    ),
    _hint(
        r"access ?denied|not authorized|\b403\b|forbidden",
        "The execution role lacks a permission. `tunestep plan REQUEST` simulates what it may do.",
    ),
    _hint(
        r"no ?such ?key|no ?such ?bucket|does not exist|\b404\b",
        "Something the job needs is gone. `tunestep plan REQUEST` says what can no longer be found.",
    ),
    _hint(
        r"\brow \d|jsonl?\b|dataset|schema|column|malformed|parse",
        "The job could not read the data. `tunestep data check FILE` names the rows.",
    ),
    _hint(
        r"internal ?(server|service)? ?(error|failure)|service ?unavailable|throttl|too many requests",
        "An AWS service failed. Run it again; if it keeps failing, give AWS Support the job's ARN.",
    ),
)


def hint(error: str, *texts: str) -> str:
    """The first known cause that fits what was said about a failed job; empty when none does.

    ``error`` is the run's error name: only what fails in AWS is looked up, since the cause of every other
    error says itself what to do.
    """
    if error not in ("TrainingJobFailed", "TrainingJobStopped", "ServiceFault"):
        return ""
    said = "\n".join(texts)
    return next((known.help for known in KNOWN if known.sign.search(said)), "")
