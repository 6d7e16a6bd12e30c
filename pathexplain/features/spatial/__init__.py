"""Spatial features of a whole slide: `neighborhood`, `context`, `region`, `til`, and places.

They need all objects of a slide at once (`slide_objects`), unlike the families that are measured
object by object from pixels.
"""

from __future__ import annotations

from pathexplain.features.spatial.context import CONTEXT
from pathexplain.features.spatial.measure import SpatialFeatures, measure_spatial
from pathexplain.features.spatial.neighborhood import NEIGHBORHOOD, ripley_k
from pathexplain.features.spatial.places import Place
from pathexplain.features.spatial.region import REGION
from pathexplain.features.spatial.til import TIL, immune_phenotype
from pathexplain.features.spatial.window import Window

__all__ = [
    "CONTEXT",
    "NEIGHBORHOOD",
    "REGION",
    "TIL",
    "Place",
    "SpatialFeatures",
    "Window",
    "immune_phenotype",
    "measure_spatial",
    "ripley_k",
]
