"""Curves of metrics as static SVG, drawn by pygal, without scripts, styles or colours of their own.

Colours come from the page's style sheet by class, so that one drawing serves light, dark and paper.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pygal
from pygal.etree import etree

from tunestep.metrics import Point
from tunestep.plan_model import Technique
from tunestep.text import one_line
from tunestep.trends import mean

LARGE = (760, 320)
SMALL = (460, 240)
"""Width and height of the first drawing and of the others, which stand side by side where there is room."""

MOST_DRAWN = 400
"""Most points of one line; longer histories are drawn as averages of as many stretches."""

MOST_CHARTS = 8
FEWEST_SMOOTHED = 20
"""Shorter lines are drawn as they are, with a dot for each value."""

LARGEST = 1e100
"""Values beyond are left out of a drawing: no scale would show the others."""

ROUNDING = 1e-9
"""Share of a value below which a difference is taken for rounding."""

SMOOTHING = 0.75
"""By how much the weight of a neighbour shrinks from one point to the next."""

_FONT_SIZE = 11
_STYLE = pygal.style.Style(
    **dict.fromkeys(("title_font_size", "label_font_size", "major_label_font_size"), _FONT_SIZE)
)
"""Colours none of the page; pygal measures with these sizes, and the page's style sheet has the same."""

_LOSSES = ("total_loss", "val_eval_total_loss")
_REINFORCEMENT: tuple[tuple[str, ...], ...] = (
    ("critic/rewards/mean",),
    ("val/exact_match",),
    ("response_length/mean",),
    ("actor/entropy_loss",),
    ("actor/grad_norm",),
)
TOGETHER: dict[Technique, tuple[tuple[str, ...], ...]] = {
    "SFT": (_LOSSES,),
    "DPO": (("rewards/margins",), ("rewards/chosen", "rewards/rejected"), ("acc_per_batch",), _LOSSES),
    "RLVR": _REINFORCEMENT,
    "RLAIF": _REINFORCEMENT,
}
"""Metrics that are drawn into one chart, in the order of the charts; others get a chart each."""


class Chart(NamedTuple):
    """``svg`` is markup to put into a page as it is, empty for what cannot be drawn; ``says`` describes the
    curves in words. The lines of ``names[i]`` have the classes ``color-{2i}`` (as logged, where there is a
    ``smoothed`` one as well) and ``color-{2i+1}``. ``large`` ones deserve the width of the page."""

    title: str
    names: list[str]
    svg: str
    says: str
    smoothed: bool
    large: bool


def charts(technique: Technique, series: Mapping[str, Sequence[Point]]) -> list[Chart]:
    """The curves worth looking at, the most telling first. Metrics without a value to draw are left out."""
    finite = {
        name: [point for point in points if abs(point.value) < LARGEST] for name, points in series.items()
    }
    there = {name: points for name, points in finite.items() if points}
    known = [tuple(name for name in group if name in there) for group in TOGETHER[technique]]
    grouped = {name for group in known for name in group}
    groups = [group for group in known if group] + [(name,) for name in there if name not in grouped]
    return [
        _chart({name: there[name] for name in group}, large=position == 0)
        for position, group in enumerate(groups[:MOST_CHARTS])
    ]


def thinned(points: Sequence[Point]) -> list[tuple[float, float]]:
    """(step, value) of at most MOST_DRAWN points: averages over stretches of equal length."""
    stretch = max(1, math.ceil(len(points) / MOST_DRAWN))
    ordered = sorted(points, key=lambda point: point.step)
    drawn = []
    for start in range(0, len(points), stretch):
        part = ordered[start : start + stretch]
        step = sum(point.step for point in part) / len(part)
        drawn.append((step, mean([point.value for point in part])))
    return drawn


