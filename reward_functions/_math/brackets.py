"""Brackets and separators of a text, without reading what stands between them."""

from itertools import pairwise


def spans(text: str) -> bool:
    """Whether the first bracket is closed by the last character and not before."""
    depth = 0
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth <= 0:
                return position == len(text) - 1
    return False


def split(text: str) -> list[str] | None:
    """The parts between top-level separators: ";" before ", " before ",". None on unbalanced brackets."""
    depth, cuts = 0, []
    for position, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in ",;" and depth == 0:
            cuts.append(position)
        if depth < 0:
            return None
    if depth:
        return None
    if any(text[cut] == ";" for cut in cuts):
        cuts = [cut for cut in cuts if text[cut] == ";"]
    elif any(text[cut + 1 : cut + 2] == " " for cut in cuts):
        cuts = [cut for cut in cuts if text[cut + 1 : cut + 2] == " "]
    edges = [-1, *cuts, len(text)]
    parts = [text[start + 1 : end].strip() for start, end in pairwise(edges)]
    return parts if all(parts) else None
