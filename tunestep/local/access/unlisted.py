"""What a laptop without a settings file lets requests name: anything, as if the settings listed it.

The template is made with one stand-in for each kind of thing that settings list. A thing that is not the
stack's own is then decided on as the stand-in is, so that the policies are those that listing it would make.
"""

import re

from tunestep import names
from tunestep.settings import Allowed, Settings

_NAME = "laptop-unlisted"
_ACCOUNT = "000000000000"
_BUCKET = "tunestep-laptop-unlisted"
_FUNCTION = f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:{_NAME}"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/{_NAME}"
_APP = f"arn:aws:sagemaker:us-east-1:{_ACCOUNT}:mlflow-app/{_NAME}"

SETTINGS = Settings(
    allowed=Allowed(
        execution_roles=(_ROLE,),
        locations=(f"s3://{_BUCKET}",),
        mlflow_apps=(_APP,),
        reward_functions=(_FUNCTION,),
    )
)
"""The defaults, with a stand-in in each list."""

_KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"arn:aws:s3:::(?P<name>[^/]+)(?P<rest>/.*)?", re.DOTALL), f"arn:aws:s3:::{_BUCKET}"),
    (re.compile(r"arn:aws:lambda:[^:]*:\d*:function:(?P<name>[^:]+)(?P<rest>:.*)?"), _FUNCTION),
    (re.compile(r"arn:aws:iam::\d*:role/(?:.*/)?(?P<name>[^/]+)(?P<rest>)"), _ROLE),
    (re.compile(r"arn:aws:sagemaker:[^:]*:\d*:mlflow-[a-z-]+/(?P<name>.+)(?P<rest>)"), _APP),
)


class Unlisted:
    """Tells a stack's own things from all others. ``own_bucket`` is the stack's."""

    def __init__(self, stack: str, *, region: str, account: str) -> None:
        self._prefix = f"{stack}-"
        self._bucket = names.bucket_name(stack, account, region)

    def stand_in(self, resource: str) -> str | None:
        """The ARN that settings list for another's resource; None for the stack's own and for other kinds."""
        for pattern, stand_in in _KINDS:
            if found := pattern.fullmatch(resource):
                bucket = stand_in.startswith("arn:aws:s3")
                own = found["name"] == self._bucket if bucket else found["name"].startswith(self._prefix)
                return None if own else stand_in + (found["rest"] or "")
        return None
