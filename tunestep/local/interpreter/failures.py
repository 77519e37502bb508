"""Errors of an execution, by the names of the Amazon States Language.

Sources: "Handling errors in Step Functions workflows" (docs.aws.amazon.com/step-functions/latest/dg/
concepts-error-handling.html) and the Amazon States Language specification, appendix A.
"""

RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
TASK_FAILED = "States.TaskFailed"
ALL = "States.ALL"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
INTRINSIC_FAILURE = "States.IntrinsicFailure"

TERMINAL = frozenset({RUNTIME, DATA_LIMIT_EXCEEDED})
"""Errors that end the execution whatever Retry and Catch say."""

ERROR_LIMIT, CAUSE_LIMIT = 256, 32768
"""Longest error name and cause, in characters, that the API's shapes carry."""


class StateFailure(Exception):  # noqa: N818 - a state fails; the name of the error is data
    """A state failed with an error name and a cause."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error[:ERROR_LIMIT], cause[:CAUSE_LIMIT]


def no_results(path: str, bracketed: str) -> StateFailure:
    """The failure of a path field that selects nothing."""
    return StateFailure(RUNTIME, f"Invalid path '{path}' : No results for path: {bracketed}")


def not_in_input(path: str, field: str, text: str) -> StateFailure:
    """The failure of a dynamic field that selects nothing in the input, given as JSON."""
    return StateFailure(
        RUNTIME,
        f"The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{text}'",
    )


def matches(error: str, names: list[str]) -> bool:
    """Whether an ErrorEquals list takes this error.

    States.ALL takes everything but the terminal errors, States.TaskFailed everything but States.Timeout
    and those, and States.Timeout also a missed heartbeat.
    """
    if error in TERMINAL:
        return False
    if error in names or ALL in names:
        return True
    if error == HEARTBEAT_TIMEOUT and TIMEOUT in names:
        return True
    return TASK_FAILED in names and error != TIMEOUT
