"""Keeps what was asked and answered, redacted, in files ready for tests/conformance/live/."""

import json
import threading
from pathlib import Path
from typing import Any

from tunestep.aws import Clients
from tunestep.operate.redact import Redactor

MOST_PER_CHECK = 40
"""Exchanges kept of one check; a wait asks the same again and again."""

_HTTP = frozenset({"ResponseMetadata"})


class Recorder:
    """Listens to every client that ``clients`` makes after this, and to none that it made before."""

    def __init__(self, clients: Clients, redactor: Redactor, folder: Path) -> None:
        self._redactor, self._folder = redactor, folder
        self._asked = threading.local()
        self._kept: list[dict[str, Any]] = []
        events = clients.session.events
        events.register("provide-client-params.*.*", self._remember)
        events.register("after-call.*.*", self._keep)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self._asked.params = dict(params)

    def _keep(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode")
        self.note(
            model.service_model.service_name,
            model.name,
            getattr(self._asked, "params", {}),
            {name: each for name, each in parsed.items() if name not in _HTTP},
            status,
        )

    def note(self, service: str, operation: str, request: Any, response: Any, status: int | None) -> None:
        """Keep one exchange, unless it is the same as the one before."""
        redacted = self._redactor.value
        exchange = {
            "service": service,
            "operation": operation,
            "params": redacted(_plain(request)),
            "status": status,
            "response": redacted(_plain(response)),
        }
        if len(self._kept) < MOST_PER_CHECK and (not self._kept or self._kept[-1] != exchange):
            self._kept.append(exchange)

    def write(self, name: str, about: dict[str, Any]) -> Path | None:
        """Write what was kept since the last file; None when there was nothing. Raises LeakFound."""
        kept, self._kept = self._kept, []
        if not kept:
            return None
        document = {**self._redactor.value(about), "exchanges": kept}
        text = self._redactor.checked(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}.json"
        path.write_text(text)
        return path


def _plain(value: Any) -> Any:
    """Streams become a word: reading one here would take it from who asked."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return "a stream" if hasattr(value, "read") else value
