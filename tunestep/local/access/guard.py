"""The gate of IAM in front of every service of the laptop cloud.

A request signed with the access key id of a role may do what the policies of the role allow. Everybody
else is the user, who is the administrator of this account.
"""

import io
import logging
from collections.abc import Callable, Iterable
from typing import Any

from tunestep.local.access import calls, keys, policy, refusals
from tunestep.local.access.operations import CONDITION_KEYS
from tunestep.local.access.unlisted import Unlisted
from tunestep.local.access.usage import UsageLog, Use

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
_LOG = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The call is denied; ``service`` is the one whose protocol says so."""

    def __init__(self, service: str, message: str) -> None:
        super().__init__(message)
        self.service, self.message = service, message


class Guard:
    """``roles`` gives the account's roles as moto holds them; ``unlisted`` is there without a settings file.

    ``read_body`` reads the body of a request.
    """

    def __init__(
        self,
        *,
        account: str,
        roles: Callable[[], list[Any]],
        usage: UsageLog,
        read_body: Callable[[Environ], bytes],
        unlisted: Unlisted | None = None,
    ) -> None:
        self._account, self._roles, self._usage = account, roles, usage
        self._read_body, self._unlisted = read_body, unlisted

    def __call__(self, app: Wsgi, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The answer of ``app``, or AccessDenied."""
        who = keys.credential(environ)
        if who is None or not who.key.startswith(keys.PREFIX):
            return app(environ, start_response)
        try:
            role = self._role(who)
            call = self._check(role, environ, who)
            absence = calls.of_absence(call)
            if absence is None:
                return app(environ, start_response)
            return self._unless_hidden(role, absence, app, environ, start_response)
        except Refused as refusal:
            _LOG.warning("denied: %s", refusal.message)
            return refusals.answer(refusal.service, refusal.message, environ, start_response)

    def _unless_hidden(
        self,
        role: Any,
        absence: calls.Demand,
        app: Wsgi,
        environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """The answer of S3; that an object is not there is hidden from who may not list its bucket."""
        answer: list[Any] = []
        body = list(app(environ, lambda *given: answer.extend(given)))
        if str(answer[0]).startswith("404") and b"NoSuchBucket" not in b"".join(body):
            self._decide(role, policy.of_role(role), absence, "s3")
        start_response(*answer)
        return body

    def _check(self, role: Any, environ: Environ, who: keys.Credential) -> calls.Call:
        body = b""
        if calls.has_operation_in_body(environ):
            body = self._read_body(environ)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        call = calls.read(environ, body, who.service)
        try:
            demands = calls.demands(call, region=who.region, account=self._account, role_arn=self._role_arn)
        except KeyError:
            self._usage.note(Use(role.name, f"{call.service} {call.operation}", "unknown", ""), "")
            raise Refused(
                call.service,
                f"{call.operation} of {call.service} has no row in tunestep/local/access/operations.py, "
                "which says what permission it needs",
            ) from None
        statements = policy.of_role(role)
        for demand in demands:
            self._decide(role, statements, demand, call.service)
        return call

    def _role(self, who: keys.Credential) -> Any:
        for role in self._roles():
            if keys.of_role(role.arn) == who.key:
                return role
        raise Refused(who.service, refusals.INVALID_TOKEN)

    def _role_arn(self, name: str) -> str:
        made = [str(role.arn) for role in self._roles() if role.name == name]
        return made[0] if made else f"arn:aws:iam::{self._account}:role/{name}"

    def _decide(
        self, role: Any, statements: list[policy.Statement], demand: calls.Demand, service: str
    ) -> None:
        try:
            decision = self._decision(statements, demand)
        except policy.PolicyUnsupported as fault:
            raise Refused(service, f"{role.arn}: {fault}") from None
        self._usage.note(Use(role.name, demand.action, decision.outcome, decision.by), demand.resource)
        if decision.outcome != policy.ALLOWED:
            caller = f"arn:aws:sts::{self._account}:assumed-role/{role.name}/laptop"
            raise Refused(
                service, refusals.sentence(caller, demand.action, demand.resource, decision.outcome)
            )

    def _decision(self, statements: list[policy.Statement], demand: calls.Demand) -> policy.Decision:
        decision = policy.decide(
            statements, demand.action, demand.resource, demand.context, known=CONDITION_KEYS
        )
        if decision.outcome != policy.IMPLICIT_DENY or self._unlisted is None:
            return decision
        stand_in = self._unlisted.stand_in(demand.resource)
        if stand_in is None:
            return decision
        return policy.decide(statements, demand.action, stand_in, demand.context, known=CONDITION_KEYS)
