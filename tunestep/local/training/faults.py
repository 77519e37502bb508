"""What makes a job fail for a reason its owner can act on."""

PREFIX = "ClientError: "
"""How SageMaker starts the FailureReason of a fault in what the caller gave."""


class TrainingFault(Exception):  # noqa: N818 - named for what the job's owner reads
    """The job cannot go on; the message says what is wrong, where, and what to do. Never row content."""


class BadRow(TrainingFault):
    """A line of the data breaks a rule."""

    def __init__(self, file: str, line: int, rule: str) -> None:
        super().__init__(f"{file} line {line}: {rule}")
        self.file, self.line, self.rule = file, line, rule
