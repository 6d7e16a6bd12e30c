"""What the columns of the `shape` family are: size and axes, and how such a column is declared.

Text and numbers only; `shape` computes them. See `hull_columns`, `outline_columns` and
`moment_columns` for the others.
"""

from __future__ import annotations

from math import inf

from pathexplain.features.columns import Column, Kind, Law, Peer, also_in

__all__ = ["AXIS_COLUMNS", "CROFTON", "GRAY", "LINE", "RUSS", "SIZE_COLUMNS", "shape_column"]

LINE = "its pixel centers lie on one line"
RUSS = "Russ 2015, The Image Processing Handbook, ISBN 9781498740265"
CROFTON = "Crofton 1868, Phil Trans R Soc 158:181-199; Legland 2007, doi:10.5566/ias.v26.p83-92"
_TEAGUE = "Teague 1980, doi:10.1364/JOSA.70.000920"
_CELLPROFILER = "Carpenter 2006, doi:10.1186/gb-2006-7-10-r100"
GRAY = "Gray 1971, doi:10.1109/T-C.1971.223289"


def shape_column(  # noqa: PLR0913  # one argument a field of Column
    name: str,
    unit: str,
    definition: str,
    formula: str,
    bounds: tuple[float, float],
    high_low: tuple[str, str],
    source: str,
    *,
    min_pixels: int,
    resolution: tuple[float, float],
    grid: float = 1e-9,
    grid_absolute: float = 0.0,
    kind: Kind = "instances",
    undefined: str = LINE,
    peers: tuple[Peer, ...] = (),
) -> Column:
    """Build a column; shape columns are instance-only and undefined for lines unless said.

    `resolution` is the relative and the absolute tolerance across resolutions, `grid` and
    `grid_absolute` those of moves on the pixel grid.
    """
    exact = tuple(
        Law(law, grid, grid_absolute) for law in ("rotation90", "flip", "translation", "relabel")
    )
    return Column(
        name=name,
        unit=unit,
        definition=definition,
        formula=formula,
        bounds=bounds,
        high=high_low[0],
        low=high_low[1],
        source=source,
        kind=kind,
        min_pixels=min_pixels,
        undefined=undefined,
        laws=(*exact, Law("resolution", *resolution)),
        peers=peers,
    )


SIZE_COLUMNS: tuple[Column, ...] = (
    shape_column(
        "area_um2",
        "um^2",
        "Area of the object",
        "A = pixel count * mpp^2",
        (0, inf),
        ("large object", "small object"),
        RUSS,
        min_pixels=1,
        resolution=(0.22, 0),
        kind="any",
        undefined="",
        peers=also_in(
            histomicstk="Size.Area | in pixels",
            cellprofiler="AreaShape_Area | in pixels",
            sc_mtop="Area | in pixels",
            squidpy="area | in pixels",
            qupath="Area um^2 | of the polygon",
        ),
    ),
    shape_column(
        "filled_area_um2",
        "um^2",
        "Area of the object with its holes filled",
        "A + H, H = pixels of the holes * mpp^2",
        (0, inf),
        ("large object", "small object"),
        GRAY,
        min_pixels=9,
        resolution=(0.22, 0),
        kind="any",
        undefined="",
        peers=also_in(squidpy="area_filled | in pixels"),
    ),
    shape_column(
        "perimeter_um",
        "um",
        "Length of the boundary, holes included",
        "P = pi/4 * mpp * (R0 + R90 + (R45 + R135) / sqrt 2), R = runs of the object along the "
        "pixel lines of one direction (Crofton, 4 directions)",
        (0, inf),
        ("long or ragged boundary", "short, smooth boundary"),
        CROFTON,
        min_pixels=9,
        resolution=(0.15, 0),
        kind="any",
        peers=also_in(
            histomicstk="Size.Perimeter | chain of boundary pixels, biased by up to 14 %",
            cellprofiler="AreaShape_Perimeter | chain of boundary pixels, biased by up to 14 %",
            sc_mtop="Perimeter | chain of boundary pixels",
            squidpy="perimeter | chain of boundary pixels; perimeter_crofton coincides",
            qupath="Length um | of the polygon",
        ),
    ),
    shape_column(
        "equivalent_diameter_um",
        "um",
        "Diameter of the disk of equal area",
        "2 * sqrt(A / pi)",
        (0, inf),
        ("large object", "small object"),
        RUSS,
        min_pixels=1,
        resolution=(0.11, 0),
        undefined="",
        peers=also_in(
            histomicstk="Shape.EquivalentDiameter | in pixels",
            cellprofiler="AreaShape_EquivalentDiameter | in pixels",
            squidpy="equivalent_diameter_area | in pixels",
        ),
    ),
)

