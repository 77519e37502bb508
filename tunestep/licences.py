"""Licences of the model families that can be customized: names, official links, and the wording.

The hub document says whether a licence must be accepted and where its text is; this table, kept in
the repository, gives the name and the link for people. Sources: the licence pages linked below.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

REVISION = "2026-11"
"""Changes whenever an entry does; decisions about link-only licences are recorded against it."""


class Licence(NamedTuple):
    """``id`` is what evidence calls it; SPDX's where SPDX has one."""

    name: str
    url: str
    id: str


UNKNOWN_ID = "unknown"

AWS_SERVICE_TERMS = Licence("AWS Service Terms", "https://aws.amazon.com/service-terms/", "aws-service-terms")

_APACHE = Licence("Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0")


def _llama(version: str, page: str) -> Licence:
    return Licence(
        f"Llama {version} Community License Agreement",
        f"https://www.llama.com/{page}/license/",
        f"llama-{version}-community",
    )


_FAMILIES: tuple[tuple[str, Licence], ...] = (
    (r"nova-", AWS_SERVICE_TERMS),
    (
        r"deepseek-(llm-)?r1-distill-llama|deepseek.*llama",
        Licence(
            "MIT License, with the Llama Community License Agreement of the base model",
            "https://github.com/deepseek-ai/DeepSeek-R1/blob/main/LICENSE",
            "MIT AND llama-community",
        ),
    ),
    (
        r"deepseek",
        Licence("MIT License", "https://github.com/deepseek-ai/DeepSeek-R1/blob/main/LICENSE", "MIT"),
    ),
    (r"llama-4", _llama("4", "llama4")),
    (r"llama-3-3", _llama("3.3", "llama3_3")),
    (r"llama-3-2", _llama("3.2", "llama3_2")),
    (r"llama-3-1", _llama("3.1", "llama3_1")),
    (r"llama-3-", _llama("3", "llama3")),
    (r"gpt-oss", _APACHE),
    (
        r"qwen-?2-5-72b",
        Licence(
            "Tongyi Qianwen License",
            "https://huggingface.co/Qwen/Qwen2.5-72B-Instruct/blob/main/LICENSE",
            "tongyi-qianwen",
        ),
    ),
    (
        r"qwen-?2-5-3b",
        Licence(
            "Qwen Research License",
            "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE",
            "qwen-research",
        ),
    ),
    (r"qwen", _APACHE),
)

HOSTS = frozenset(urlsplit(licence.url).hostname or "" for _, licence in _FAMILIES)
"""The https hosts of the table; a licence text is read from no other."""


def find(model_name: str) -> Licence | None:
    """The licence of a hub model by its name; None for a family the table does not know."""
    name = model_name.lower()
    return next((licence for pattern, licence in _FAMILIES if re.search(pattern, name)), None)


def statement(licence: Licence) -> str:
    """The sentence that people are shown."""
    if licence == AWS_SERVICE_TERMS:
        return f"This model is subject to the {licence.name}: {licence.url}."
    return (
        f"This model is licensed under {licence.name}. Please review the license terms here: {licence.url}."
    )
