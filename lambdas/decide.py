"""Records a person's decision on a run."""

from lambdas import _runtime
from tunestep.approvals import DirectDecision, decide_directly

handler = _runtime.direct(DirectDecision, decide_directly)
