"""Columns of the `shape` family on moments: invariants of Hu and magnitudes of Zernike moments.

Text and numbers only; `shape` computes them.
"""

from __future__ import annotations

from math import inf

from pathexplain.features.columns import Column, also_in
from pathexplain.features.shape_columns import shape_column
from pathexplain.features.zernike_kernels import ZERNIKE

__all__ = ["HU_COLUMNS", "ZERNIKE_COLUMNS"]

_HU = "Hu 1962, doi:10.1109/TIT.1962.1057692"
_KHOTANZAD = "Khotanzad 1990, doi:10.1109/34.55109"

_HU_TEXT: tuple[tuple[str, str, tuple[str, str], tuple[float, float]], ...] = (
    (
        "spread of the object about its center",
        "n20 + n02, n = central moments of pixel centers / A^2; 1 / (2 pi) = 0.159 for a disk",
        ("elongated, branched or hollow", "compact, disk-like"),
        (0.25, 0),
    ),
    (
        "elongation",
        "(n20 - n02)^2 + 4 * n11^2",
        ("elongated", "equal in all directions"),
        (0, 0.028),
    ),
    (
        "three-fold asymmetry",
        "(n30 - 3 * n12)^2 + (3 * n21 - n03)^2",
        ("triangular or lopsided", "symmetric under half a turn"),
        (0, 0.0052),
    ),
    (
        "lopsidedness",
        "(n30 + n12)^2 + (n21 + n03)^2",
        ("lopsided, pear-shaped", "symmetric under half a turn"),
        (0, 0.0021),
    ),
    (
        "asymmetry, signed product of the third and fourth",
        "(n30 - 3 n12)(n30 + n12)[(n30 + n12)^2 - 3 (n21 + n03)^2] + "
        "(3 n21 - n03)(n21 + n03)[3 (n30 + n12)^2 - (n21 + n03)^2]",
        ("lopsided along its three-fold part", "symmetric, or lopsided against it"),
        (0, 1.2e-5),
    ),
    (
        "lopsidedness along the long axis, signed",
        "(n20 - n02)[(n30 + n12)^2 - (n21 + n03)^2] + 4 n11 (n30 + n12)(n21 + n03)",
        ("lopsided along its long axis", "symmetric, or lopsided across it"),
        (0, 4.6e-4),
    ),
    (
        "chirality, without its sign so that a mirror image has the same",
        "|(3 n21 - n03)(n30 + n12)[(n30 + n12)^2 - 3 (n21 + n03)^2] - "
        "(n30 - 3 n12)(n21 + n03)[3 (n30 + n12)^2 - (n21 + n03)^2]|",
        ("differs from its mirror image", "like its mirror image"),
        (0, 2.5e-7),
    ),
)
_SIGNED = (5, 6)
_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh")

HU_COLUMNS: tuple[Column, ...] = tuple(
    shape_column(
        f"hu_{k}",
        "1",
        f"{_ORDINALS[k - 1]} moment invariant of Hu, scale-free: {what}",
        formula,
        (-inf if k in _SIGNED else 0, inf),
        high_low,
        _HU,
        min_pixels=30,
        resolution=resolution,
        grid=1e-9 if k == 1 else 1e-6,
        peers=also_in(
            histomicstk=f"Shape.HuMoments{k}" + (" | signed" if k == len(_HU_TEXT) else ""),
            cellprofiler=f"AreaShape_HuMoment_{k - 1}"
            + (" | signed" if k == len(_HU_TEXT) else ""),
            squidpy=f"moments_hu-{k - 1}" + (" | signed" if k == len(_HU_TEXT) else ""),
        ),
    )
    for k, (what, formula, high_low, resolution) in enumerate(_HU_TEXT, start=1)
)


def _zernike_column(n: int, m: int) -> Column:
    """Column of one Zernike moment."""
    waves = f"{m}-fold symmetry" if m else "rotation-symmetric part"
    return shape_column(
        f"zernike_{n}_{m}",
        "1",
        f"Zernike moment of the form, order {n}, repetition {m}: {waves}",
        f"|{n + 1} / pi * mean over pixel centers of R_{n},{m}(r) exp(-i {m} t)|, r and t about "
        "the centroid, r = 1 at the farthest pixel center + 1/2 px",
        (0, (n + 1) / 3.14159),
        (f"{waves} at {(n - m) // 2} radial nodes is strong", "weak"),
        _KHOTANZAD,
        min_pixels=100,
        resolution=(0, 0.1 if m else 0.145),
        grid=1e-6,
        peers=also_in(
            cellprofiler=f"AreaShape_Zernike_{n}_{m} | about the smallest enclosing circle"
        ),
    )


ZERNIKE_COLUMNS: tuple[Column, ...] = tuple(_zernike_column(n, m) for n, m in ZERNIKE)