def smoothed(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Averages of each point and its neighbours on both sides, so that the line does not lag behind.

    Weights fall exponentially with the distance in points; at the ends one side is missing.
    """
    values = [value for _, value in line]
    before, after = _carried(values), _carried(values[::-1])[::-1]
    own = 1 - SMOOTHING
    return [
        (step, (left + right - own * value) / (left_weight + right_weight - own))
        for (step, value), (left, left_weight), (right, right_weight) in zip(line, before, after, strict=True)
    ]


def _carried(values: Sequence[float]) -> list[tuple[float, float]]:
    """The weighted sum of each value and all before it, and the sum of the weights."""
    kept, weight, result = 0.0, 0.0, []
    for value in values:
        kept = SMOOTHING * kept + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        result.append((kept, weight))
    return result


def _chart(series: Mapping[str, Sequence[Point]], *, large: bool) -> Chart:
    names = [one_line(name, 80) for name in series]
    title = " and ".join(names)
    says = " ".join(_says(name, points) for name, points in zip(names, series.values(), strict=True))
    try:
        svg = _drawn(title, says, list(series.values()), LARGE if large else SMALL)
    except (ArithmeticError, ValueError):
        # A scale that floating point cannot divide, such as one step of 1e-300.
        svg = ""
    dense = any(len(points) >= FEWEST_SMOOTHED for points in series.values())
    return Chart(title, names, svg, says, smoothed=dense, large=large)


def _drawn(title: str, says: str, lines: list[Sequence[Point]], size: tuple[int, int]) -> str:
    chart = pygal.XY(
        width=size[0],
        height=size[1],
        style=_STYLE,
        max_scale=8,
        spacing=6,
        dots_size=3,
        show_legend=False,
        js=[],
        css=[],
        no_prefix=True,
        disable_xml_declaration=True,
        x_title="step",
        y_title=title if len(lines) == 1 else "value",
        margin=12,
        x_labels=ticks([point.step for points in lines for point in points]),
        value_formatter=lambda value: f"{value:.4g}",
        x_value_formatter=lambda value: f"{value:,.6g}",
    )
    level, drawn = _levelled([thinned(points) for points in lines])
    for line in drawn:
        few = len(line) < FEWEST_SMOOTHED
        chart.add("", [] if few or level else line, show_dots=False)
        chart.add("", line if few or level else smoothed(line), show_dots=few)
    chart.add_xml_filter(lambda root: _bare(root, title, says))
    return str(chart.render(is_unicode=True))


def _levelled(lines: list[list[tuple[float, float]]]) -> tuple[bool, list[list[tuple[float, float]]]]:
    """Whether nothing but rounding tells the values apart, and the lines, in which they are then the same.

    pygal walks from the lowest to the highest value, and between such values its steps lead nowhere.
    """
    values = [value for line in lines for _, value in line]
    low, high = min(values), max(values)
    if high - low > ROUNDING * max(abs(low), abs(high)):
        return False, lines
    return True, [[(step, low) for step, _ in line] for line in lines]


def ticks(steps: Sequence[int]) -> list[int]:
    """Round numbers within the steps, about six of them and at most ten."""
    low, high = min(steps), max(steps)
    unit = 10 ** max(0, len(str(max(1, high - low))) - 2)
    size = next(unit * factor for factor in (1, 2, 5, 10, 20, 50, 100) if (high - low) / (unit * factor) <= 8)
    return list(range(-(-low // size) * size, high + 1, size)) or [low]


def _says(name: str, points: Sequence[Point]) -> str:
    values = [point.value for point in points]
    return (
        f"{name}: {len(points):,} values from step {points[0].step:,} to {points[-1].step:,}, "
        f"first {values[0]:.4g}, last {values[-1]:.4g}, lowest {min(values):.4g}, highest {max(values):.4g}."
    )


def _bare(root: Any, title: str, says: str) -> Any:
    """The drawing alone: no script, style, comment, link, tooltip or id, but a title and a description."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in ("defs", "title", "desc"):
                parent.remove(child)
    for node in root.iter():
        for name in [name for name in node.attrib if name not in _KEPT]:
            del node.attrib[name]
    root.attrib |= {"role": "img", "aria-label": f"{title}. {says}"}
    heading = etree.Element("title")
    heading.text = title
    root.insert(0, heading)
    return root


_KEPT = frozenset(
    {"xmlns", "viewBox", "class", "x", "y", "x1", "x2", "y1", "y2", "d", "transform"}
    | {"width", "height", "cx", "cy", "r", "rx", "ry", "points", "dx", "dy"}
)
"""Attributes that place things; nothing that refers, styles or acts."""
