"""The command's tests share one laptop cloud, and one ephemeral cloud for planning."""

from tests.local.conftest import assembly, laptop

__all__ = ["assembly", "laptop"]
