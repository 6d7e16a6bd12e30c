"""What the columns of the `texture` family are: Haralick features, binary patterns, granularity.

Text and numbers only; `texture` computes them. All are of the hematoxylin density of the object's
own pixels.
"""

from __future__ import annotations

from pathexplain.features.columns import Column, Law, LawName, Peer, also_in
from pathexplain.features.haralick_kernels import HARALICK, N_LEVELS
from pathexplain.features.texture_kernels import LBP_BINS, N_GRAINS

__all__ = [
    "GRAINS_UM",
    "LBP_RADIUS_UM",
    "LEVEL_WIDTH",
    "PAIR_DISTANCE_UM",
    "TEXTURE_COLUMNS",
]

LEVEL_WIDTH = 0.075
"""Optical density of one gray level: 16 levels from 0 to 1.2 OD, the same for all slides."""
PAIR_DISTANCE_UM = 0.5
LBP_RADIUS_UM = 0.5
GRAINS_UM = (0.5, 1.0, 1.5, 2.0)
"""Distances; in pixels they are rounded, and at least 1."""

_HARALICK = "Haralick 1973, doi:10.1109/TSMC.1973.4309314"
_OJALA = "Ojala 2002, doi:10.1109/TPAMI.2002.1017623"
_MARAGOS = "Maragos 1989, doi:10.1109/34.192465"
_BOX = "its box is above 2^24 pixels"
_FEW_PAIRS = f"fewer than 20 pairs in one direction, or {_BOX}"
_ONE_LEVEL = f"one single gray level in one direction, {_FEW_PAIRS}"
_GRID: tuple[LawName, ...] = ("rotation90", "flip", "translation", "relabel")
_TOLERANCE = 1e-6

_MOST = N_LEVELS - 1
_FEATURES: dict[str, tuple[str, str, str, tuple[float, float], tuple[str, str], str]] = {
    "asm": ("Angular second moment, uniformity", "sum p^2", "1", (0, 1),
            ("one gray level", "many gray levels"), "AngularSecondMoment"),
    "contrast": ("Contrast of neighbors", "sum (i - j)^2 p", "1", (0, _MOST**2),
                 ("coarse, speckled chromatin", "smooth chromatin"), "Contrast"),
    "correlation": ("Correlation of neighbors", "(sum i j p - m^2) / s^2", "1", (-1, 1),
                    ("gradual change, large clumps", "speckle, noise"), "Correlation"),
    "variance": ("Variance of gray levels (sum of squares)", "sum (i - m)^2 p", "1",
                 (0, _MOST**2 / 4), ("uneven", "even"), "Variance"),
    "idm": ("Inverse difference moment, homogeneity", "sum p / (1 + (i - j)^2)", "1", (0, 1),
            ("smooth chromatin", "coarse, speckled chromatin"), "InverseDifferenceMoment"),
    "sum_average": ("Mean of the sum of a pair", "sum (i + j) p", "1", (0, 2 * _MOST),
                    ("dark", "pale"), "SumAverage"),
    "sum_variance": ("Variance of the sum of a pair", "var(i + j)", "1", (0, _MOST**2),
                     ("large dark and pale areas", "even"), "SumVariance"),
    "sum_entropy": ("Entropy of the sum of a pair", "-sum P log2 P, P of i + j", "bit", (0, 5),
                    ("disordered", "ordered"), "SumEntropy"),
    "entropy": ("Entropy of pairs", "-sum p log2 p", "bit", (0, 8),
                ("disordered chromatin", "ordered, even chromatin"), "Entropy"),
    "difference_variance": ("Variance of the difference of a pair", "var(|i - j|)", "1",
                            (0, _MOST**2 / 4), ("sharp edges among smooth areas", "alike"),
                            "DifferenceVariance"),
    "difference_entropy": ("Entropy of the difference of a pair", "-sum P log2 P, P of |i - j|",
                           "bit", (0, 4), ("edges of every height", "edges alike"),
                           "DifferenceEntropy"),
    "imc1": ("First information measure of correlation", "(entropy - 2 H) / H, H = entropy of "
             "single levels", "1", (-1, 0.000001), ("neighbors independent (0)",
                                                    "neighbors determine each other (-1)"),
             "InfoMeas1"),
    "imc2": ("Second information measure of correlation", "sqrt(1 - exp(-2 (2 H - entropy)))",
             "1", (0, 1), ("neighbors determine each other", "neighbors independent"),
             "InfoMeas2"),
}  # fmt: skip
_HTK = {
    "asm": "ASM",
    "variance": "SumOfSquares",
    "idm": "IDM",
    "imc1": "IMC1",
    "imc2": "IMC2",
}
_QUPATH = dict(zip(_FEATURES, range(13), strict=True))
_SC_MTOP = {
    "asm": "ASM",
    "contrast": "Contrast",
    "correlation": "Correlation",
    "entropy": "Entropy",
    "idm": "Homogeneity",
}
_SQUIDPY = {
    "asm": "ASM",
    "contrast": "contrast",
    "correlation": "correlation",
    "idm": "homogeneity",
}


