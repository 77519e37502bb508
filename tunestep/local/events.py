"""EventBridge on the laptop: rules matched and delivered, schedules ticked.

Deliveries live in memory: what is on its way when the process dies is lost, as EventBridge's best
effort allows; the reconciler is the backstop. A target may get an event more than once.
"""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tunestep.local import event_patterns
from tunestep.local.awsjson import AwsError

_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_UNIT_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_LOG = logging.getLogger(__name__)


DEFAULT_BUS = "default"


class Rule(NamedTuple):
    """An enabled rule: ``pattern`` or ``schedule`` (``rate(5 minutes)``); targets as EventBridge has them."""

    name: str
    pattern: Mapping[str, Any] | None
    schedule: str | None
    targets: tuple[Mapping[str, Any], ...]
    bus: str = DEFAULT_BUS


def rate_seconds(expression: str) -> float:
    """Raises PatternInvalid for anything but a rate."""
    found = _RATE.fullmatch(expression)
    if found is None:
        raise event_patterns.PatternInvalid(
            f"{expression}: the laptop cloud knows rate(N minutes|hours|days) only"
        )
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def from_moto(rules: Iterable[Any]) -> list[Rule]:
    """moto's rules as ours, without the disabled ones."""
    return [
        Rule(
            rule.name,
            rule.event_pattern.get_pattern() or None,
            rule.scheduled_expression or None,
            tuple(rule.targets),
            rule.event_bus_name,
        )
        for rule in rules
        if rule.state == "ENABLED"
    ]


class EventBus:
    """The account's event buses.

    ``rules`` is asked at every event, ``buses`` for the names of the buses that somebody made; ``deliver``
    gets a target and its input, and does not wait. ``now`` is in epoch seconds.
    """

    def __init__(
        self,
        *,
        rules: Callable[[], Iterable[Rule]],
        deliver: Callable[[Mapping[str, Any], str], None],
        account: str,
        region: str,
        now: Callable[[], float],
        buses: Callable[[], Collection[str]] = lambda: (),
    ) -> None:
        self._rules, self._deliver, self._now, self._buses = rules, deliver, now, buses
        self._account, self._region = account, region
        self._due: dict[tuple[str, str], float] = {}
        self._overdue = False
        self._lock = threading.Lock()

    def emit(self, event: Mapping[str, Any], bus: str = DEFAULT_BUS) -> str:
        """Match one event ({source, detail-type, detail, resources}) and deliver it; returns its id."""
        full = self._complete(event)
        for rule in self._rules():
            if rule.bus == bus and rule.pattern and event_patterns.matches(rule.pattern, full):
                self._send(rule, full)
        return str(full["id"])

    def emit_to(self, name: str, event: Mapping[str, Any]) -> None:
        """Deliver to one rule of the default bus, if it matches."""
        full = self._complete(event)
        for rule in self._rules():
            if (
                (rule.bus, rule.name) == (DEFAULT_BUS, name)
                and rule.pattern
                and event_patterns.matches(rule.pattern, full)
            ):
                self._send(rule, full)

    def _complete(self, event: Mapping[str, Any]) -> dict[str, Any]:
        moment = event.get("time", self._now())
        if isinstance(moment, int | float):
            moment = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "version": "0",
            "id": event.get("id") or str(uuid.uuid4()),
            "detail-type": event["detail-type"],
            "source": event["source"],
            "account": event.get("account", self._account),
            "time": moment,
            "region": event.get("region", self._region),
            "resources": list(event.get("resources") or []),
            "detail": event.get("detail") or {},
        }

    def _send(self, rule: Rule, event: Mapping[str, Any]) -> None:
        for target in rule.targets:
            try:
                self._deliver(target, event_patterns.target_input(target, event))
            except Exception:
                _LOG.exception("rule %s: its target %s got nothing", rule.name, target.get("Arn"))

    def put_events(self, entries: list[dict[str, Any]]) -> list[str]:
        """The entries of PutEvents; returns the event ids. Raises AwsError for what EventBridge refuses."""
        if not 1 <= len(entries) <= 10:
            raise AwsError("ValidationException", "Entries must have 1 to 10 members")
        events = [(_from_entry(entry), self._bus_of(entry)) for entry in entries]
        return [self.emit(event, bus) for event, bus in events]

    def _bus_of(self, entry: dict[str, Any]) -> str:
        """The bus that an entry names by name or ARN."""
        name = str(entry.get("EventBusName") or DEFAULT_BUS).rpartition("event-bus/")[2]
        if name != DEFAULT_BUS and name not in self._buses():
            raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return name

    def resume(self) -> None:
        """Say that the bus was away: what was on its way is lost, so every schedule is due at once."""
        self._overdue = True

    def tick(self) -> None:
        """Deliver to the scheduled rules that are due, first one period after the rule was first seen."""
        now = self._now()
        with self._lock:
            due = []
            for rule in self._rules():
                if not rule.schedule:
                    continue
                period = rate_seconds(rule.schedule)
                key = (rule.name, rule.schedule)
                if self._due.setdefault(key, now if self._overdue else now + period) <= now:
                    self._due[key] = now + period
                    due.append(rule)
            self._overdue = False
        for rule in due:
            self._send(rule, self._complete({"source": "aws.events", "detail-type": "Scheduled Event"}))


def _from_entry(entry: dict[str, Any]) -> dict[str, Any]:
    for key in ("Source", "DetailType", "Detail"):
        if not entry.get(key):
            raise AwsError(
                "InvalidArgument", f"Parameter {key} is not valid. Reason: {key} is a required argument."
            )
    if entry["Source"].startswith("aws."):
        raise AwsError("NotAuthorizedForSourceException", "Not authorized for the source.")
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        raise AwsError("MalformedDetail", "Detail is malformed.") from None
    if not isinstance(detail, dict):
        raise AwsError("MalformedDetail", "Detail is malformed.")
    return {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "detail": detail,
        "resources": entry.get("Resources", []),
        **({"time": entry["Time"]} if "Time" in entry else {}),
    }
