"""The text-prompted segmentor: backends, network, training, metrics.

Importing this package loads no network; a backend loads what it needs when asked for.
"""

from pathexplain.segmentor.backends import SEGMENTORS, Segmentor, load_segmentor
from pathexplain.segmentor.segmentation import Segmentation

__all__ = ["SEGMENTORS", "Segmentation", "Segmentor", "load_segmentor"]
