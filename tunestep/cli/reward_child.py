"""The process in which a reward of one's own file runs; run as a file, never imported.

The first line of standard input is an order ``{"file": ..., "path": [...]}``, each further line an event.
Each is answered by one line: ``{"ready": true}``, ``{"answer": TEXT}`` with what Lambda would send, or an
error document. What the reward prints goes nowhere, so that it cannot be taken for an answer.
"""

import importlib.util
import json
import os
import sys
import traceback
from typing import Any


def load(file: str) -> Any:
    """The handler of a file: ``handler``, ``lambda_handler``, or the kit's around ``score``."""
    spec = importlib.util.spec_from_file_location("reward_under_test", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for name in ("handler", "lambda_handler"):
        if callable(getattr(module, name, None)):
            return getattr(module, name)
    if not callable(getattr(module, "score", None)):
        raise AttributeError("the file has neither handler nor score")
    from reward_functions.kit import serve  # noqa: PLC0415 - found on the path of the order

    return serve(module.score)


def failure(fault: BaseException, file: str) -> dict[str, str]:
    """What Lambda would answer, and where in the file it happened."""
    lines = [frame.lineno for frame in traceback.extract_tb(fault.__traceback__) if frame.filename == file]
    where = f" ({os.path.basename(file)}, line {lines[-1]})" if lines else ""  # noqa: PTH119 - loads faster
    return {"errorType": type(fault).__name__, "errorMessage": f"{str(fault)[:1000]}{where}"}


def main() -> None:
    # The reward, and whatever it starts, finds nothing of ours under the usual descriptors.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    events = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    order = json.loads(events.readline())
    sys.path[:0] = order["path"]

    def say(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    try:
        handler = load(order["file"])
    except BaseException as fault:  # whatever the file does, its author is told
        say(failure(fault, order["file"]))
        return
    say({"ready": True})
    for line in events:
        try:
            say({"answer": json.dumps(handler(json.loads(line), None))})
        except Exception as fault:
            say(failure(fault, order["file"]))


if __name__ == "__main__":
    main()
