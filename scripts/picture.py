"""Write the picture of the state machine into README.md, from a synthesized template.

Usage: python scripts/picture.py cdk.out/tunestep.template.json
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from infra.definition import state_machine_definition
from infra.picture import mermaid

README = Path(__file__).resolve().parent.parent / "README.md"
MARKED = re.compile(r"(<!-- picture:start -->\n).*?(<!-- picture:end -->)", re.DOTALL)


def with_picture(readme: str, template: dict[str, Any]) -> str:
    """The README's text with the picture of this template between its two marks."""
    picture = f"```mermaid\n{mermaid(state_machine_definition(template)).rstrip()}\n```\n"
    return MARKED.sub(lambda found: found[1] + picture + found[2], readme)


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    README.write_text(with_picture(README.read_text(encoding="utf-8"), document), encoding="utf-8")
