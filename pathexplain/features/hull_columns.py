"""Columns of the `shape` family on the convex hull, on form factors, holes and pieces.

Text and numbers only; `shape` computes them.
"""

from __future__ import annotations

from math import inf

from pathexplain.features.columns import Column, also_in
from pathexplain.features.shape_columns import CROFTON, GRAY, LINE, RUSS, shape_column

__all__ = ["FORM_COLUMNS", "HULL_COLUMNS"]

HULL_COLUMNS: tuple[Column, ...] = (
    shape_column(
        "convex_area_um2",
        "um^2",
        "Area of the convex hull, by pixel count",
        "Ac = (pixel centers in or on the hull of the object's pixel centers, by Pick's theorem) "
        "* mpp^2",
        (0, inf),
        ("large reach", "small reach"),
        RUSS,
        min_pixels=9,
        resolution=(0.22, 0),
        peers=also_in(
            histomicstk="Size.ConvexHullArea | in pixels, hull of pixel corners",
            cellprofiler="AreaShape_ConvexArea | in pixels, hull of pixel corners",
            squidpy="area_convex | in pixels, hull of pixel corners",
        ),
    ),
    shape_column(
        "convex_perimeter_um",
        "um",
        "Perimeter of the convex hull",
        "Pc = pi/4 * mpp * (E0 + E90 + (E45 + E135) / sqrt 2), E = extent along one direction "
        "(Crofton, 4 directions)",
        (0, inf),
        ("large reach", "small reach"),
        CROFTON,
        min_pixels=9,
        resolution=(0.15, 0),
    ),
    shape_column(
        "solidity",
        "1",
        "Share of the convex hull that the object fills; 1 for every digitized convex shape",
        "A / Ac",
        (0, 1),
        ("convex, compact", "indented, branched or with holes"),
        RUSS,
        min_pixels=30,
        resolution=(0.11, 0),
        kind="any",
        peers=also_in(
            histomicstk="Shape.Solidity | below 1 for convex shapes",
            cellprofiler="AreaShape_Solidity | below 1 for convex shapes",
            sc_mtop="Solidity | below 1 for convex shapes",
            squidpy="solidity | below 1 for convex shapes",
            qupath="Solidity | of the polygon",
        ),
    ),
    shape_column(
        "convexity",
        "1",
        "Perimeter of the convex hull over the perimeter; both by Crofton in four directions",
        "Pc / P; may exceed 1 slightly where a tip is one diagonal pixel wide",
        (0, 1.2),
        ("smooth boundary without indentations", "ragged boundary or holes"),
        RUSS,
        min_pixels=30,
        resolution=(0.06, 0),
        kind="any",
        undefined=f"{LINE}, or it is in several pieces",
    ),
    shape_column(
        "extent",
        "1",
        "Share of the upright bounding box that the object fills",
        "A / (box height * box width)",
        (0, 1),
        ("fills its box", "diagonal, curved or branched"),
        RUSS,
        min_pixels=9,
        resolution=(0.35, 0),
        peers=also_in(
            histomicstk="Shape.Extent",
            cellprofiler="AreaShape_Extent",
            sc_mtop="Extent",
            squidpy="extent",
        ),
    ),
    shape_column(
        "rectangularity",
        "1",
        "Share of the smallest rectangle around the object, at any angle, that it fills",
        "A / (smallest area of a rectangle around the pixel centers, 1 px added to both sides)",
        (0, 1.1),
        ("rectangle-like", "round (pi / 4), branched or with holes"),
        "Freeman 1975, doi:10.1145/360881.360919",
        min_pixels=30,
        resolution=(0.32, 0),
    ),
    shape_column(
        "feret_max_um",
        "um",
        "Largest caliper (Feret) diameter",
        "(largest distance of two pixel centers + 1 px) * mpp",
        (0, inf),
        ("long object", "short object"),
        RUSS,
        min_pixels=9,
        resolution=(0.13, 0),
        peers=also_in(
            cellprofiler="AreaShape_MaxFeretDiameter | in pixels",
            squidpy="feret_diameter_max | in pixels, of a rasterized hull",
            qupath="Max diameter um | of the polygon",
        ),
    ),
    shape_column(
        "feret_min_um",
        "um",
        "Smallest caliper (Feret) diameter",
        "(smallest width of the hull of pixel centers between parallels + 1 px) * mpp",
        (0, inf),
        ("broad object", "thin object"),
        f"{RUSS}; Freeman 1975, doi:10.1145/360881.360919",
        min_pixels=9,
        resolution=(0.28, 0),
        peers=also_in(
            cellprofiler="AreaShape_MinFeretDiameter | in pixels",
            qupath="Min diameter um | of the polygon",
        ),
    ),
)

FORM_COLUMNS: tuple[Column, ...] = (
    shape_column(
        "circularity",
        "1",
        "Form factor: 1 for a disk (up to 1.03 at small sizes), less for any other shape",
        "4 * pi * A / P^2, P by Crofton",
        (0, 1.2),
        ("round and smooth", "elongated, ragged or with holes"),
        RUSS,
        min_pixels=30,
        resolution=(0.25, 0),
        kind="any",
        peers=also_in(
            histomicstk="Shape.Circularity | chain perimeter: 1.29 to 0.91 for a disk by its size",
            cellprofiler="AreaShape_FormFactor, AreaShape_Compactness | chain perimeter",
            sc_mtop="Circularity | chain perimeter",
            qupath="Circularity | of the polygon",
        ),
    ),
    shape_column(
        "irregularity",
        "1",
        "Irregularity as PathSegmentor defines it, perimeter by counting boundary pixels",
        "1 - 4 * pi * A / B^2, A in pixels, B = object pixels with a 4-neighbor outside; a digital "
        "disk has about -0.23, since a pixel count is shorter than the arc",
        (-inf, 1),
        ("ragged, elongated or with holes", "compact"),
        "Chen 2025, arXiv:2506.20988, eq. 19; doi:10.1038/s43588-026-01042-5",
        min_pixels=30,
        resolution=(0, 0.68),
        kind="any",
    ),
    shape_column(
        "n_pieces",
        "count",
        "Number of 8-connected pieces of the object",
        "Euler number + n_holes",
        (1, inf),
        ("an object in pieces: look at the mask", "one piece"),
        GRAY,
        min_pixels=1,
        resolution=(0, 0),
        kind="any",
        undefined="",
        peers=also_in(cellprofiler="AreaShape_EulerNumber | pieces minus holes"),
    ),
    shape_column(
        "n_holes",
        "count",
        "Number of holes: 4-connected background that the object encloses",
        "count of enclosed components; other objects inside count as background",
        (0, inf),
        ("lumina, vacuoles or a porous mask", "filled"),
        GRAY,
        min_pixels=9,
        resolution=(0, 0),
        kind="any",
        undefined="",
        peers=also_in(
            cellprofiler="AreaShape_EulerNumber | pieces minus holes",
            squidpy="euler_number | pieces minus holes",
        ),
    ),
    shape_column(
        "hole_share",
        "1",
        "Share of the filled object that is hole (luminal share of a gland)",
        "H / (A + H), H = pixels of the holes",
        (0, 1),
        ("wide lumen", "filled"),
        GRAY,
        min_pixels=9,
        resolution=(0, 0),
        kind="any",
        undefined="",
    ),
)
