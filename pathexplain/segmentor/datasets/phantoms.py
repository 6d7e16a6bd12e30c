"""Phantom tissue as a training source: every nucleus typed, every gland known, free to use.

The look is drawn anew for each field, over a wider range than a phantom cohort has, from seeds that
no cohort uses.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pathexplain.phantom import PhantomTissue, TissueParams, tissue
from pathexplain.segmentor.datasets.reading import Field, Record, interior_depth

__all__ = ["phantom_fields"]

_SEED = 7_700_000
_SIDE_UM = 192
_ELSEWHERE = ("glomerulus", "metastasis", "neutrophil", "macrophage", "adipose", "necrosis")
_NUCLEI = ("epithelial", "lymphocyte", "fibroblast")


def phantom_fields(n_fields: int, *, seed: int, mpp: float, split: str = "train") -> list[Field]:
    """Make `n_fields` fields of 192 × 192 µm with targets for nuclei, their types, and glands.

    Examples
    --------
    >>> (field,) = phantom_fields(1, seed=0, mpp=0.5)
    >>> sorted(field.targets)
    ['epithelial', 'fibroblast', 'gland', 'lymphocyte', 'nucleus']
    """
    rng = np.random.default_rng([seed, _SEED, split == "train"])
    side_px = round(_SIDE_UM / mpp)
    return [
        _field(
            tissue(
                _look(rng),
                seed=_SEED + int(rng.integers(1 << 20)),
                shape_px=(side_px, side_px),
                mpp=mpp,
            ),
            split=split,
        )
        for _ in range(n_fields)
    ]


def _look(rng: np.random.Generator) -> TissueParams:
    """Draw what one field looks like."""
    return TissueParams(
        nuclear_area_um2=float(rng.uniform(26, 70)),
        nuclear_area_cv=float(rng.uniform(0.1, 0.4)),
        irregularity=float(rng.uniform(0.0, 0.12)),
        vesicular=float(rng.uniform(0.1, 0.8)),
        layers=float(rng.uniform(1.0, 3.0)),
        gland_radius_um=float(rng.uniform(32, 60)),
        glands_per_mm2=float(rng.uniform(30, 110)),
        lymphocytes_per_mm2=float(rng.uniform(100, 3500)),
        fibroblasts_per_mm2=float(rng.uniform(200, 1800)),
        hematoxylin=float(rng.uniform(0.75, 1.3)),
        eosin=float(rng.uniform(0.7, 1.3)),
        hue=float(rng.uniform(-0.08, 0.08)),
    )


def _field(made: PhantomTissue, *, split: str) -> Field:
    """One phantom as a training field."""
    kinds = np.array(["", *made.nucleus_kind])[made.nuclei]
    targets = {name: (kinds == name).astype(np.uint8) for name in _NUCLEI}
    targets["nucleus"] = (made.nuclei > 0).astype(np.uint8)
    targets["gland"] = (made.glands > 0).astype(np.uint8)
    record = Record("phantom", Path("phantom"), None, "phantom", made.mpp, "colon", "", split, "")
    absent = (*_ELSEWHERE, *(name for name, plane in targets.items() if not plane.any()))
    depth = interior_depth(made.nuclei)
    return Field(record, made.image, targets, depth, "nuclei", absent, made.mpp, made.nuclei)