AXIS_COLUMNS: tuple[Column, ...] = (
    shape_column(
        "major_axis_um",
        "um",
        "Major axis of the ellipse of equal second moments",
        "4 * sqrt(l1), l1 >= l2 eigenvalues of the covariance of the pixel squares "
        "(pixel centers + 1/12 px^2)",
        (0, inf),
        ("long object", "short object"),
        _TEAGUE,
        min_pixels=9,
        resolution=(0.17, 0),
        peers=also_in(
            histomicstk="Size.MajorAxisLength | in pixels, pixels as points",
            cellprofiler="AreaShape_MajorAxisLength | in pixels, pixels as points",
            sc_mtop="MajorAxisLength | in pixels, pixels as points",
            squidpy="axis_major_length | in pixels, pixels as points",
        ),
    ),
    shape_column(
        "minor_axis_um",
        "um",
        "Minor axis of the ellipse of equal second moments",
        "4 * sqrt(l2)",
        (0, inf),
        ("broad object", "thin object"),
        _TEAGUE,
        min_pixels=9,
        resolution=(0.21, 0),
        peers=also_in(
            histomicstk="Size.MinorAxisLength | in pixels, pixels as points",
            cellprofiler="AreaShape_MinorAxisLength | in pixels, pixels as points",
            sc_mtop="MinorAxisLength | in pixels, pixels as points",
            squidpy="axis_minor_length | in pixels, pixels as points",
        ),
    ),
    shape_column(
        "aspect_ratio",
        "1",
        "Elongation: major over minor axis",
        "sqrt(l1 / l2)",
        (1, inf),
        ("elongated, spindle-like", "round"),
        RUSS,
        min_pixels=30,
        resolution=(0.34, 0),
        grid=1e-6,
        peers=also_in(
            histomicstk="Shape.MinorMajorAxisRatio | reciprocal",
            sc_mtop="Elongation | of the bounding box",
        ),
    ),
    shape_column(
        "eccentricity",
        "1",
        "Eccentricity of the ellipse of equal second moments",
        "sqrt(1 - l2 / l1)",
        (0, 1),
        ("elongated", "round"),
        _TEAGUE,
        min_pixels=30,
        resolution=(0, 0.56),
        grid=1e-6,
        peers=also_in(
            histomicstk="Shape.Eccentricity | pixels as points",
            cellprofiler="AreaShape_Eccentricity | pixels as points",
            sc_mtop="Eccentricity | pixels as points",
            squidpy="eccentricity | pixels as points",
            qupath="Nucleus: Eccentricity | of the polygon",
        ),
    ),
    shape_column(
        "roundness",
        "1",
        "Area over that of the disk on the major axis: 1 for a disk; blind to a ragged edge",
        "4 * A / (pi * major_axis^2)",
        (0, 1.01),
        ("round", "elongated, branched or with holes"),
        RUSS,
        min_pixels=30,
        resolution=(0.35, 0),
    ),
    shape_column(
        "radius_max_um",
        "um",
        "Radius of the largest inscribed disk",
        "largest distance of a pixel center to the nearest one outside, minus 1/2 px",
        (0, inf),
        ("thick object", "thin object"),
        f"{_CELLPROFILER}; Meijster 2000, doi:10.1007/0-306-47025-X_36",
        min_pixels=60,
        resolution=(0.3, 0),
        undefined=f"{LINE}, or its box is above 2^24 pixels",
        peers=also_in(cellprofiler="AreaShape_MaximumRadius | in pixels, 1/2 px more"),
    ),
    shape_column(
        "radius_mean_um",
        "um",
        "Mean depth inside the object; a third of the radius for a disk",
        "mean distance of the pixel centers to the nearest one outside, minus 1/2 px",
        (0, inf),
        ("thick object", "thin or branched object"),
        f"{_CELLPROFILER}; Meijster 2000, doi:10.1007/0-306-47025-X_36",
        min_pixels=30,
        resolution=(0.26, 0),
        undefined=f"{LINE}, or its box is above 2^24 pixels",
        peers=also_in(cellprofiler="AreaShape_MeanRadius | in pixels, 1/2 px more"),
    ),
    shape_column(
        "radius_median_um",
        "um",
        "Median depth inside the object; 0.29 of the radius for a disk",
        "median distance of the pixel centers to the nearest one outside, minus 1/2 px",
        (0, inf),
        ("thick object", "thin or branched object"),
        f"{_CELLPROFILER}; Meijster 2000, doi:10.1007/0-306-47025-X_36",
        min_pixels=100,
        resolution=(0.34, 0),
        undefined=f"{LINE}, or its box is above 2^24 pixels",
        peers=also_in(cellprofiler="AreaShape_MedianRadius | in pixels, 1/2 px more"),
    ),
)
