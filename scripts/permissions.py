"""Write the table of permissions into docs/security.md, from a synthesized template.

Usage: python scripts/permissions.py cdk.out/tunestep.template.json
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from infra.permission_table import table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "security.md"
MARKED = re.compile(r"(<!-- permissions:start -->\n).*?(<!-- permissions:end -->)", re.DOTALL)


def with_table(page: str, template: dict[str, Any]) -> str:
    """The page's text with the table of this template between its two marks."""
    return MARKED.sub(lambda found: f"{found[1]}\n{table(template)}\n{found[2]}", page)


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
