"""moto in server mode, made repeatable: identifiers and times come from the call that is being served.

moto draws identifiers from one shared generator and times from one function. Both are pointed at the
current call, so that replaying a journalled call gives the version ids, upload ids and dates it gave
when it was first made.
"""

import base64
import datetime
import random
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

Environ = dict[str, Any]
_call = threading.local()


class _Now(datetime.datetime):
    """datetime whose now() is the moment of the call being served on this thread, if there is one."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        at = getattr(_call, "at", None)
        return datetime.datetime.now(tz) if at is None else datetime.datetime.fromtimestamp(at, tz)


@contextmanager
def serving(at: float, seed: int) -> Iterator[None]:
    """Serve one call on this thread at this moment (epoch seconds), with identifiers from this seed."""
    _call.at, _call.random = at, random.Random(seed)  # noqa: S311 - identifiers, not secrets
    try:
        yield
    finally:
        _call.at = _call.random = None


def install(*, on_email: Callable[[str, str, str], None], on_event: Callable[[Any, Any], None]) -> None:
    """Patch moto once per process.

    ``on_email`` gets address, subject and text of each SNS mail; ``on_event`` gets a rule of moto's and
    an event that a service of moto's emits.
    """
    from moto.core import utils  # noqa: PLC0415 - reads MOTO_ variables at import
    from moto.events.models import Rule  # noqa: PLC0415
    from moto.moto_api._internal import mock_random  # noqa: PLC0415
    from moto.s3.models import UPLOAD_ID_BYTES, FakeMultipart  # noqa: PLC0415
    from moto.sns.models import Subscription  # noqa: PLC0415

    clock = types.ModuleType("datetime")
    clock.__dict__.update(vars(datetime))
    clock.datetime = _Now  # type: ignore[attr-defined]
    patched: Any = utils
    patched.datetime = clock

    mock_random.__class__ = _repeatable(type(mock_random))

    upload_class: Any = FakeMultipart
    subscription_class: Any = Subscription
    rule_class: Any = Rule
    if not hasattr(upload_class, "_unpatched_init"):
        upload_class._unpatched_init = upload_class.__init__
        subscription_class._unpatched_publish = subscription_class.publish

    def multipart(self: Any, *args: Any, **kwargs: Any) -> None:
        self._unpatched_init(*args, **kwargs)
        # The upload id is the one identifier of S3's that moto takes from the operating system.
        raw = mock_random.getrandbits(UPLOAD_ID_BYTES * 8).to_bytes(UPLOAD_ID_BYTES, "little")
        self.id = base64.b64encode(raw).decode().translate({ord(c): None for c in "=+/"})

    def publish(self: Any, message: str, message_id: str, subject: str | None = None, **kwargs: Any) -> None:
        if self.protocol in {"email", "email-json"}:
            on_email(self.endpoint, subject or "AWS Notification Message", message)
        else:
            self._unpatched_publish(message, message_id, subject=subject, **kwargs)

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        on_event(self, original_event)

    upload_class.__init__ = multipart
    subscription_class.publish = publish
    rule_class.send_to_targets = send_to_targets


def _repeatable(kind: type) -> type:
    if getattr(kind, "per_call", False):
        return kind

    class Repeatable(kind):  # type: ignore[misc]
        """moto's generator, drawing from the call being served on this thread."""

        per_call = True

        def getrandbits(self, k: int, /) -> int:
            source = getattr(_call, "random", None)
            return int(source.getrandbits(k) if source else super().getrandbits(k))

        def random(self) -> float:
            source = getattr(_call, "random", None)
            return float(source.random() if source else super().random())

    return Repeatable


def application() -> Callable[[Environ, Callable[..., Any]], Iterable[bytes]]:
    """moto's WSGI application; MOTO_ACCOUNT_ID has to be set before."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

    class Dispatcher(DomainDispatcherApplication):
        """moto's, which lists a folder and tries a hundred patterns to find the service of each call."""

        @lru_cache(maxsize=256)  # noqa: B019 - there is one, for as long as the process lives
        def get_backend_for_host(self, host: str | None) -> Any:
            return super().get_backend_for_host(host)

    app: Callable[[Environ, Callable[..., Any]], Iterable[bytes]] = Dispatcher(create_backend_app)
    return app


def forget() -> None:
    """Empty moto's stores."""
    from moto.backends import get_backend  # noqa: PLC0415

    for service in ("s3", "iam", "sts"):
        accounts: Any = get_backend(service)
        for account in list(accounts.values()):
            account.reset()


def rules(account: str, region: str) -> list[Any]:
    """The rules of every event bus, as moto holds them."""
    from moto.events.models import events_backends  # noqa: PLC0415

    buses = list(events_backends[account][region].event_buses.values())
    return [rule for bus in buses for rule in list(bus.rules.values())]


def buses(account: str, region: str) -> list[str]:
    """The names of the event buses."""
    from moto.events.models import events_backends  # noqa: PLC0415

    return list(events_backends[account][region].event_buses)


def tables(account: str, region: str) -> list[Any]:
    """The tables of DynamoDB, as moto holds them."""
    from moto.dynamodb.models import dynamodb_backends  # noqa: PLC0415

    return list(dynamodb_backends[account][region].tables.values())


def attributes(item: Any) -> dict[str, Any]:
    """An item's attributes as DynamoDB's clients take them; bytes are bytes."""
    return {name: _attribute(value) for name, value in item.attrs.items()}


def _attribute(value: Any) -> dict[str, Any]:
    """What moto's own dynamo_to_dict makes of a value, in a quarter of the time."""
    inner = value.value
    if value.type == "M":
        inner = {name: _attribute(each) for name, each in inner.items()}
    elif value.type == "L":
        inner = [_attribute(each) for each in inner]
    elif value.type in ("B", "BS"):
        from moto.dynamodb.models.utilities import dynamo_to_dict  # noqa: PLC0415

        inner = dynamo_to_dict(value)[value.type]
    return {value.type: inner}


def has_messages(account: str, region: str, queue: str) -> bool:
    """Whether a queue has a message that can be received now; false for a queue that is not there."""
    from moto.sqs.models import sqs_backends  # noqa: PLC0415

    found = sqs_backends[account][region].queues.get(queue)
    return bool(found and found.messages)


def roles(account: str) -> list[Any]:
    """The IAM roles of the account, as moto holds them."""
    from moto.iam.models import iam_backends  # noqa: PLC0415

    return list(iam_backends[account]["aws"].roles.values())
