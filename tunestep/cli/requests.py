"""Reading the request file that a command was given."""

from pathlib import Path
from typing import Any

from tunestep import documents, request
from tunestep.cli.failure import CliError


def read(path: str) -> dict[str, Any]:
    """The request file as a document that parses; every fault is reported at once.

    Raises CliError (exit code 2) with all findings.
    """
    file = Path(path)
    try:
        document = documents.read(file)
    except FileNotFoundError:
        raise CliError(f"there is no request file {path}") from None
    except documents.DocumentInvalid as fault:
        raise CliError(str(fault)) from None
    except OSError as fault:
        raise CliError(f"cannot read {path}: {fault.strerror}") from None
    try:
        return request.to_document(request.parse(document))
    except request.RequestInvalid as fault:
        count = len(fault.findings)
        raise CliError(
            f"{path} has {count} fault{'s' if count > 1 else ''}; nothing was started",
            findings=fault.findings,
        ) from None
