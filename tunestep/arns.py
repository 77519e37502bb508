"""Amazon Resource Names, taken apart."""

from typing import NamedTuple


class Arn(NamedTuple):
    """``arn:partition:service:region:account:resource``; ``resource`` keeps its own slashes and colons."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def kind(self) -> str:
        """The part of the resource before the first slash (``role``, ``model-package-group``)."""
        return self.resource.partition("/")[0]

    @property
    def name(self) -> str:
        """The part of the resource after the first slash."""
        return self.resource.partition("/")[2]


def parse(text: str) -> Arn | None:
    """The parts of an ARN, or None for any other text."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])
