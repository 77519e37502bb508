"""ClaimRun: one run per content."""

from lambdas import _runtime
from tunestep.claims import claim_run
from tunestep.context import StepEvent

handler = _runtime.handler(StepEvent, claim_run)
