"""Ways that few runs take, for what they alone use: each names the permissions that it is played for.

tests/support/permissions_used.py judges by these and by the whole runs of tests/local that no permission of a
role is unused.
"""

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from tests.faults.ground import APPROVER, BUCKET, ROWS, Ground
from tests.faults.jobs import Fate
from tests.faults.schedule import Schedule, Upset
from tests.faults.simulation import OPEN_MODEL, Simulation
from tests.faults.wire import Fault, Frame, Kind
from tests.gate.support import HOST, LAMBDA, event
from tunestep import names, presets
from tunestep.context import stored_plan
from tunestep.gate.api import GateApi
from tunestep.gate.start_api import StartApi
from tunestep.settings import Approval, Price, Settings, Slack
from tunestep.training_job import build_request, job_name

pytestmark = pytest.mark.slow

SLACK = Slack(team="T0EXAMPLE", app_id="A0EXAMPLE", channel="C0EXAMPLE", secret="tunestep/slack")
APP = "arn:aws:sagemaker:us-west-2:123456789012:mlflow-app/app-ABCDEFGHIJKL"
PRINCIPAL = "arn:aws:iam::123456789012:role/ann"


class Told(Simulation):
    """A schedule with other settings and another request, in which people do what no drawn schedule has."""

    def __init__(self, ground: Ground, name: str) -> None:
        self._way = WAYS[name]
        # Ways that came before have left files and groups, under names with their own seed.
        seed = zlib.crc32(name.encode())
        super().__init__(ground, dataclasses.replace(self._way.schedule, seed=seed))

    @property
    def settings(self) -> Settings:
        return replace(super().settings, **self._way.settings)

    @property
    def request(self) -> dict[str, Any]:
        return {**super().request, **self._way.request}

    def play(self) -> None:
        self._way.first(self)
        super().play()

    def do(self, deed: Any) -> None:
        """``other`` is what the way alone has; ``console`` starts without the function that would refuse."""
        if deed == "other":
            self._way.other(self)
        elif deed == "start" and self._way.console:
            start = {"stateMachineArn": self.context.env.machine_arn, "name": "console-1"}
            self.stepfunctions.dispatch("StartExecution", {**start, "input": json.dumps(self.request)})
        else:
            super().do(deed)

    def signed(self, verb: str, method: str, path: str, document: Any) -> None:
        """A signed request to a function behind the API; its handler would keep the context it first had."""
        app: Any = {"approvals_api": GateApi, "start_signed": StartApi}[verb](lambda: self.context).app
        sent = event(method, f"https://{HOST}{path}", body=json.dumps(document).encode(), user_arn=PRINCIPAL)
        self._invocations[verb] += 1
        frames, self.ground.wire.frames = self.ground.wire.frames, [Frame(verb, self._invocations[verb])]
        try:
            answer = app.resolve(sent, LAMBDA)
        finally:
            self.ground.wire.frames = frames
        self.say(f"{verb} answers {answer['statusCode']} {answer['body']}")


def nothing(_: Told) -> None:
    """For ways in which nobody does anything else."""


class Way(NamedTuple):
    """``uses`` are pairs of a verb and an action."""

    schedule: Schedule
    uses: set[tuple[str, str]]
    settings: Mapping[str, Any] = {}
    request: Mapping[str, Any] = {}
    other: Callable[[Told], None] = nothing
    first: Callable[[Told], None] = nothing
    console: bool = False
    slack_answers: bool = False


def revokes(sim: Told) -> None:
    run = sim.context.runs.run(sim.runs[0]) or {}
    said = next(said for said in sim.context.evidence.items() if said["evidence_id"] == run["evidence"])
    for _ in range(2):
        sim.ask("revoke", {"evidence": run["evidence"], "model": said["pk"], "actor": "ann", "reason": "no"})


def takes_the_job_s_name(sim: Told) -> None:
    """Somebody makes a job of their own by the name that the run's would have."""
    run_id = sim.runs[0]
    plan = stored_plan(sim.context, run_id, sim.context.runs.run(run_id) or {})
    name = job_name(plan.base_job_name, sim.context.execution_arn(run_id))
    sim.sagemaker.dispatch("CreateModelPackageGroup", {"ModelPackageGroupName": plan.group.name})
    made = build_request(plan, job_name=name, accept_eula=True, evaluator_arn="")
    sim.sagemaker.dispatch("CreateTrainingJob", made)


