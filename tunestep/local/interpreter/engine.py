"""Runs executions: stores each transition, invokes functions, watches the clock, resumes after a kill.

A transition is committed before anything that follows from it happens. What was in flight when the
process died is invoked again when it comes back: at least once, like AWS.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from tunestep.local.awsjson import AwsError
from tunestep.local.interpreter import core, definition
from tunestep.local.interpreter.clock import Chance, Clock, VirtualClock
from tunestep.local.interpreter.documents import dumps
from tunestep.local.interpreter.execution import (
    Answered,
    Call,
    Continue,
    Event,
    Execution,
    Refused,
    Tick,
    Transition,
)
from tunestep.local.interpreter.store import Store, StoreClosedError

_LOG = logging.getLogger(__name__)
_LONGEST_SLEEP = 30.0
_Item = TypeVar("_Item")


class Invocation(NamedTuple):
    """A function's answer: its payload, and whether it is an error (Lambda's FunctionError)."""

    payload: bytes
    error: bool


Invoke = Callable[[str, bytes], Invocation]
Describe = Callable[[Execution], dict[str, Any]]
Emit = Callable[[dict[str, Any]], None]


class Engine:
    """Moves executions on. ``describe`` makes the status event of an execution, ``emit`` sends it.

    With a VirtualClock nothing happens by itself: ``run()`` does everything that can be done, jumping
    to the next deadline when idle, and ``turn()`` does one thing.
    """

    def __init__(
        self,
        store: Store,
        *,
        invoke: Invoke,
        emit: Emit,
        describe: Describe,
        clock: Clock,
        seed: int | None = None,
    ) -> None:
        self.store, self._invoke, self._emit, self._describe = store, invoke, emit, describe
        self.clock, self._chance = clock, Chance(clock, seed)
        self._ready: deque[str] = deque()
        self._calls: deque[tuple[str, Call]] = deque()
        self._wake = threading.Condition()
        self._closing = self._news = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up every running execution; with a real clock, begin to work in the background."""
        for execution in self.store.running():
            self._follow_up(execution)
        if not isinstance(self.clock, VirtualClock):
            self._thread = threading.Thread(target=self._work, name="stepfunctions", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop working; functions that are still running are left alone and their answers dropped."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)

    def begin(self, execution: Execution, revision: str) -> bool:
        """Store a new execution and set it going; false, and nothing done, if its ARN is taken."""
        with self.store.transaction():
            if self.store.load(execution.arn) is not None:
                return False
            self.store.insert(execution, revision)
            self.store.announce(self._describe(execution))
        self._follow_up(execution)
        return True

    def apply(self, arn: str, event: Event) -> Transition | None:
        """Give an execution an event and store what comes of it; None when there is no such execution."""
        with self.store.transaction():
            loaded = self.store.load(arn)
            if loaded is None:
                return None
            before, revision = loaded
            transition = core.step(self._machine(revision), before, event, self._chance)
            after = transition.execution
            changed = after.status != before.status
            if transition.history or after != before:
                self.store.save(transition, self._describe(after) if changed else None)
        if after.attempt != before.attempt or after.ready or changed:
            self._follow_up(after)
        else:
            self._notify()
        return transition

    @lru_cache(maxsize=64)  # noqa: B019 - an engine lives as long as its process
    def _machine(self, revision: str) -> definition.Machine:
        found = self.store.row("SELECT definition FROM revisions WHERE id=?", revision)
        if found is None:
            raise LookupError(f"revision {revision} is not stored")
        return definition.load(found[0])

    def _follow_up(self, execution: Execution) -> None:
        call = execution.call()
        with self._wake:
            if execution.ready:
                self._ready.append(execution.arn)
            elif call is not None:
                self._calls.append((execution.arn, call))
        self._notify()

    def _notify(self) -> None:
        with self._wake:
            self._news = True
            self._wake.notify_all()

    def turn(self) -> bool:
        """Do one thing: send what is to be sent, a deadline, a transition, an invocation. False when idle."""
        if self._send():
            return True
        if due := self.store.due(self.clock.now()):
            self.apply(due[0], Tick())
            return True
        if arn := self._take(self._ready):
            self.apply(arn, Continue())
            return True
        if wanted := self._take(self._calls):
            self._call(*wanted)
            return True
        return False

    def _call(self, arn: str, call: Call) -> None:
        loaded = self.store.load(arn)
        if loaded is None or loaded[0].call() != call:
            return
        if isinstance(self.clock, VirtualClock):
            self._perform(arn, call)
        else:
            threading.Thread(target=self._perform, args=(arn, call), daemon=True).start()

    def run(self) -> None:
        """In virtual time: work until nothing more can happen without somebody outside."""
        while self.turn() or self.jump():
            pass

    def jump(self) -> bool:
        """In virtual time: move the clock to the next deadline; false when there is none."""
        due = self.store.next_due()
        if due is None or not isinstance(self.clock, VirtualClock):
            return False
        self.clock.advance_to(due)
        return True

    def _take(self, queue: deque[_Item]) -> _Item | None:
        with self._wake:
            return queue.popleft() if queue else None

    def _send(self) -> bool:
        waiting = self.store.announcements()
        for number, event in waiting:
            try:
                self._emit(event)
            except Exception:
                # Status events are best effort on AWS too: one that cannot be sent stops no execution.
                _LOG.exception("a status event could not be sent")
            self.store.announced(number)
        return bool(waiting)

    def _perform(self, arn: str, call: Call) -> None:
        event: Answered | Refused
        try:
            answer = self._invoke(call.function, dumps(call.payload).encode())
            event = Answered(call.attempt, answer.payload, answer.error)
        except AwsError as fault:
            event = Refused(call.attempt, f"Lambda.{fault.code.removeprefix('Lambda.')}", fault.message)
        except Exception as fault:
            _LOG.exception("%s could not be invoked", call.function)
            event = Refused(call.attempt, "Lambda.Unknown", f"{type(fault).__name__}: {fault}")
        try:
            self.apply(arn, event)
        except StoreClosedError:
            _LOG.info("%s answered after the engine had closed; it will be invoked again", call.function)

    def _work(self) -> None:
        while not self._closing:
            try:
                if not self.turn():
                    self._sleep()
            except StoreClosedError:
                return
            except Exception:
                _LOG.exception("a transition failed; the execution stays where it was")
                with self._wake:
                    self._wake.wait(1)

    def _sleep(self) -> None:
        due = self.store.next_due()
        longest = _LONGEST_SLEEP if due is None else min(_LONGEST_SLEEP, due - self.clock.now())
        with self._wake:
            if not (self._closing or self._news) and longest > 0:
                self._wake.wait(longest)
            self._news = False
