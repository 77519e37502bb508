"""What of the pages no test executes, each with its reason, and how much that is."""

from tests.docs.pages import blocks, commands, lines
from tests.docs.test_commands import NOT_RUN

_UPLOAD = "uploads to a bucket in an account; tests/local/test_starting.py uploads to the laptop's"
FOR_AN_ACCOUNT = {
    "aws s3 cp examples/sft/train.jsonl s3://BUCKET/data/first/train.jsonl": _UPLOAD,
    "aws s3 cp request.json s3://BUCKET/requests/team-a/request.json": _UPLOAD,
    "aws s3 cp train.jsonl s3://BUCKET/datasets/support/2026-11-22/train.jsonl": _UPLOAD,
    (
        ".venv/bin/tunestep approvers confirm"
        " 'https://sns.us-west-2.amazonaws.com/confirmation.html?TopicArn=...&Token=...' --stack tunestep"
    ): "the link is in a mail that AWS sends; tests/cli/test_approvers.py confirms one",
    (
        "aws secretsmanager create-secret --name tunestep/slack"
        """ --secret-string '{"token": "xoxb-...", "signing_secret": "..."}'"""
    ): "stores what Slack gives out; tests/gate/test_slack_requests.py reads such a secret",
    "aws s3 ls s3://BUCKET/rejected/ --recursive": "lists a bucket in an account",
    (
        "aws sqs receive-message --queue-url URL --max-number-of-messages 10 --message-attribute-names All"
    ): "reads a queue in an account",
    (
        "aws lambda invoke --function-name STACK-reconcile --cli-binary-format raw-in-base64-out"
        " --payload '{}' /dev/stdout"
    ): "calls a function in an account; the laptop's clock calls it in every test of tests/local",
    "pip install sagemaker-train==1.27.0": "`make test-sdk` installs it, from a lock",
    "python3 01_arithmetic_tutor_v1.py": "tests/sdk/test_renderings.py runs what is rendered",
    (
        "export AWS_ENDPOINT_URL=http://127.0.0.1:PORT SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT=http://127.0.0.1:PORT"
    ): "PORT is filled in; tests/sdk/test_renderings.py sets both",
    "export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any": "likewise",
}
"""Why each line of the blocks marked ``sh`` is not run."""


def main() -> None:
    for line, reason in {**NOT_RUN, **FOR_AN_ACCOUNT}.items():
        print(f"not run: {line}\n         {reason}")
    shown = [*commands(), *((block.page, line) for block in blocks("sh") for line in lines(block))]
    exempt = f"{len(NOT_RUN)} of them exempt, and {len(FOR_AN_ACCOUNT)} for an account or a value of yours"
    print(f"commands of the pages: {len(shown)} shown, {exempt}")


if __name__ == "__main__":
    main()
