"""What the columns of the `region` and `til` families are. Text and numbers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.features.spatial.describe import POSITIVE, SHARE, column, spatial_laws

if TYPE_CHECKING:
    from pathexplain.features.columns import Column

__all__ = [
    "DESERT",
    "EXCLUDED",
    "INFLAMED",
    "LACUNARITY_UM",
    "LEAST_COMPONENT_UM2",
    "MARGIN_CUT_PER_MM2",
    "REGION_COLUMNS",
    "TIL_COLUMNS",
    "TUMOR_CUT_PER_MM2",
    "TUMOR_REACH_UM",
]

LEAST_COMPONENT_UM2 = 36 * 0.25**2
"""Smaller components are dropped: 36 pixels at 0.25 µm, the 40x at which the paper counts."""
LACUNARITY_UM = (40, 80, 160)
"""Sides of the gliding boxes."""
QUADRAT_UM = 250.0
"""Side of the squares over which the spatial entropy is taken."""
TUMOR_REACH_UM = 250.0
"""Stroma between tumor islands less than twice this apart is within the tumor's border."""
TUMOR_CUT_PER_MM2 = 100.0
"""Immune cells per mm² of tumor from which on a slide is inflamed."""
MARGIN_CUT_PER_MM2 = 300.0
"""Immune cells per mm² of the 100 µm around the tumor from which on it is excluded, if not
inflamed."""
DESERT, EXCLUDED, INFLAMED = 0.0, 1.0, 2.0

_PAPER = "Chen 2026, doi:10.1038/s43588-026-01042-5, section Methods"
_SHANNON = "Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x; Batty 1974"
_PLOTNICK = "Allain 1991, doi:10.1103/PhysRevA.44.3552; Plotnick 1996, doi:10.1103/PhysRevE.53.5461"
_SALGADO = "Salgado 2015, doi:10.1093/annonc/mdu450"
_CROFTON = "Crofton 1868, Phil Trans R Soc 158:181-199"
_OWN = "pathexplain docs/design.md, section 6"
_GONE = "the label image was not kept"
_NOTHING = "the prompt is absent"
_NO_TIL = "tumor, or stroma within its border, is absent"

REGION_COLUMNS: tuple[Column, ...] = (
    column("area_mm2", "mm^2", "Area under the mask", "sum of the objects' areas", POSITIVE,
           ("much of it", "little of it"), _OWN, kind="any", of="slide", across="sum"),
    column("instance_count", "count", "The paper's instance count",
           "8-connected components of the mask (touching objects are one) of at least 36 pixels "
           "at 0.25 um/px, 2.25 um^2", POSITIVE, ("many parts", "few parts"), _PAPER, kind="any",
           of="slide", across="sum", undefined=_GONE),
    column("instance_ratio", "1", "The paper's instance ratio",
           "mean over those components of area / area of the image", SHARE,
           ("large parts", "small parts"), _PAPER, kind="any", of="slide",
           laws=spatial_laws(but=("translation",)), undefined=f"no component, or {_GONE}"),
    column("instance_dispersion_um", "um", "The paper's instance dispersion",
           "largest distance between the centroids of two of those components", POSITIVE,
           ("scattered over the image", "in one place"), _PAPER, kind="any", of="slide",
           undefined=f"fewer than two components, or {_GONE}"),
    column("fragments_per_mm2", "1/mm^2", "Separate parts per area of tissue",
           "components as in instance_count / tissue area", POSITIVE,
           ("broken up", "in one piece"), _OWN, kind="any", of="slide", undefined=_GONE),
    column("largest_share", "1", "Share of the largest part",
           "area of the largest component / area of all", SHARE, ("in one piece", "broken up"),
           _OWN, kind="any", of="slide", undefined=f"no component, or {_GONE}"),
    column("boundary_mm", "mm", "Length of the boundary of the mask",
           "Crofton's formula in 4 directions over the crossings of mask and background",
           POSITIVE, ("long or ragged boundary", "short boundary"), _CROFTON, kind="any",
           of="slide", across="sum", undefined=_GONE),
    column("boundary_per_mm", "1/mm", "Boundary per area of the mask",
           "boundary_mm / area_mm2", POSITIVE, ("small or ragged parts", "large, smooth parts"),
           _CROFTON, kind="any", of="slide", weight="area_mm2",
           undefined=f"{_NOTHING}, or {_GONE}"),
    column("entropy", "1", "How evenly the mask is spread over the tissue",
           "- sum p log p / log q, p the share of the mask's area in each of the q squares of "
           f"{QUADRAT_UM:g} um with tissue, counted from the middle of the tissue", SHARE,
           ("spread evenly", "in one place"), _SHANNON, kind="any", of="slide",
           laws=spatial_laws(but=("rotation90", "flip")),
           undefined=f"{_NOTHING}, or fewer than two squares"),
    column("spread_um", "um", "Radius of gyration of the mask",
           "root mean square distance of the mask's area from its center", POSITIVE,
           ("scattered", "in one place"), _OWN, kind="any", of="slide", undefined=_NOTHING),
    *(
        column(f"lacunarity_{side}um", "1", f"Lacunarity of the mask in boxes of {side} um",
               "mean of s^2 / (mean of s)^2, s the area of the mask in a box that glides over "
               "coarse cells of about 4 um and lies in the tissue", (1.0, float("inf")),
               ("clumped, with large gaps", "spread without gaps"), _PLOTNICK, kind="any",
               of="slide", undefined=f"{_NOTHING}, or no box lies in the tissue")
        for side in LACUNARITY_UM
    ),
)  # fmt: skip

