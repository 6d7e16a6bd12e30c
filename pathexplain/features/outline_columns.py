"""Columns of the `shape` family on the outline: Fourier descriptors, curvature, fractal dimension.

Text and numbers only; `shape` computes them.
"""

from __future__ import annotations

from math import inf

from pathexplain.features.columns import Column, also_in
from pathexplain.features.shape_columns import LINE, shape_column

__all__ = ["OUTLINE_COLUMNS"]

_PIECES = f"{LINE}, or it is in several pieces"
_KUHL = "Kuhl 1982, doi:10.1016/0146-664X(82)90034-X"
_YOUNG = f"Young 1974, Information and Control 25:357-370; {_KUHL}"
_WAVES = {2: "egg or bean", 3: "triangle", 4: "square", 5: "five lobes", 6: "six lobes"}

_FOURIER: tuple[Column, ...] = (
    shape_column(
        "fourier_low",
        "1",
        "Coarse deviation of the outline from a circle (elongation excluded)",
        "sqrt(sum |c(k)|^2, 2 <= |k| <= 4) / |c(1)|, c = Fourier coefficients of x + iy along the "
        "outer contour by arc length",
        (0, inf),
        ("lobed or indented outline", "ellipse-like outline"),
        _KUHL,
        min_pixels=100,
        resolution=(0, 0.03),
        grid=1e-6,
        undefined=_PIECES,
        peers=also_in(histomicstk="Shape.FSD1 to FSD6 | six other bands of the power spectrum"),
    ),
    shape_column(
        "fourier_high",
        "1",
        "Fine deviation of the outline from a circle",
        "sqrt(sum |c(k)|^2, 5 <= |k| <= 10) / |c(1)|",
        (0, inf),
        ("ragged outline", "smooth outline"),
        _KUHL,
        min_pixels=100,
        resolution=(0, 0.03),
        grid=1e-6,
        undefined=_PIECES,
        peers=also_in(histomicstk="Shape.FSD1 to FSD6 | six other bands of the power spectrum"),
    ),
    *(
        shape_column(
            f"fourier_{k}",
            "1",
            f"Harmonic {k} of the outline, relative to the circle: {_WAVES[k]}",
            f"sqrt(|c({k})|^2 + |c(-{k})|^2) / |c(1)|, c as in fourier_low",
            (0, inf),
            (f"outline like: {_WAVES[k]}", "no such wave"),
            _KUHL,
            min_pixels=100,
            resolution=(0, 0.03),
            grid=1e-6,
            undefined=_PIECES,
            peers=also_in(histomicstk="Shape.FSD1 to FSD6 | six bands of the power spectrum"),
        )
        for k in _WAVES
    ),
)

_CURVATURE: tuple[Column, ...] = (
    shape_column(
        "curvature_abs_mean_per_um",
        "1/um",
        "Mean absolute curvature of the outer contour, smoothed to 6 harmonics",
        "mean over arc length of |k|, k = (x' y'' - y' x'') / (x'^2 + y'^2)^1.5; 1 / r for a disk",
        (0, inf),
        ("small or strongly bent", "large and smooth"),
        _KUHL,
        min_pixels=150,
        resolution=(0.17, 0),
        grid=0.02,
        undefined=_PIECES,
        peers=also_in(sc_mtop="CurvMean | of the signed curvature, in 1/px"),
    ),
    shape_column(
        "curvature_sd_per_um",
        "1/um",
        "Standard deviation of the signed curvature along the outer contour, 6 harmonics",
        "sd over arc length of k; 0 for a disk",
        (0, inf),
        ("corners, tips and indentations", "evenly bent"),
        _KUHL,
        min_pixels=150,
        resolution=(0, 0.12),
        grid=0.02,
        undefined=_PIECES,
        peers=also_in(sc_mtop="CurvStd | in 1/px"),
    ),
    shape_column(
        "curvature_max_per_um",
        "1/um",
        "Largest curvature of the outer contour, 6 harmonics: its sharpest tip",
        "max over 64 points of k",
        (0, inf),
        ("a sharp tip", "blunt everywhere"),
        _KUHL,
        min_pixels=150,
        resolution=(0, 0.5),
        grid=0.05,
        undefined=_PIECES,
        peers=also_in(sc_mtop="CurvMax | in 1/px"),
    ),
    shape_column(
        "curvature_min_per_um",
        "1/um",
        "Smallest curvature of the outer contour, 6 harmonics: its deepest indentation",
        "min over 64 points of k; negative where the contour bends inwards",
        (-inf, inf),
        ("convex everywhere", "a sharp notch (negative)"),
        _KUHL,
        min_pixels=150,
        resolution=(0, 0.3),
        grid=0.05,
        undefined=_PIECES,
        peers=also_in(sc_mtop="CurvMin | in 1/px"),
    ),
    shape_column(
        "bending_energy_per_um2",
        "1/um^2",
        "Bending energy of the outer contour per length, 6 harmonics",
        "mean over arc length of k^2; 1 / r^2 for a disk",
        (0, inf),
        ("small, folded or spiky outline", "large and smooth"),
        _YOUNG,
        min_pixels=150,
        resolution=(0.36, 0),
        grid=0.05,
        undefined=_PIECES,
    ),
    shape_column(
        "concave_share",
        "1",
        "Share of the outer contour that bends inwards, 6 harmonics",
        "arc length with k < 0 / arc length",
        (0, 1),
        ("lobed, indented or bean-shaped", "convex outline"),
        _KUHL,
        min_pixels=150,
        resolution=(0, 0.28),
        grid=0.02,
        undefined=_PIECES,
    ),
    shape_column(
        "n_concavities",
        "count",
        "Number of inward bends of the outer contour, 6 harmonics",
        "stretches of the 64 points with k < 0",
        (0, 32),
        ("lobed or folded", "convex (0) or bean-shaped (1)"),
        _KUHL,
        min_pixels=150,
        resolution=(0, 4),
        grid=0,
        grid_absolute=1,
        undefined=_PIECES,
    ),
    shape_column(
        "fractal_dimension",
        "1",
        "Box-counting dimension of the boundary over 1 to 8 px, holes included",
        "-slope of log N(s) on log s, s = 1, 2, 4, 8 px, N(s) = boxes of side s with corners at "
        "pixel centers that the boundary passes through, mean over all positions of the grid; 1 "
        "for a straight edge",
        (0, 2),
        ("ragged at every scale", "smooth, or small: 8 px is then most of the object"),
        "Mandelbrot 1967, doi:10.1126/science.156.3775.636; "
        "Liebovitch 1989, doi:10.1016/0375-9601(89)90854-2",
        min_pixels=200,
        resolution=(0, 0.07),
        undefined=f"{LINE}, or its box is above 2^24 pixels",
        peers=also_in(
            histomicstk="Shape.FractalDimension | of the filled mask, one position of the grid"
        ),
    ),
)

OUTLINE_COLUMNS: tuple[Column, ...] = (*_FOURIER, *_CURVATURE)
