"""Units that matter to a verdict, with their size in the first unit of their dimension.

Any other word behind a number ("apples", "students in total") names what was counted and is ignored.
"""

from typing import NamedTuple


class Unit(NamedTuple):
    """``size`` such units make one base unit when multiplied: 1 cm has dimension "length" and size 1/100."""

    dimension: str
    numerator: int
    denominator: int


_TABLE: dict[str, tuple[tuple[int, int, str], ...]] = {
    "length": (
        (1, 1, "m meter meters metre metres"),
        (1, 100, "cm centimeter centimeters centimetre centimetres"),
        (1, 1000, "mm millimeter millimeters millimetre millimetres"),
        (1000, 1, "km kilometer kilometers kilometre kilometres"),
        (254, 10000, "inch inches"),
        (3048, 10000, "ft foot feet"),
        (9144, 10000, "yd yard yards"),
        (1609344, 1000, "mile miles"),
    ),
    "mass": (
        (1, 1, "g gram grams"),
        (1000, 1, "kg kilogram kilograms kilos"),
        (1, 1000, "mg milligram milligrams"),
        (45359237, 100000, "lb lbs pound pounds"),
        (45359237, 1600000, "oz ounce ounces"),
    ),
    "time": (
        (1, 1, "s sec secs second seconds"),
        (60, 1, "min mins minute minutes"),
        (3600, 1, "h hr hrs hour hours"),
        (86400, 1, "day days"),
        (604800, 1, "week weeks"),
    ),
    "volume": (
        (1, 1, "l liter liters litre litres"),
        (1, 1000, "ml milliliter milliliters millilitre millilitres"),
    ),
    "dollar": ((1, 1, "$ usd dollar dollars"), (1, 100, "cent cents ¢")),
    "euro": ((1, 1, "€ eur euro euros"),),
    "sterling": ((1, 1, "£ gbp"),),
    "rupee": ((1, 1, "₹ inr rupee rupees rs"),),
    "yen": ((1, 1, "¥ jpy yen"),),
    "angle": ((1, 1, "° degree degrees"),),
    "celsius": ((1, 1, "°C"),),
    "fahrenheit": ((1, 1, "°F"),),
    "speed": ((1609344, 1000, "mph"), (1000, 1, "kph kmh km/h")),
    "am": ((1, 1, "am a.m."),),
    "pm": ((1, 1, "pm p.m."),),
    "area": (
        (1, 1, "m² m^2"),
        (1, 10000, "cm² cm^2"),
        (1000000, 1, "km² km^2"),
    ),
}

UNITS: dict[str, Unit] = {
    name: Unit(dimension, numerator, denominator)
    for dimension, rows in _TABLE.items()
    for numerator, denominator, names in rows
    for name in names.split()
}

SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
"""Words behind a number that multiply it."""

NOT_A_UNIT = frozenset(
    (
        *("or", "and", "nor", "versus", "vs", "plus", "minus", "times", "over", "divided", "choose"),
        *("factorial", "squared", "cubed", "mod", "pi", "sqrt", "sin", "cos", "tan", "log", "ln", "exp"),
        *("rad", "maybe", "perhaps", "to", "base"),
    )
)
"""Words that make something else of the number before them."""


def unit(words: str) -> Unit | None:
    """The unit that the words behind a number begin with, None for what was merely counted.

    "miles per hour" is a rate and "square meters" an area: neither is the unit it begins with.
    """
    known = UNITS.get(words) or UNITS.get(words.lower())
    if known is not None:
        return known
    first, _, rest = words.partition(" ")
    if rest and rest.split(" ", 1)[0].lower() in ("of", "in", "total", "long", "altogether", "left"):
        return UNITS.get(first) or UNITS.get(first.lower())
    return None
