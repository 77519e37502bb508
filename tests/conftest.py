"""What holds for every test, whatever shell, machine and neighbours it has."""

import os
import signal
from functools import cache

import botocore.session

from infra import node

# CDK starts Node when it is imported: the wheel's, as in app.py, since a bare machine has no other.
node.use_wheel()

# Handlers read these when they are first imported, by whichever test that is.
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tunestep")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Tunestep")

# A shell that starts tests in the background has Ctrl-C ignored, and so would the commands that are tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each mocked test has a boto3 session of its own; what botocore read from its files is the same for all.
botocore.session.create_loader = cache(botocore.session.create_loader)