def looks_and_decides_by_signed_requests(sim: Told) -> None:
    sim.signed("approvals_api", "GET", "/runs/approvals", None)
    sim.signed("approvals_api", "POST", f"/runs/{sim.runs[0]}/decision", {"decision": "APPROVED"})


def deletes(name: str) -> Callable[[Told], None]:
    def delete(sim: Told) -> None:
        sim.ground.clients.s3.delete_object(Bucket=BUCKET, Key=names.run_key(sim.runs[0], name))

    return delete


def starts_by_signed_requests(sim: Told) -> None:
    """Again, and anew, which Step Functions refuses."""
    sim.signed("start_signed", "POST", "/runs", {"retry_of": sim.runs[0]})
    sim.signed("start_signed", "POST", "/runs", {"request": sim.request | {"use_case": "signed"}})


def goes_on_from_its_package(sim: Told) -> None:
    run = sim.context.runs.run(sim.runs[0]) or {}
    further = {**sim.request, "base_model": run["model_package_arn"], "use_case": "further"}
    sim.ask("start", {"request": further, "source": "cli", "requester": "bob"})


def logs_a_line(sim: Told) -> None:
    """The job does."""
    logs, (job,) = sim.ground.clients.logs, sim.jobs.created
    with contextlib.suppress(ClientError):
        logs.create_log_group(logGroupName=names.TRAINING_LOG_GROUP)
    logs.create_log_stream(logGroupName=names.TRAINING_LOG_GROUP, logStreamName=f"{job.name}/algo-1")


