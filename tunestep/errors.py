"""The named errors: the few names a person sees in the console and can search for in the docs.

The class name is the error name: a Lambda that raises one of these reports it to Step Functions as
``Error`` (AWS Lambda developer guide, "Lambda function errors in Step Functions").
"""

from typing import ClassVar

CAUSE_LIMIT = 2048
"""Longest failure reason, in characters, that a run's document carries."""


class TunestepError(Exception):
    """Base of every named error. The message says what is wrong, where, and what to do next."""

    names_a_person: ClassVar[bool] = False
    """Whether the message may hold who it was and what they wrote, which belongs into the record of a run
    and into no log."""

    def __init__(self, message: str) -> None:
        super().__init__(message[:CAUSE_LIMIT])

    @property
    def name(self) -> str:
        return type(self).__name__


class PrerequisitesNotMet(TunestepError):  # noqa: N818 - names as users see them
    """At least one check of the request or the account failed."""


class BudgetExceeded(TunestepError):  # noqa: N818
    """The run would pass a limit on tokens, time or cost."""


class RewardNotCertified(TunestepError):  # noqa: N818
    """The reward failed its probes."""


class ApprovalDeclined(TunestepError):  # noqa: N818
    """A person declined."""

    names_a_person = True


class ApprovalExpired(TunestepError):  # noqa: N818
    """Nobody decided in time."""


class PlanChanged(TunestepError):  # noqa: N818
    """What was planned and what is there now differ."""


class TrainingJobFailed(TunestepError):  # noqa: N818
    """SageMaker reports the training job as Failed, or it never ended."""


class TrainingJobStopped(TunestepError):  # noqa: N818
    """The training job was stopped, but not by this product."""


class StoppedByUser(TunestepError):  # noqa: N818
    """Somebody asked for the run to be stopped."""

    names_a_person = True


class DuplicateRun(TunestepError):  # noqa: N818
    """The same content is already being trained or was trained."""


class ServiceFault(TunestepError):  # noqa: N818
    """An AWS service or Tunestep itself failed in a way that no other name covers."""


class TransientFault(TunestepError):  # noqa: N818
    """Throttling or a 5xx answer that outlived the client's own retries.

    Never shown to a person: the state machine retries it, and what outlives that is a ServiceFault.
    """


class QuotaReached(TransientFault):
    """The account may have no further training job at the moment (SageMaker's ResourceLimitExceeded).

    The state machine tries again less often and for longer than after any other fault, since other jobs
    have to end first. People are told at once that the run waits.
    """


PUBLIC_NAMES: tuple[str, ...] = (
    "PrerequisitesNotMet",
    "BudgetExceeded",
    "RewardNotCertified",
    "ApprovalDeclined",
    "ApprovalExpired",
    "PlanChanged",
    "TrainingJobFailed",
    "TrainingJobStopped",
    "StoppedByUser",
    "DuplicateRun",
    "ServiceFault",
)
