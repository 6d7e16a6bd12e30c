"""Machine names and numbers as a reader sees them: feature names in words, rounded figures.

Not for computing: what comes in goes out in fewer digits. Undefined numbers become a dash.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DASH",
    "format_interval",
    "format_number",
    "format_p",
    "readable_feature",
    "readable_unit",
]

DASH = "\N{EN DASH}"

_SUFFIX_UNITS = (
    ("_per_mm2", "per mm²"),
    ("_per_um", "1/µm"),
    ("_um2", "µm²"),
    ("_um", "µm"),
    ("_mm2", "mm²"),
    ("_mm", "mm"),
    ("_px", "px"),
)
_UNIT_SIGNS = {
    "1": "",
    "none": "",
    "unknown": "",
    "dimensionless": "",
    "count": "",
    "um": "µm",
    "um2": "µm²",
    "um^2": "µm²",
    "1/um": "1/µm",
    "mm2": "mm²",
    "1/mm2": "per mm²",
    "1/mm^2": "per mm²",
    "od": "optical density",
}
_FEATURE_WORDS = {"n": "number of objects"}
_WHOLE = "total"
_WORDS = {
    "mean": "mean",
    "median": "median",
    "sd": "spread (SD)",
    "iqr": "interquartile range",
    "skewness": "skewness",
    "p10": "10th percentile",
    "p90": "90th percentile",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FEATURE_PARTS = 4
# Outside of these, powers of ten read better.
_TINY, _HUGE = 1e-4, 1e6
_WITHOUT_UNIT = "skewness"


def readable_unit(unit: str) -> str:
    """Write a unit with its proper signs; a dimensionless one is empty.

    Examples
    --------
    >>> readable_unit("um2"), readable_unit("1"), readable_unit("months")
    ('µm²', '', 'months')
    """
    return _UNIT_SIGNS.get(unit.strip().lower(), unit.strip())


def readable_feature(name: str, *, unit: str | None = None, with_unit: bool = True) -> str:
    """Put a feature's machine name into words.

    Parameters
    ----------
    name : str
        ``{prompt}.{family}.{feature}.{statistic}``; any other name (a column of a plain table)
        only loses its underscores.
    unit : str, optional
        Unit of the value; taken from the feature's suffix when not given.
    with_unit : bool
        Whether the unit follows in parentheses.

    Examples
    --------
    >>> readable_feature("lymphocyte.shape.area_um2.median")
    'lymphocyte: area, median (µm²)'
    >>> readable_feature("lymphocyte.aggregate.density_per_mm2.total", unit="1/mm^2")
    'lymphocyte: density (per mm²)'
    >>> readable_feature("tumor_size", unit="cm")
    'tumor size (cm)'
    """
    parts = name.split(".")
    feature = parts[-1] if len(parts) < _FEATURE_PARTS else parts[-2]
    stem, suffix_unit = _split_unit(feature)
    shown = readable_unit(unit) if unit is not None else suffix_unit
    if parts[-1] == _WITHOUT_UNIT:
        shown = ""
    words = _FEATURE_WORDS.get(stem, _spaced(stem))
    if len(parts) >= _FEATURE_PARTS and parts[-1] != _WHOLE:
        words += f", {_WORDS.get(parts[-1], _spaced(parts[-1]))}"
    if len(parts) > 1:
        words = f"{_spaced(parts[0])}: {words}"
    return f"{words} ({shown})" if shown and with_unit else words


def format_number(value: float | None, *, digits: int = 3) -> str:
    """Round to `digits` significant figures; a dash where the number is undefined.

    Examples
    --------
    >>> format_number(0.012345), format_number(1234.5), format_number(float("nan"))
    ('0.0123', '1,234', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    magnitude = abs(value)
    if magnitude != 0 and not _TINY <= magnitude < _HUGE:
        return _scientific(value, digits=digits)
    if magnitude == 0:
        return "0"
    return _fixed(value, decimals=_decimals(magnitude, digits=digits))


def format_p(p: float | None) -> str:
    """Write a p-value (or an adjusted one) with two significant figures.

    Examples
    --------
    >>> format_p(0.0421), format_p(3.2e-7), format_p(None)
    ('0.042', '3.2×10⁻⁷', '–')
    """
    if p is None or not math.isfinite(p):
        return DASH
    if p >= 0.1:  # noqa: PLR2004 - two decimals suffice from here on
        return f"{p:.2f}"
    if p >= 0.001:  # noqa: PLR2004 - below it, powers of ten read better
        return f"{p:#.2g}"
    return "0" if p == 0 else _scientific(p, digits=2)


def format_interval(
    value: float | None, low: float | None, high: float | None, *, digits: int = 3
) -> str:
    """Write a value with its interval, all three with the same number of decimals.

    Examples
    --------
    >>> format_interval(1.523, 1.1, 2.104)
    '1.52 (1.10 to 2.10)'
    >>> format_interval(0.1, -0.02, 0.2, digits=2)
    '0.10 (−0.02 to 0.20)'
    """
    if value is None or not math.isfinite(value):
        return DASH
    finite = sorted(
        abs(one) for one in (value, low, high) if one is not None and math.isfinite(one)
    )
    middle = finite[len(finite) // 2]
    if middle != 0 and not _TINY <= middle < _HUGE:
        first, lower, upper = (format_number(one, digits=digits) for one in (value, low, high))
    else:
        decimals = _decimals(middle, digits=digits)
        first, lower, upper = (_fixed(one, decimals=decimals) for one in (value, low, high))
    return f"{first} ({lower} to {upper})"


def _decimals(magnitude: float, *, digits: int) -> int:
    """Count the decimals that show `digits` significant figures."""
    if magnitude == 0:
        return digits - 1
    return max(0, digits - 1 - int(f"{magnitude:.{digits - 1}e}".split("e")[1]))


def _fixed(value: float | None, *, decimals: int) -> str:
    """Write with a given number of decimals and a true minus sign; never minus zero."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _scientific(value: float, *, digits: int) -> str:
    """Write with a power of ten in superscript."""
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    power = str(int(exponent)).translate(_SUPERSCRIPTS)
    return f"{mantissa.replace('-', chr(0x2212))}×10{power}"


def _split_unit(feature: str) -> tuple[str, str]:
    """Separate a feature's stem from the unit that its suffix spells."""
    for suffix, unit in _SUFFIX_UNITS:
        if feature.endswith(suffix):
            return feature.removesuffix(suffix), unit
    return feature, ""


def _spaced(text: str) -> str:
    """Underscores become spaces."""
    return " ".join(text.replace("_", " ").split())


def join_words(words: Sequence[str]) -> str:
    """Join words with commas and a last "and".

    Examples
    --------
    >>> join_words(["a", "b", "c"]), join_words(["a"])
    ('a, b and c', 'a')
    """
    if len(words) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