def has_a_judge(sim: Told) -> None:
    """A prompt in S3, rows for it, and a model that answers."""
    s3 = sim.ground.clients.s3
    s3.put_object(Bucket=BUCKET, Key="data/judge.jinja", Body=FENCED.encode())
    rows = "".join(json.dumps({"prompt": f"Question {number}?"}) + "\n" for number in range(40))
    s3.put_object(Bucket=BUCKET, Key="data/questions.jsonl", Body=rows.encode())

    def judge(_: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Type", "application/json")])
        said = {"role": "assistant", "content": [{"text": "It is wrong.\nScore: 0.2"}]}
        counted = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        answer = {"output": {"message": said}, "stopReason": "end_turn", "usage": counted}
        return [json.dumps({**answer, "metrics": {"latencyMs": 1}}).encode()]

    sim.ground.wire.services["bedrock-runtime"] = judge


def keeps_the_package_to_itself(sim: Told) -> None:
    """The job makes its package and does not say which it is."""
    register = sim.sagemaker.register_package
    sim.sagemaker.register_package = lambda job: register(job) and ""  # type: ignore[method-assign]


def has_no_quota_for_long(sim: Told) -> None:
    service, refused = sim.ground.wire.services["sagemaker"], list[str]()

    def limited(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if len(refused) > 6 or not environ["HTTP_X_AMZ_TARGET"].endswith(".CreateTrainingJob"):
            return service(environ, start_response)
        refused.append("once more")
        start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps({"__type": "ResourceLimitExceeded", "message": "no more"}).encode()]

    sim.ground.wire.services["sagemaker"] = limited


def uploads_requests_and_data(sim: Told) -> None:
    """A request, one that is deleted again, one that Step Functions refuses, and data for a preset."""
    s3 = sim.ground.clients.s3
    group = {"model_package_group": f"schedule-{sim.schedule.seed}-v1", "use_case": "preset"}
    preset = presets.Preset(request={**sim.request, **group}, continue_from_group=True)
    presets.save(s3, BUCKET, "mine", presets.check(preset))
    for key, body in (
        ("requests/one.json", json.dumps({**sim.request, "use_case": "uploaded"})),
        ("requests/gone.json", ""),
        ("datasets/mine/rows.jsonl", ROWS),
        ("requests/refused.json", json.dumps({**sim.request, "use_case": "refused"})),
    ):
        version = s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())["VersionId"]
        if not body:
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
        detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "version-id": version}}
        told = sim.bus_event({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
        sim.call("trigger", {"Records": [{"messageId": key, "body": json.dumps(told)}]})


def at(verb: str, place: str, kind: Kind, *, invocation: int = 1, other: str = "") -> Fault:
    """What befalls a call; what is refused stays refused for all attempts of the client."""
    return Fault(verb, invocation, 0, kind, 4 if kind == "refused" else 1, other, place)


def dies_three_times(verb: str, place: str) -> tuple[Fault, ...]:
    """At the same call of each of the tries that a person makes."""
    return tuple(at(verb, place, "dies", invocation=tried) for tried in (1, 2, 3))


def gated(*deeds: tuple[float, Any], **more: Any) -> Schedule:
    return Schedule(seed=1, gated=True, deeds=deeds, **more)


def open_(*deeds: tuple[float, Any], **more: Any) -> Schedule:
    return Schedule(seed=1, deeds=deeds, **more)


INVOKE, SECRET = "lambda:InvokeFunction", "secretsmanager:GetSecretValue"
WITH_SLACK = {"slack": SLACK, "approvers": (replace(APPROVER, slack_user="U0ANN"),)}
DYNAMODB = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
FENCED = "Judge it.\n<prompt>{{ prompt }}</prompt>\n<response>{{ response }}</response>\nEnd with Score: N."
JUDGED = {
    "technique": "RLAIF",
    "reward": {
        "prompt": f"s3://{BUCKET}/data/judge.jinja",
        "judge_model": "openai.gpt-oss-20b-1:0",
        "certify": {"judge_rows": 2},
    },
}
JOB, RECORD = "tracking.py sagemaker.DescribeTrainingJob", "record.py s3.PutObject"
START = "start.py sfn.StartExecution"
WAYS = {
    "Slack's secret cannot be read": Way(
        gated((700, "approve")), {("request_approval", SECRET), ("reconcile", SECRET)}, WITH_SLACK
    ),
    "Slack is shown the decision": Way(
        gated((700, "approve")), {("decide", INVOKE)}, WITH_SLACK, slack_answers=True
    ),
    "Slack is shown that an aborted run asks no more": Way(
        gated((600, "abort")), {("clean_up", INVOKE)}, WITH_SLACK, slack_answers=True
    ),
    "Slack is shown so by the reconciler, since the event of it was lost": Way(
        gated((600, "abort"), events=((2, "lost"),)),
        {("reconcile", INVOKE)},
        WITH_SLACK,
        slack_answers=True,
    ),
    "Slack is shown so by a stop that finds nobody waiting": Way(
        gated((600, "abort"), (601, "stop"), events=((2, "late"),)),
        {("stop", INVOKE), ("stop", "states:StopExecution")},
        WITH_SLACK,
        slack_answers=True,
    ),
    "a stop cannot write the record": Way(
        open_(faults=(Fault("start_training", 1, 1, "meets", other="stop"), at("stop", RECORD, "refused"))),
        {("stop", "s3:ListBucket")},
    ),
    "a run is stopped while its job is being created": Way(
        open_(
            faults=(
                at("start_training", "training_start.py sagemaker.CreateTrainingJob", "meets", other="stop"),
            )
        ),
        {("start_training", "sagemaker:StopTrainingJob")},
    ),
    "a retry takes over a job that has ended, and is stopped": Way(
        open_(
            (9000, "retry"),
            faults=(
                at("collect_results", "context.py dynamodb.GetItem", "refused"),
                at("track_training", JOB, "meets", invocation=2, other="stop"),
            ),
        ),
        {("track_training", "states:SendTaskFailure")},
    ),
    "a stop dies before it wakes the run, and the end of the job does": Way(
        open_((600, "stop"), faults=dies_three_times("stop", "stop.py sfn.SendTaskFailure")),
        {("training_event", "states:SendTaskFailure")},
    ),
    "a stop dies before it wakes the run, and the reconciler does": Way(
        open_((600, "stop"), faults=dies_three_times("stop", JOB)),
        {("reconcile", "states:SendTaskFailure")},
    ),
    "a stop dies while the run waits for quota, and the reconciler stops it": Way(
        open_((250, "stop"), faults=dies_three_times("stop", "clean_up.py dynamodb.GetItem")),
        {("start_training", INVOKE), ("reconcile", "states:StopExecution")},
        first=has_no_quota_for_long,
    ),
    "a decision comes when the run has just been aborted": Way(
        gated((600, "abort"), (601, "approve"), events=((2, "late"),)), {("decide", "sns:Publish")}
    ),
    "a signed decision comes when the run has just been aborted": Way(
        gated((600, "abort"), (601, "other"), events=((2, "late"),)),
        {("approvals_api", "sns:Publish"), ("approvals_api", "dynamodb:Query")},
        {"approvers": (replace(APPROVER, iam_principal=PRINCIPAL),)},
        other=looks_and_decides_by_signed_requests,
    ),
    "a decision dies before its evidence is written, and the question finds it": Way(
        gated(
            faults=(
                at("request_approval", "approvals.py dynamodb.UpdateItem", "meets", other="approve"),
                *dies_three_times("decide", "evidence.py s3.PutObject"),
            )
        ),
        {("request_approval", "s3:PutObject")},
    ),
    "a job of the run's name is somebody else's": Way(
        gated((600, "other"), (700, "stop")),
        {("stop", "sagemaker:ListTags"), ("clean_up", "sagemaker:ListTags")},
        other=takes_the_job_s_name,
    ),
    "a job of the run's name is somebody else's, for the reconciler": Way(
        gated((600, "other"), (700, "abort"), events=((2, "lost"),)),
        {("reconcile", "sagemaker:ListTags")},
        other=takes_the_job_s_name,
    ),
    "a second run comes while the job of an aborted one goes on": Way(
        open_((600, "abort"), (605, "start"), events=((2, "late"),)),
        {("claim_run", "sagemaker:DescribeTrainingJob")},
    ),
    "the record of an earlier run was deleted": Way(
        open_((5000, "other"), (5001, "start")),
        {("claim_run", "s3:ListBucket")},
        request={"reuse": True},
        other=deletes("record.json"),
    ),
    "what the data check wrote was deleted": Way(
        open_((600, "other")), {("collect_results", "s3:ListBucket")}, other=deletes("dataset.json")
    ),
    "a clean-up cannot write the record": Way(
        open_((600, "stop"), faults=(at("clean_up", RECORD, "refused"),)),
        {("clean_up", "s3:ListBucket")},
    ),
    "no clean-up can write the record but the reconciler's": Way(
        open_(
            (600, "abort"), events=((2, "lost"),), faults=(at("reconcile", RECORD, "refused", invocation=3),)
        ),
        {("reconcile", "s3:ListBucket")},
    ),
    "a failed job's log is read": Way(
        open_((600, "other"), fates=(Fate(ends="Failed"),)),
        {("clean_up", "logs:GetLogEvents")},
        other=logs_a_line,
    ),
    "an aborted run's log is read by the reconciler": Way(
        open_((600, "other"), (601, "abort"), events=((2, "lost"),)),
        {("reconcile", "logs:GetLogEvents")},
        other=logs_a_line,
    ),
    "an aborted run's log is read by a stop": Way(
        open_((600, "other"), (601, "abort"), (602, "stop"), events=((2, "late"),)),
        {("stop", "logs:GetLogEvents")},
        other=logs_a_line,
    ),
    "a judge is asked": Way(
        open_(),
        {("certify_reward", "bedrock:InvokeModel")},
        request={**JUDGED, "training_data": f"s3://{BUCKET}/data/questions.jsonl"},
        first=has_a_judge,
    ),
    "the rows for a judge were deleted": Way(
        open_(faults=(at("certify_reward", "context.py dynamodb.GetItem", "meets", other="other"),)),
        {("certify_reward", "s3:ListBucket"), ("certify_reward", "s3:GetObjectVersion")},
        request={**JUDGED, "training_data": f"s3://{BUCKET}/data/questions.jsonl"},
        first=has_a_judge,
        other=deletes("reward_rows.jsonl"),
    ),
    "a run from the console fails before anything knows of it": Way(
        open_(
            events=((1, "lost"),), upsets=tuple(Upset("validate", tried, "refused") for tried in range(1, 7))
        ),
        {("clean_up", "dynamodb:PutItem")},
        console=True,
    ),
    "an acceptance is taken back": Way(
        gated((600, "approve"), (5000, "other")),
        {
            *(("revoke", "dynamodb:GetItem"), ("revoke", "dynamodb:PutItem")),
            *(("revoke", "s3:GetObject"), ("revoke", "s3:PutObject")),
        },
        other=revokes,
    ),
    "a run is started by signed requests": Way(
        open_((5000, "other"), faults=(at("start_signed", START, "refused", invocation=2),)),
        {
            *(("start_signed", action) for action in DYNAMODB),
            *(("start_signed", "states:StartExecution"), ("start_signed", "states:DescribeExecution")),
        },
        other=starts_by_signed_requests,
    ),
    "runs are started by uploads": Way(
        open_((5000, "other"), faults=(at("trigger", START, "refused", invocation=4),)),
        {
            *(("trigger", action) for action in DYNAMODB),
            *(("trigger", "s3:GetObject"), ("trigger", "s3:GetObjectVersion"), ("trigger", "s3:ListBucket")),
            *(("trigger", "s3:PutObject"), ("trigger", "sagemaker:ListModelPackages")),
            ("trigger", "states:StartExecution"),
        },
        other=uploads_requests_and_data,
    ),
    "a model's name is mistyped": Way(
        open_(), {("validate", "sagemaker:ListHubContents")}, request={"base_model": f"{OPEN_MODEL}b"}
    ),
    "a run goes on from the package of another": Way(
        open_((5000, "other")),
        {("validate", "sagemaker:DescribeModelPackage")},
        other=goes_on_from_its_package,
    ),
    "the app of the settings is looked at": Way(
        open_(), {("validate", "sagemaker:DescribeMlflowApp")}, {"mlflow_app": APP}, {"mlflow": None}
    ),
    "a run is so dear that a person is asked after the data was read": Way(
        open_((600, "approve")),
        {("check_dataset", "sns:ListSubscriptionsByTopic")},
        {
            "approval": Approval(review_above_usd=0.0),
            "prices": (Price(model="*", usd_per_million_tokens=9.0, usd_per_hour=9.0),),
        },
    ),
    "a job does not say which package it made": Way(
        open_((600, "other")),
        {
            ("collect_results", "sagemaker:ListModelPackages"),
            ("collect_results", "sagemaker:DescribeModelPackage"),
        },
        other=keeps_the_package_to_itself,
    ),
}


@pytest.fixture
def slack(common_ground: Ground) -> Iterator[None]:
    """Slack takes whatever is posted."""
    secrets = common_ground.clients.secretsmanager
    text = json.dumps({"token": "xoxb-1", "signing_secret": "s" * 32})
    secrets.create_secret(Name=SLACK.secret, SecretString=text)
    posted = SimpleNamespace(data={"ok": True, "ts": "1700000000.000100", "channel": SLACK.channel})
    with (
        patch("slack_sdk.WebClient.api_call", lambda *_, **__: posted),
        patch("tunestep.gate.slack.base_url", lambda _: "https://slack.example.com/api/"),
    ):
        yield
    secrets.delete_secret(SecretId=SLACK.secret, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize("name", WAYS)
def test_a_rare_way_uses_the_permissions_that_it_is_played_for(
    name: str, common_ground: Ground, request: pytest.FixtureRequest
) -> None:
    way, gathered = WAYS[name], common_ground.wire.permissions
    if way.slack_answers:
        request.getfixturevalue("slack")
    before, gathered.used = gathered.used, set()
    sim = Told(common_ground, name)
    try:
        sim.play()
    finally:
        sim.close()
        used, gathered.used = gathered.used, gathered.used | before
    assert way.uses <= used, "\n".join([*map(str, sorted(way.uses - used)), *sim.journal])