TIL_COLUMNS: tuple[Column, ...] = (
    column("stromal_percent", "%", "Stromal TIL percentage",
           "100 * area of immune cells outside the tumor / area of stroma and immune cells outside "
           "the tumor, within the border of the invasive tumor: the tumor mask closed by a disk of "
           f"{TUMOR_REACH_UM:g} um (masks of nuclei leave out cytoplasm and give less than masks "
           "of cells)", (0.0, 100.0), ("dense infiltrate in the stroma", "sparse infiltrate"),
           _SALGADO, kind="any", of="slide", weight="stroma_mm2", undefined=_NO_TIL),
    column("stroma_mm2", "mm^2", "Stroma within the tumor's border, immune cells included",
           "the denominator of stromal_percent", POSITIVE, ("much stroma", "little stroma"),
           _SALGADO, kind="any", of="slide", across="sum",
           undefined="a prompt was not assessed, or label images were not kept"),
    column("intratumoral_per_mm2", "1/mm^2", "Immune cells per area of tumor",
           "immune objects with their centroid in the tumor / area of tumor", POSITIVE,
           ("immune cells in the tumor", "none there"), _SALGADO, of="slide", weight="tumor_mm2",
           undefined="there is no tumor"),
    column("tumor_mm2", "mm^2", "Tumor in the tissue", "area of the tumor mask that is tissue",
           POSITIVE, ("much tumor", "little tumor"), _OWN, kind="any", of="slide", across="sum",
           undefined="the tumor was not assessed"),
    column("margin_per_mm2", "1/mm^2", "Immune cells in the 100 um around the tumor, per area",
           "immune objects 0 to 100 um outside the tumor's boundary / area of tissue there",
           POSITIVE, ("immune cells around the tumor", "none there"), _OWN, of="slide",
           weight="margin_mm2", undefined="there is no tumor, or no tissue around it"),
    column("margin_mm2", "mm^2", "Tissue in the 100 um around the tumor",
           "area of tissue 0 to 100 um outside the tumor's boundary", POSITIVE,
           ("a long margin", "a short margin"), _OWN, kind="any", of="slide", across="sum",
           undefined="the tumor was not assessed"),
    column("phenotype", "0 to 2", "Immune phenotype: 0 desert, 1 excluded, 2 inflamed",
           f"inflamed where intratumoral_per_mm2 >= {TUMOR_CUT_PER_MM2:g}; else excluded where "
           f"margin_per_mm2 >= {MARGIN_CUT_PER_MM2:g}; else desert. The cut-offs are a convention "
           "of pathexplain, not validated for any treatment; use the densities where you can",
           (DESERT, INFLAMED), ("inflamed", "desert"),
           "Chen 2017, doi:10.1038/nature21349 (the three phenotypes); cut-offs our own",
           of="slide", across="phenotype", undefined="there is no tumor, or no tissue around it"),
)  # fmt: skip
