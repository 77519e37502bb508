"""A client that threads share, and that calls one at a time, as DynamoDB writes an item.

moto checks a condition and writes without a lock, so that two threads could both find it true.
"""

import threading
from typing import Any

import pytest


def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    call, lock = client._make_api_call, threading.Lock()

    def locked(*of: Any) -> Any:
        with lock:
            return call(*of)

    monkeypatch.setattr(client, "_make_api_call", locked)
