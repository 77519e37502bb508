"""The process in which a template is read and rendered; run as a file, never imported.

The sandbox keeps a template from reaching anything but its variables. It does not keep it from being
large or slow: that is what this process's own limits and its parent's clock are for. One JSON order on
standard input, one JSON answer on standard output; see tunestep.prompts.render.
"""

import json
import resource
import sys
from contextlib import suppress
from typing import Any

_OPEN_FILES = 64


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process before anything of the template is looked at."""
    limits = {
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    for kind, value in limits.items():
        # Not every system knows every limit; the parent's clock holds on all of them.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def fault(kind: str, error: BaseException) -> dict[str, Any]:
    line = getattr(error, "lineno", None)
    return {"kind": kind, "line": line, "message": f"{type(error).__name__}: {error}"[:500].rstrip(".")}


def work(order: dict[str, Any]) -> dict[str, Any]:
    from jinja2 import meta  # noqa: PLC0415 - found on the path of the order
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(autoescape=False, loader=None, keep_trailing_newline=True)
    # What they give is random, and a prompt that is certified has to be the prompt that is used.
    del environment.globals["lipsum"]
    del environment.filters["random"]
    try:
        tree = environment.parse(order["template"])
        variables = sorted(meta.find_undeclared_variables(tree))
        files = sorted({name or "" for name in meta.find_referenced_templates(tree)})
        template = environment.from_string(order["template"])
    except Exception as error:
        return {"fault": fault("syntax", error)}
    answer = {"variables": variables, "files": files}
    if files:
        return answer
    texts, left = [], order["output_characters"]
    for row in order["rows"]:
        parts = []
        try:
            for part in template.generate(row):
                left -= len(part)
                if left < 0:
                    return answer | {"fault": {"kind": "output", "line": None, "message": ""}}
                parts.append(part)
        except MemoryError as error:
            return answer | {"fault": fault("memory", error)}
        except Exception as error:
            return answer | {"fault": fault("render", error)}
        texts.append("".join(parts))
    return answer | {"texts": texts}


def main() -> None:
    order = json.loads(sys.stdin.buffer.read())
    limit(order["memory_bytes"], order["cpu_seconds"])
    sys.path[:0] = order["path"]
    try:
        answer = work(order)
    except MemoryError as error:
        answer = {"fault": fault("memory", error)}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
