"""Sorting, filtering and paging, which every List operation of the service does alike."""

import base64
import binascii
from typing import Any

from tunestep.local.awsjson import AwsError
from tunestep.local.sagemaker.records import Document

_PAGE = 100


def between(
    items: list[Document], params: dict[str, Any], field: str, after: str, before: str
) -> list[Document]:
    """Items whose time (epoch seconds) lies within the request's optional bounds."""
    low, high = params.get(after), params.get(before)
    return [
        item
        for item in items
        if (low is None or item[field] >= float(low)) and (high is None or item[field] <= float(high))
    ]


def ordered(
    items: list[Document], params: dict[str, Any], fields: dict[str, str], order: str
) -> list[Document]:
    """Sort by the request's SortBy (one of ``fields``; CreationTime when absent) and SortOrder."""
    field = fields[params.get("SortBy", "CreationTime")]
    descending = params.get("SortOrder", order) == "Descending"
    numbered = list(enumerate(items))
    numbered.sort(key=lambda pair: (pair[1][field], pair[0]), reverse=descending)
    return [item for _, item in numbered]


def page(items: list[Document], params: dict[str, Any], member: str) -> dict[str, Any]:
    """The answer for one page: ``member`` with at most MaxResults items, and NextToken when more follow.

    Raises AwsError (ValidationException) for a token that no List operation gave out.
    """
    start = _offset(params.get("NextToken"))
    size = params.get("MaxResults", _PAGE)
    answer: dict[str, Any] = {member: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = base64.urlsafe_b64encode(f"after:{start + size}".encode()).decode()
    return answer


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        name, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, ValueError):
        name, number = "", ""
    if name != "after" or not number.isdecimal():
        raise AwsError("ValidationException", "Invalid NextToken.")
    return int(number)


def select(document: Document, members: tuple[str, ...]) -> Document:
    """The named members that the document has."""
    return {name: document[name] for name in members if document.get(name) is not None}
