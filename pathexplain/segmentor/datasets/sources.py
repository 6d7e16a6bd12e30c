"""What each public source annotates, and what a mask value means there.

One readable table. "Partially labelled" is the rule: a class that a source does not annotate is
unknown in its images, neither present nor absent. Licences are those of the source, and travel
into the model card.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SOURCES", "TILE_CLASSES", "Source"]


@dataclass(frozen=True)
class Source:
    """One source dataset.

    Attributes
    ----------
    licence : str
        Terms of the source, as published.
    is_open : bool
        Whether weights trained on it may be used without restriction.
    mask_values : mapping of object name to mask values
        Which values of the mask are the object; an empty tuple means every value above 0.
    ignore : tuple of int
        Mask values that nobody annotated.
    label_values : mapping of image label to object names
        Objects that fill the mask where the image carries that label, and, by omission, those that
        are certainly absent.
    uncertain : mapping of object name to mask values
        Objects never marked as such, but possible under these values; elsewhere they are absent.
    interior : str or None
        "nuclei" or "tissue" where the mask holds separate instances, so interiors can be learned.
    absent : tuple of str
        Objects that cannot occur in this source.
    assumed_mpp : float or None
        Used where nobody published one.
    weight, wide_weight : float
        Share of narrow and of wide training crops, relative to other sources.
    """

    licence: str
    is_open: bool
    mask_values: Mapping[str, tuple[int, ...]]
    ignore: tuple[int, ...] = ()
    label_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uncertain: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    interior: str | None = None
    absent: tuple[str, ...] = ("glomerulus", "metastasis")
    assumed_mpp: float | None = None
    weight: float = 1.0
    wide_weight: float = 1.0


_NUCLEUS: dict[str, tuple[int, ...]] = {"nucleus": ()}
_NC = "CC BY-NC-SA 4.0"

SOURCES: dict[str, Source] = {
    "glas": Source(
        "research only (Warwick-QU)",
        is_open=False,
        mask_values={"gland": ()},
        label_values={"benign": ("benign gland",), "malignant": ("malignant gland",)},
        interior="tissue",
        weight=1.0,
        wide_weight=6.0,
    ),
    "ebhi": Source(
        "CC BY 4.0",
        is_open=True,
        mask_values={"gland": ()},
        label_values={"normal": ("benign gland",), "adenocarcinoma": ("malignant gland",)},
        assumed_mpp=0.5,
        weight=0.5,
        wide_weight=3.0,
    ),
    "monuseg": Source(
        _NC,
        is_open=False,
        mask_values=_NUCLEUS,
        interior="nuclei",
        absent=(),
        weight=4.0,
        wide_weight=0.5,
    ),
    "tnbc": Source(
        "CC BY 4.0",
        is_open=True,
        mask_values=_NUCLEUS,
        interior="nuclei",
        weight=4.0,
        wide_weight=0.3,
    ),
    "cryonuseg": Source(
        _NC, is_open=False, mask_values=_NUCLEUS, absent=(), weight=3.0, wide_weight=0.3
    ),
    "dsb2018": Source(
        "CC0",
        is_open=True,
        mask_values=_NUCLEUS,
        interior="nuclei",
        assumed_mpp=0.4,
        weight=1.0,
        wide_weight=0.1,
    ),
    "nuinsseg": Source(
        "CC BY 4.0", is_open=True, mask_values=_NUCLEUS, weight=0.4, wide_weight=0.1
    ),
    "monusac": Source(
        _NC,
        is_open=False,
        mask_values={
            "epithelial": (1,),
            "lymphocyte": (2,),
            "neutrophil": (3,),
            "macrophage": (4,),
            "inflammatory": (2, 3, 4),
        },
        absent=(),
        weight=5.0,
        wide_weight=0.4,
    ),
    "crchisto": Source(
        "research only",
        is_open=False,
        mask_values={"nucleus": (), "epithelial": (1,), "inflammatory": (2,), "fibroblast": (3,)},
        uncertain={"lymphocyte": (2,), "neutrophil": (2,), "macrophage": (2, 4)},
        weight=1.5,
        wide_weight=0.3,
    ),
    "bcss_tumor": Source(
        "CC0", is_open=True, mask_values={"tumor": (1,)}, weight=0.3, wide_weight=1.5
    ),
    "bcss_regions": Source(
        "CC0, host with academic terms",
        is_open=False,
        mask_values={"tumor": (1,), "stroma": (2,), "lymphocytic infiltrate": (3,)},
        ignore=(0, 7, 15),
        weight=0.3,
        wide_weight=1.5,
    ),
    "camelyon": Source(
        "CC0",
        is_open=True,
        mask_values={"metastasis": (1,), "tumor": (1,)},
        absent=("glomerulus", "smooth muscle", "normal mucosa"),
        assumed_mpp=0.7,
        weight=0.3,
        wide_weight=2.5,
    ),
    "ocdc": Source(
        "CC BY 4.0", is_open=True, mask_values={"tumor": (1,)}, weight=0.3, wide_weight=1.5
    ),
    "glomeruli": Source(
        "CC BY 4.0",
        is_open=True,
        mask_values={"glomerulus": (1,)},
        interior="tissue",
        absent=("metastasis", "normal mucosa", "adipose"),
        weight=0.3,
        wide_weight=3.0,
    ),
    "crc_tiles": Source("CC BY 4.0", is_open=True, mask_values={}, weight=3.0, wide_weight=6.0),
    "phantom": Source(
        "Apache-2.0 (synthetic)", is_open=True, mask_values={}, weight=1.0, wide_weight=0.7
    ),
}

TILE_CLASSES: dict[str, str] = {
    "adipose": "adipose",
    "lymphocytes": "lymphocytic infiltrate",
    "mucus": "mucus",
    "smooth muscle": "smooth muscle",
    "normal colon mucosa": "normal mucosa",
    "cancer-associated stroma": "stroma",
    "colorectal adenocarcinoma epithelium": "tumor",
    "background": "background",
    "debris": "necrosis",
}
