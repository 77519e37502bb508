"""One schedule played: the template's machine and the real handlers in virtual time, in one process."""

import heapq
import importlib
import itertools
import json
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from lambdas import _runtime
from tests.faults.ground import ACCOUNT, APPROVER, BUCKET, REGION, STACK, Ground
from tests.faults.jobs import VirtualSageMaker
from tests.faults.schedule import Deed, Schedule
from tests.faults.wire import Died, Frame
from tunestep import names
from tunestep.budget_settings import Allowance, Budgets
from tunestep.context import Context
from tunestep.environment import Environment
from tunestep.gate import links
from tunestep.local import event_patterns
from tunestep.local.awsjson import AwsError
from tunestep.local.events import EventBus
from tunestep.local.interpreter.engine import Invocation
from tunestep.local.stepfunctions import StepFunctionsService
from tunestep.settings import Settings

ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"
OPEN_MODEL = "huggingface-reasoning-qwen3-0-6b"
GATED_MODEL = "meta-textgeneration-llama-3-2-1b-instruct"
PATIENCE = (300, 300, 1200, 3600, 3700)
"""Seconds between the reconciler's turns while nothing else happens; then it is not woken any more."""

ASYNC_RETRIES = (60, 120)
"""Seconds until Lambda tries an asynchronous invocation again."""

TRIES = 3
"""How often a person tries again what was answered with an error that may pass."""


