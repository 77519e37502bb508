"""Synthesis under cdk-nag's AwsSolutions pack: ``python -m tests.infra.nag [SETTINGS]``.

``--forget`` leaves every acknowledgment out, which shows what they are for.
"""

import sys

import app
from infra import node
from infra.bundle import Bundle
from tunestep.settings import Settings, load

node.use_wheel()

# Both start Node, so they come after use_wheel.
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from infra import acknowledged  # noqa: E402

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--forget" in arguments:
        arguments.remove("--forget")
        acknowledged.cdk.Validations.acknowledge = lambda *_: None  # type: ignore[method-assign]
    chosen = load(arguments[0]) if arguments else Settings()
    app.synthesize(chosen or Settings(), Bundle(lock=None), [AwsSolutionsChecks()])
