"""What holds for every test, whatever shell, machine and neighbours it has."""

import os
import signal
from functools import cache

import botocore.session
import hypothesis

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

# Hypothesis fails an example that takes 0.2 s, which says how busy the machine is and nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
