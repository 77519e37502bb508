"""The HTTP API of the approval gate: the page, Slack, and signed requests."""

from lambdas import _runtime
from tunestep.gate.api import GateApi

handler = _runtime.http(GateApi(_runtime.context).app)
