"""Morphometry: what can be measured on masks, object by object, then by slide and by patient.

`registry` lists the families, `measure` runs them, `aggregate` summarizes, `dictionary` documents.
Importing this package loads numba and pandas: do it where it is used.
"""

from __future__ import annotations

from pathexplain.features.aggregate import aggregate_slide, feature_names
from pathexplain.features.columns import Column, FeatureFamily, Law, Peer
from pathexplain.features.dictionary import describe_features, feature_dictionary
from pathexplain.features.dictionary_page import features_markdown
from pathexplain.features.measure import ObjectFeatures, measure_objects
from pathexplain.features.patient import PatientFeatures, aggregate_patient
from pathexplain.features.registry import FAMILIES

__all__ = [
    "FAMILIES",
    "Column",
    "FeatureFamily",
    "Law",
    "ObjectFeatures",
    "PatientFeatures",
    "Peer",
    "aggregate_patient",
    "aggregate_slide",
    "describe_features",
    "feature_dictionary",
    "feature_names",
    "features_markdown",
    "measure_objects",
]
