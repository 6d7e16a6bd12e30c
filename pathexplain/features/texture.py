"""The `texture` family: how the hematoxylin of an object is arranged.

Optical density of hematoxylin, unmixed by the vectors of the view; only pixels of the object itself
count. What the columns are is in `texture_columns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.errors import FeatureError
from pathexplain.features.columns import FeatureFamily
from pathexplain.features.objects import ObjectView, over_objects
from pathexplain.features.stain import density_table
from pathexplain.features.texture_columns import (
    GRAINS_UM,
    LBP_RADIUS_UM,
    LEVEL_WIDTH,
    PAIR_DISTANCE_UM,
    TEXTURE_COLUMNS,
)
from pathexplain.features.texture_kernels import TEXTURE_RAW, texture_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TEXTURE", "measure_texture"]


def measure_texture(view: ObjectView) -> NDArray[np.float64]:
    """Measure the texture of every object; one column a feature, as in `TEXTURE.columns`.

    Parameters
    ----------
    view : ObjectView
        Objects of one label image, with pixels and stain vectors.

    Returns
    -------
    (n, 40) float64
        NaN where too few pairs or neighborhoods lie inside the object, or its density does not
        vary (correlation). Minimum pixel counts are applied by `measure_objects`.

    Raises
    ------
    FeatureError
        The view has no pixels.

    Examples
    --------
    >>> from pathexplain.features.objects import view_objects
    >>> labels = np.ones((12, 12), np.int32)
    >>> pixels = np.full((12, 12, 3), 120, np.uint8)
    >>> values = measure_texture(view_objects(labels, pixels, mpp=0.5))
    >>> [column.name for column in TEXTURE_COLUMNS][1], float(values[0, 1])
    ('haralick_contrast_mean', 0.0)
    """
    if view.pixels is None:
        message = "the texture family needs pixels (H, W, 3) uint8; pass them or leave texture out"
        raise FeatureError(message)
    pixels = view.pixels
    table = density_table(view.stains, ["hematoxylin"])[0]
    grains = np.array([_in_pixels(size, view.mpp) for size in GRAINS_UM], np.int64)
    raw = np.zeros((view.n, len(TEXTURE_RAW)))
    over_objects(
        view,
        lambda start, stop: texture_objects(
            view.labels,
            pixels,
            table,
            LEVEL_WIDTH,
            _in_pixels(PAIR_DISTANCE_UM, view.mpp),
            _in_pixels(LBP_RADIUS_UM, view.mpp),
            grains,
            view.target,
            view.box,
            raw,
            start,
            stop,
        ),
    )
    return raw


def _in_pixels(length_um: float, mpp: float) -> int:
    """Round a length to whole pixels, at least one."""
    return max(1, round(length_um / mpp))


TEXTURE = FeatureFamily("texture", TEXTURE_COLUMNS, measure_texture, needs_pixels=True)
