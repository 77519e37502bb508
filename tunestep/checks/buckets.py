"""Buckets: there, and in the run's region."""

from tunestep.checks.calls import Problem, ask
from tunestep.checks.context import Inquiry


def locate(inquiry: Inquiry, bucket: str, where: str, *, must_read: bool) -> Problem:
    """Look at one bucket with HeadBucket and report what is wrong with it.

    A bucket that only the job's role writes to (``must_read`` false) may be closed to us. S3 names
    the region in a header, of refusals too.
    """
    answer = ask(inquiry.clients.s3.head_bucket, Bucket=bucket)
    region = answer.data.get("BucketRegion") or answer.headers.get("x-amz-bucket-region", "")
    if region and region != inquiry.ctx.region:
        inquiry.error(
            "BUCKET_IN_OTHER_REGION",
            where,
            f"The bucket {bucket} is in {region}; the run is in {inquiry.ctx.region}.",
            f"Copy what is needed to a bucket in {inquiry.ctx.region} and name that one.",
        )
    _report(inquiry, bucket, where, answer.problem, must_read)
    return answer.problem


def _report(inquiry: Inquiry, bucket: str, where: str, problem: Problem, must_read: bool) -> None:
    match problem:
        case "absent":
            inquiry.error(
                "BUCKET_NOT_FOUND", where, f"There is no bucket {bucket}.", "Create it or correct the name."
            )
        case "denied" | "refused":
            add = inquiry.error if must_read else inquiry.warning
            add(
                "BUCKET_ACCESS_DENIED",
                where,
                f"The bucket {bucket} exists or belongs to somebody else, and may not be looked at.",
                f"Allow s3:ListBucket on the bucket {bucket} to whoever makes the plan.",
            )
        case _:
            pass