class Simulation:
    """Plays a schedule to its end; what happened is in ``journal`` and in the services."""

    def __init__(self, ground: Ground, schedule: Schedule) -> None:
        self.ground, self.schedule, self.clock = ground, schedule, ground.clock
        self.began = self.clock.now()
        self.journal: list[str] = []
        self.undelivered: list[str] = []
        self.letters: list[str] = []
        """What would lie among the dead letters, were every asynchronous invocation to fail for good."""
        self.secrets: dict[str, str] = {}
        """Every task token, and every part of an approver's link that nobody can guess, with what it is."""
        self.runs: list[str] = []
        self.watchers: list[Callable[[], None]] = []
        self._queue: list[tuple[float, int, str, Any, int]] = []
        self._order, self._events = itertools.count(), itertools.count(1)
        self._invocations: Counter[str] = Counter()
        self._ticks = iter(PATIENCE)
        self._tick_at: float | None = None
        self._deeds = [(self.began + seconds, deed) for seconds, deed in schedule.deeds]
        self.sagemaker = VirtualSageMaker(ground.world, self.clock, self.emit)
        self.jobs = self.sagemaker.virtual_jobs
        self.jobs.fates = list(schedule.fates)
        self.stepfunctions = StepFunctionsService(
            Path(":memory:"),
            invoke=self.invoke,
            emit=self.emit,
            region=REGION,
            account=ACCOUNT,
            clock=self.clock,
            seed=schedule.seed,
        )
        ground.wire.services = {"sagemaker": self.sagemaker, "sfn": self.stepfunctions}
        ground.wire.meet = self.do  # type: ignore[assignment]
        ground.wire.reset(list(schedule.faults))
        self.context = Context(
            env=Environment(
                stack=STACK,
                table=ground.table,
                bucket=BUCKET,
                machine_arn=names.machine_arn(STACK, ACCOUNT, REGION),
                execution_role_arn=f"arn:aws:iam::{ACCOUNT}:role/{names.execution_role_name(STACK, REGION)}",
                topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:{names.topic_name(STACK)}",
                region=REGION,
                account=ACCOUNT,
                settings=self.settings,
                api_url="https://approvals.example.com",
                laptop="settings",
            ),
            clients=ground.clients,
            now=ground.now,
        )

    @property
    def settings(self) -> Settings:
        return Settings(approvers=(APPROVER,), budgets=Budgets(per_month=Allowance(max_runtime="9000h")))

    @property
    def request(self) -> dict[str, Any]:
        """What is asked for; one use case per schedule, so that names tell schedules apart."""
        return {
            "use_case": f"schedule {self.schedule.seed}",
            "technique": "SFT",
            "base_model": GATED_MODEL if self.schedule.gated else OPEN_MODEL,
            "training_data": f"s3://{BUCKET}/data/train.jsonl",
            "mlflow": False,
            "approval": {"timeout": "1h"},
            "limits": {"max_runtime": "2h"},
        }

    def play(self) -> None:
        """From the first start until nothing happens any more."""
        with (
            patch.object(_runtime, "context", lambda: self.context),
            patch.object(links, "new_token", self._new_token),
        ):
            self.stepfunctions.dispatch(
                "CreateStateMachine",
                {
                    "name": names.machine_name(STACK),
                    "roleArn": ROLE,
                    "definition": json.dumps(self.ground.definition),
                },
            )
            self.stepfunctions.start()
            self.do("start")
            while self._settle() or self._wait():
                pass

    def close(self) -> None:
        """End it; nothing that it wrote is left."""
        self.stepfunctions.close()
        self.sagemaker.close()
        self.ground.clear()

    def _settle(self) -> bool:
        """Do one thing that can be done now."""
        if self._queue and self._queue[0][0] <= self.clock.now():
            _, _, verb, payload, tried = heapq.heappop(self._queue)
            self._later(verb, payload, tried)
            return True
        return self.stepfunctions.engine.turn()

    def _wait(self) -> bool:
        """Let time pass until something is due; false when nothing is and nobody waits."""
        moments = [self.stepfunctions.store.next_due(), self.jobs.next_due()]
        moments += [self._queue[0][0]] if self._queue else []
        moments += [self._deeds[0][0]] if self._deeds else []
        others = min((moment for moment in moments if moment is not None), default=None)
        if self._tick_at is None and (gap := next(self._ticks, None)) is not None:
            self._tick_at = self.clock.now() + gap
        if self._tick_at is not None and (others is None or self._tick_at <= others):
            self.clock.advance_to(self._tick_at)
            self._tick_at = None
            self._reconcile()
            return True
        if others is None:
            return False
        self.clock.advance_to(others)
        self._stir()
        self.jobs.advance()
        while self._deeds and self._deeds[0][0] <= self.clock.now():
            self.do(self._deeds.pop(0)[1])
        return True

    def _reconcile(self) -> None:
        """The clock wakes the reconciler; when it finds nothing, there is nothing to wake it for again."""
        try:
            answer = self.call("reconcile", {})
        except AwsError:
            return
        if not answer.error and json.loads(answer.payload)["looked_at"] == 0:
            self._ticks = iter(())

    def _stir(self) -> None:
        """Something happened besides the clock's own turn: the reconciler's next turns count again."""
        self._ticks = iter(PATIENCE)
        if self._tick_at is not None:
            self._tick_at = min(self._tick_at, self.clock.now() + PATIENCE[0])

    def say(self, text: str) -> None:
        self.journal.append(f"{self.clock.now() - self.began:8.0f} s  {text}")

    # Events

    def emit(self, event: dict[str, Any]) -> None:
        """EventBridge: what the template's rules want of an event, as reliably as the schedule says."""
        full = self.bus_event(event)
        for pattern, verb in self.ground.rules:
            if event_patterns.matches(pattern, full):
                number = next(self._events)
                fate = dict(self.schedule.events).get(number)
                self.say(f"event {number} for {verb}{f' is {fate}' if fate else ''}")
                for delay in {"lost": (), "twice": (0, 5), "late": (900,)}.get(fate or "", (0,)):
                    self.enqueue(verb, full, delay)

    def bus_event(self, event: dict[str, Any]) -> dict[str, Any]:
        bus = EventBus(
            rules=list, deliver=lambda *_: None, account=ACCOUNT, region=REGION, now=self.clock.now
        )
        return bus._complete(event)

    def enqueue(self, verb: str, payload: Any, delay: float = 0, tried: int = 0) -> None:
        heapq.heappush(self._queue, (self.clock.now() + delay, next(self._order), verb, payload, tried))

    def _later(self, verb: str, payload: Any, tried: int) -> None:
        """An asynchronous invocation: tried three times, then in the queue of undelivered events.

        Lambda puts the payload there as the message, and the error as an attribute of it (developer guide,
        "Capturing records of Lambda asynchronous invocations").
        """
        error = b""
        try:
            answer = self.call(verb, payload)
            failed, error = answer.error, answer.payload if answer.error else b""
        except AwsError:
            failed = True
        self.letters.append(json.dumps(payload) + error.decode())
        if not failed:
            return
        if tried < len(ASYNC_RETRIES):
            self.enqueue(verb, payload, ASYNC_RETRIES[tried], tried + 1)
        else:
            self.undelivered.append(verb)
            self.say(f"{verb} ends in the queue of undelivered events")

    # Functions

    def invoke(self, function: str, payload: bytes) -> Invocation:
        """What the machine calls."""
        verb = function.rpartition(f":{STACK}-")[2].replace("-", "_")
        return self.call(verb, json.loads(payload))

    def call(self, verb: str, event: Any) -> Invocation:
        """One invocation of a function, as unlucky as the schedule says."""
        self._invocations[verb] += 1
        number = self._invocations[verb]
        upset = next((u.kind for u in self.schedule.upsets if (u.verb, u.invocation) == (verb, number)), None)
        if upset == "refused":
            self.say(f"{verb} #{number} is refused by Lambda")
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
        if upset == "twice":
            self._run(verb, number, event)
            self.say(f"{verb} #{number} runs a second time")
        answer = self._run(verb, number, event)
        for watch in self.watchers:
            watch()
        return answer

    def _run(self, verb: str, number: int, event: Any) -> Invocation:
        handler = importlib.import_module(f"lambdas.{verb}").handler
        if isinstance(event, dict) and event.get("task_token"):
            self.secrets[event["task_token"]] = "task token"
        place = SimpleNamespace(
            function_name=names.function_name(STACK, verb),
            memory_limit_in_mb=512,
            invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-{verb}",
            aws_request_id=f"{verb}-{number}",
        )
        frames = self.ground.wire.frames
        depth = len(frames)
        frames.append(Frame(verb, number))
        try:
            value = handler(event, place)
            answer = Invocation(json.dumps(value).encode(), False)
            self.say(f"{verb} #{number} answers {_short(value)}")
        except Died as death:
            answer = _error("Runtime.ExitError", f"Error: Runtime exited ({death})")
            self.say(f"{verb} #{number} {death}")
        except Exception as fault:
            answer = _error(type(fault).__name__, str(fault))
            self.say(f"{verb} #{number} raises {type(fault).__name__}: {str(fault)[:200]}")
        finally:
            del frames[depth:]
            _runtime.metrics.clear_metrics()  # kept for ever where metrics are disabled
        return answer

    def _new_token(self) -> str:
        made = secrets.token_urlsafe(16)
        self.secrets[made] = "part of a link"
        return made

    # People

    def do(self, deed: Deed) -> None:
        """Somebody, or the clock, does something now."""
        self._stir()
        frames, self.ground.wire.frames = self.ground.wire.frames, []
        self.say(f"somebody does: {deed}")
        try:
            _DEEDS[deed](self)
        finally:
            self.ground.wire.frames = frames

    def ask(self, verb: str, event: dict[str, Any]) -> dict[str, Any]:
        """A person calls a function, and tries again when told that something failed that may pass."""
        value: dict[str, Any] = {}
        for _ in range(TRIES):
            try:
                answer = self.call(verb, event)
            except AwsError:
                continue
            value = json.loads(answer.payload) or {}
            if not answer.error and (value.get("error") or {}).get("name") != "ServiceFault":
                break
        return value

    def _last(self) -> str:
        return self.runs[-1] if self.runs else "nobody-1"

    def _start(self, **more: Any) -> None:
        started = self.ask("start", {"request": self.request, "source": "cli", "requester": "bob", **more})
        if "run_id" in started:
            self.runs.append(started["run_id"])

    def _retry(self) -> None:
        self._start(retry_of=self._last())

    def _decide(self, decision: str, reason: str = "") -> None:
        asked = {"run": self._last(), "decision": decision, "actor": APPROVER.id, "reason": reason}
        self.ask("decide", asked)

    def _stop(self) -> None:
        self.ask("stop", {"run": self._last(), "actor": "bob"})

    def _abort(self) -> None:
        arn = self.context.execution_arn(self._last())
        try:
            self.stepfunctions.dispatch("StopExecution", {"executionArn": arn})
        except AwsError as fault:
            self.say(f"abort: {fault}")

    def _end_the_job(self) -> None:
        for job in self.jobs.jobs():
            self.jobs.end_from_outside(job.name)


_DEEDS: dict[str, Callable[[Simulation], None]] = {
    "start": Simulation._start,
    "approve": lambda sim: sim._decide("APPROVED"),
    "decline": lambda sim: sim._decide("DECLINED", "not this licence"),
    "stop": Simulation._stop,
    "abort": Simulation._abort,
    "retry": Simulation._retry,
    "end the job": Simulation._end_the_job,
    "reconcile": lambda sim: sim.enqueue("reconcile", {}),
}


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) < 160 else text[:157] + "..."


def _error(name: str, message: str) -> Invocation:
    report = {"errorMessage": message, "errorType": name, "stackTrace": []}
    return Invocation(json.dumps(report).encode(), True)