def _camel(name: str) -> str:
    """Turn "sum_average" into "SumAverage"."""
    return "".join(part.capitalize() for part in name.split("_"))


def _peers(name: str, summary: str) -> tuple[Peer, ...]:
    """Who else has a Haralick feature."""
    htk = f"Nucleus.Haralick.{_HTK.get(name, _camel(name))}"
    if summary == "range":
        return also_in(histomicstk=f"{htk}.Range | 8-bit intensity, background pairs counted")
    cellprofiler = _FEATURES[name][5]
    gray = "gray levels of the box, background pairs counted"
    return also_in(
        histomicstk=f"{htk}.Mean | 8-bit intensity, background pairs counted",
        cellprofiler=f"Texture_{cellprofiler} | a column a direction, 256 levels, 3 px",
        sc_mtop=f"{_SC_MTOP[name]} | {gray}" if name in _SC_MTOP else "",
        squidpy=f"texture {_SQUIDPY[name]} | of a spot, not an object" if name in _SQUIDPY else "",
        qupath=f"Haralick F{_QUPATH[name]} | 32 levels between chosen limits",
    )


def _haralick_column(name: str, summary: str) -> Column:
    """Column of one Haralick feature: mean or range over the four directions."""
    what, formula, unit, (low, high), (high_text, low_text), _ = _FEATURES[name]
    is_mean = summary == "mean"
    undefined = _ONE_LEVEL if name in {"correlation", "imc1"} else _FEW_PAIRS
    return Column(
        name=f"haralick_{name}_{summary}",
        unit=unit,
        definition=f"{what} of hematoxylin: "
        + ("mean over four directions" if is_mean else "range over four directions"),
        formula=f"{formula}; p = symmetric co-occurrence of {N_LEVELS} levels of {LEVEL_WIDTH} OD "
        f"from 0 at {PAIR_DISTANCE_UM} um (rounded to px, at least 1; along diagonals in both "
        "axes), both pixels in the object",
        bounds=(low, high) if is_mean else (0, high - low),
        high=high_text if is_mean else "directed, striped chromatin",
        low=low_text if is_mean else "alike in all directions",
        source=_HARALICK,
        min_pixels=60,
        undefined=undefined,
        laws=tuple(Law(law, _TOLERANCE) for law in _GRID),
        peers=_peers(name, summary),
    )


def _pattern_column(k: int) -> Column:
    """Column of one local binary pattern."""
    other = LBP_BINS - 1
    meaning = {
        0: "lone dark spots",
        4: "straight edges",
        8: "flat areas and lone pale spots",
        other: "irregular noise",
    }.get(k, "bent edges: corners of pale areas" if k > 4 else "bent edges: corners of dark areas")  # noqa: PLR2004  # half of the neighbors
    what = "no uniform pattern" if k == other else f"{k} of 8 neighbors at least as dark in one arc"
    return Column(
        name=f"lbp_{k}",
        unit="1",
        definition=f"Share of pixels with a local binary pattern of hematoxylin: {what}",
        formula=f"share of pixels whose square of {LBP_RADIUS_UM} um (rounded to px, at least 1) "
        "is inside; neighbors at 8 angles on the circle, bilinear, at least as dense as the pixel; "
        f"uniform: at most 2 changes around the circle; bin {other}: all others",
        bounds=(0, 1),
        high=f"many {meaning}",
        low=f"few {meaning}",
        source=_OJALA,
        min_pixels=60,
        undefined=f"fewer than 20 such pixels, or {_BOX}",
        laws=tuple(Law(law, _TOLERANCE) for law in (*_GRID, "intensity_scale")),
        peers=also_in(qupath="Local binary patterns | of a square around the object"),
    )


def _grain_column(k: int) -> Column:
    """Column of one step of the granularity spectrum."""
    size = GRAINS_UM[k]
    return Column(
        name=f"granularity_{k + 1}",
        unit="1",
        definition=f"Share of hematoxylin in grains narrower than {2 * size:g} um",
        formula=f"1 - sum opened / sum C; C = max(density, 0), opened by a square of half side "
        f"{size:g} um (rounded to px, at least 1) that ends at the object's edge",
        bounds=(0, 1),
        high=f"chromatin in clumps below {2 * size:g} um",
        low="even chromatin, or larger clumps",
        source=_MARAGOS,
        min_pixels=60,
        undefined=f"no density above 0, or {_BOX}",
        laws=tuple(Law(law, _TOLERANCE) for law in _GRID),
        peers=also_in(
            cellprofiler=f"Granularity_{k + 1} | of the whole image after background subtraction"
        ),
    )


TEXTURE_COLUMNS: tuple[Column, ...] = (
    *(_haralick_column(name, "mean") for name in HARALICK),
    *(_haralick_column(name, "range") for name in HARALICK),
    *(_pattern_column(k) for k in range(LBP_BINS)),
    *(_grain_column(k) for k in range(N_GRAINS)),
)
