"""Records a person's decision on a run."""

from lambdas import _runtime
from tunestep.approvals import DecideEvent, decide

handler = _runtime.direct(DecideEvent, decide)
