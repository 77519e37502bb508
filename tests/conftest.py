"""CDK starts Node when it is imported: the wheel's, as in app.py, since a bare machine has no other."""

from infra import node

node.use_wheel()
