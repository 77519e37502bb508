"""Where the job writes: allowed, in the run's region. Nothing is written to find out."""

from tunestep import allowed, names, s3uri
from tunestep.checks import buckets
from tunestep.checks.context import Inquiry
from tunestep.s3uri import S3UriInvalid

_WHERE = "$.output"


def default_uri(bucket: str, run: str) -> str:
    """The output of a request that names none."""
    return f"s3://{bucket}/{names.PREFIX_OUTPUT}{names.run_folder(run)}/"


def check(inquiry: Inquiry, run: str) -> str | None:
    """The output URI exactly as it is sent; None after an error finding.

    ``run`` stands for the run in the default URI: the run id, or part of the request hash.
    """
    text = inquiry.request.output or default_uri(inquiry.ctx.bucket, run)
    try:
        uri = s3uri.parse(text)
    except S3UriInvalid as fault:
        inquiry.error(
            "OUTPUT_URI_INVALID", _WHERE, f"{fault}.", "Write s3://bucket/prefix/, or leave output out."
        )
        return None
    if not inquiry.allows(allowed.location(inquiry.ctx, uri, _WHERE)):
        return None
    if uri.bucket == inquiry.ctx.bucket and _starts_runs(uri.key):
        inquiry.error(
            "OUTPUT_STARTS_RUNS",
            _WHERE,
            f"What is written to {uri} would start runs.",
            f"Write below {names.PREFIX_OUTPUT}, or leave output out.",
        )
        return None
    buckets.locate(inquiry, uri.bucket, _WHERE, must_read=False)
    return text


def _starts_runs(key: str) -> bool:
    """Whether something written below the key could lie where new objects start runs."""
    # The service takes the key as the beginning of what it writes, with or without a slash at its end.
    return any(key.startswith(prefix) or prefix.startswith(key) for prefix in names.TRIGGER_PREFIXES)
