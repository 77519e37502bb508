"""Takes an acceptance of a licence back."""

from lambdas import _runtime
from tunestep.acceptances import RevokeEvent, revoke

handler = _runtime.direct(RevokeEvent, revoke)
