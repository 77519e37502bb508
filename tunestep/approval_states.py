"""The states of a question, as the table holds them."""

from typing import Final

PENDING: Final = "PENDING"
APPROVED: Final = "APPROVED"
DECLINED: Final = "DECLINED"
EXPIRED: Final = "EXPIRED"
