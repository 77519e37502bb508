"""The laptop cloud put together: the services, wired to each other behind one port."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import Clients
from tunestep.local import children, compaction, events, moto_backend
from tunestep.local.access import keys
from tunestep.local.access.guard import Guard
from tunestep.local.access.unlisted import SETTINGS as UNLISTED
from tunestep.local.access.unlisted import Unlisted
from tunestep.local.access.usage import USAGE, UsageLog
from tunestep.local.created_functions import CreatedFunctions, own_key
from tunestep.local.deployer import Assembly, Deployer, Deployment
from tunestep.local.fake_slack import FakeSlack, new_secret
from tunestep.local.front import Front, MotoService, Server, read_body
from tunestep.local.functions import FunctionPool
from tunestep.local.http_api import HttpApi
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.journal import Journal
from tunestep.local.judge import Judge
from tunestep.local.lambda_api import LambdaApi
from tunestep.local.mlflow import MlflowService
from tunestep.local.outbox import Outbox
from tunestep.local.queues import QueueReader
from tunestep.local.sagemaker.service import SageMakerService
from tunestep.local.schedules import Scheduler
from tunestep.local.stepfunctions import StepFunctionsService
from tunestep.local.world import World
from tunestep.settings import Slack

PREWARMED = (
    "start", "claim_run", "validate", "check_dataset", "prepare_registry", "start_training",
    "training_event", "track_training", "collect_results", "notify", "clean_up",
)  # fmt: skip
"""What every run needs, in its order. The others start at their first call, which takes them 0.2 s."""

_LOG = logging.getLogger(__name__)


def service_clients(url: str, region: str) -> Callable[[str], Any]:
    """boto3 clients of the laptop cloud, one per service, made at first use."""
    session = boto3.Session(
        aws_access_key_id=children.DUMMY_KEY, aws_secret_access_key=children.DUMMY_KEY, region_name=region
    )
    lock = threading.Lock()

    @lru_cache(maxsize=32)
    def client(service: str) -> Any:
        with lock:
            return session.client(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 2}))

    return client


class Cloud:
    """One home's services. Made with moto's environment already set; open() brings everything up.

    ``settings_given`` says whether a settings file is the ceiling of what requests may name.
    """

    def __init__(
        self, home: Path, world: World, *, port: int, settings_given: bool, slack: Slack | None = None
    ) -> None:
        """Raises OSError when the port is taken."""
        self.world = world
        self.region, self.account = world.region, world.account
        self._outbox = Outbox(home / "outbox")
        self._journal = Journal(home / "journal.sqlite", home / "objects")
        moto_backend.install(on_email=self._on_email, on_event=self._on_moto_event)
        moto_app = moto_backend.application()
        self.bus = events.EventBus(
            rules=lambda: events.from_moto(moto_backend.rules(self.account, self.region)),
            deliver=self._deliver,
            account=self.account,
            region=self.region,
            now=time.time,
            buses=lambda: moto_backend.buses(self.account, self.region),
        )
        self._moto = MotoService(
            moto_app, account=self.account, kept=self._journal, put_events=self.bus.put_events
        )
        open_to = Unlisted(UNLISTED.stack, region=self.region, account=self.account)
        guard = Guard(
            account=self.account,
            roles=lambda: moto_backend.roles(self.account),
            usage=UsageLog(home / USAGE),
            read_body=read_body,
            unlisted=None if settings_given else open_to,
        )
        self._front = Front(moto=self._moto, guard=guard)
        self.server = Server(self._front, port)
        self.pool = FunctionPool(
            home / "functions",
            endpoint_url=self.server.url,
            region=self.region,
            laptop="settings" if settings_given else "open",
        )
        self._created = CreatedFunctions(
            home / "created_functions",
            self.pool,
            key=own_key(home),
            region=self.region,
            account=self.account,
        )
        self._lambda = LambdaApi(self.pool, self._created)
        self._stepfunctions = StepFunctionsService(
            home / "sfn.sqlite",
            invoke=self._invoke,
            emit=self._emit,
            region=self.region,
            account=self.account,
        )
        self._sagemaker = SageMakerService(
            home / "sagemaker.sqlite",
            world=world,
            jobs_dir=home / "jobs",
            emit=self._emit,
            launch=self._launch,
            find_worker=children.find_worker,
            region=self.region,
            account=self.account,
            endpoint_url_getter=lambda: self.server.url,
        )
        self._mlflow = MlflowService(home / "mlflow.sqlite")
        self._front.sagemaker, self._front.stepfunctions = self._sagemaker, self._stepfunctions
        self._front.functions, self._front.mlflow = self._lambda, self._mlflow
        self._front.bedrock = Judge(self.region)
        self._http_api = self._front.http_api = HttpApi(self.pool, account=self.account)
        self._clients = service_clients(self.server.url, self.region)
        if slack:
            self._front.slack = FakeSlack(home / "slack", slack, partial(self._slack_token, slack.secret))
        self._slack = slack
        self._stopped = threading.Event()

    def open(self, assembly: Callable[[], Assembly]) -> Deployment:
        """Replay what was, serve, deploy, take up what was running.

        ``assembly`` is asked for once the replay is done, so that it may be made meanwhile.
        """
        replayed = self._moto.replay(f"127.0.0.1:{self.server.port}")
        _LOG.info("replayed %d calls", replayed)
        self._compact()
        self.server.start()
        self.world.seed(Clients(region=self.region, endpoint_url=self.server.url))
        self._moto.forbidden = self.world.forbidden_buckets
        made = assembly()
        deployment = Deployer(
            made, clients=self._clients, pool=self.pool, region=self.region, account=self.account
        ).deploy()
        self._created.load()
        self._http_api.put(deployment.routes)
        if self._slack:
            self._make_slack_secret(self._slack.secret)
        self._sagemaker.start()
        self._stepfunctions.start()
        if replayed:
            self.bus.resume()
        scheduler = Scheduler(deployment.schedules, deliver=self._deliver, now=lambda: datetime.now(UTC))
        threading.Thread(target=self._schedule, args=(scheduler,), name="schedules", daemon=True).start()
        reader = QueueReader(
            deployment.queues,
            sqs=lambda: self._clients("sqs"),
            invoke=self._invoke,
            waiting=partial(moto_backend.has_messages, self.account, self.region),
        )
        threading.Thread(target=self._read_queues, args=(reader,), name="queues", daemon=True).start()
        needed = [names.function_name(made.stack, verb) for verb in PREWARMED]
        threading.Thread(target=self.pool.prewarm, args=(needed,), name="prewarm", daemon=True).start()
        return deployment

    def _compact(self) -> None:
        """Make the next start's replay shorter; one that cannot be made shorter is no reason not to start."""
        try:
            saved = compaction.compact(self._journal, self.account, self.region)
        except Exception:
            _LOG.exception("the journal stays as it is")
        else:
            _LOG.info("the next start replays %d calls less", saved)

    def close(self) -> None:
        """Stop serving and end the functions. Training workers go on by themselves."""
        self._stopped.set()
        self._stepfunctions.close()
        self.pool.close()
        self._sagemaker.close()
        self.server.close()
        self._journal.close()

    def _launch(self, job: Path) -> int:
        """Start a job's worker with the permissions of the role that its request names."""
        role = json.loads((job / "request.json").read_text(encoding="utf-8"))["RoleArn"]
        return children.launch_worker(
            job, endpoint_url=self.server.url, region=self.region, access_key=keys.of_role(role)
        )

    def _make_slack_secret(self, name: str) -> None:
        """What an administrator does once in an account: store the token and the signing secret."""
        if self._slack_token(name) is None:
            self._clients("secretsmanager").create_secret(Name=name, SecretString=new_secret())

    def _slack_token(self, name: str) -> str | None:
        try:
            found = self._clients("secretsmanager").get_secret_value(SecretId=name)
        except ClientError:
            return None
        return str(json.loads(found["SecretString"])["token"])

    def _schedule(self, scheduler: Scheduler) -> None:
        while not self._stopped.wait(1.0):
            self.bus.tick()
            scheduler.tick()

    def _read_queues(self, reader: QueueReader) -> None:
        while not self._stopped.wait(0.2):
            try:
                reader.turn()
            except Exception:  # a queue that cannot be read now can be read at the next turn
                if not self._stopped.is_set():
                    _LOG.exception("a queue was not read")

    def _invoke(self, function: str, payload: bytes) -> Invocation:
        return self.pool.invoke(function, payload)

    def _emit(self, event: dict[str, Any]) -> None:
        self.bus.emit(event)

    def _on_email(self, address: str, subject: str, text: str) -> None:
        if not self._moto.replaying:
            self._outbox.deliver(address, subject, text)

    def _on_moto_event(self, rule: Any, event: Mapping[str, Any]) -> None:
        # S3 tells the default bus alone; moto tells the rules of all of them.
        if not self._moto.replaying and rule.event_bus_name == events.DEFAULT_BUS:
            self.bus.emit_to(rule.name, event)

    def _deliver(self, target: Mapping[str, Any], text: str) -> None:
        arn = target["Arn"]
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        if service == "lambda":
            self._lambda.invoke_later(name, text.encode(), lambda _: self._dead_letter(target, text))
            return
        publish = self._to_queue if service == "sqs" else self._to_topic
        threading.Thread(target=publish, args=(arn, text), name=f"deliver-{name}", daemon=True).start()

    def _dead_letter(self, target: Mapping[str, Any], text: str) -> None:
        if queue := (target.get("DeadLetterConfig") or {}).get("Arn"):
            self._to_queue(queue, text)

    def _to_queue(self, arn: str, text: str) -> None:
        sqs = self._clients("sqs")
        url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=text)

    def _to_topic(self, arn: str, text: str) -> None:
        self._clients("sns").publish(TopicArn=arn, Message=text)


def prepare_moto(region: str, account: str) -> None:
    """Set what moto reads from the environment when it is imported."""
    os.environ.update(
        MOTO_ACCOUNT_ID=account,
        AWS_DEFAULT_REGION=region,
        AWS_REGION=region,
        MOTO_DISABLE_GLOBAL_CORS="1",
    )
