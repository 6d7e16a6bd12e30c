"""OME-TIFF label pyramid: one channel a prompt, the levels of the store, opened by QuPath and Fiji.

Written tile by tile from the store, so memory does not depend on the size of the slide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pathexplain.extraction.stored_objects import StoredObjects

__all__ = ["write_ome_tiff"]

TILE_PX = 1024


def write_ome_tiff(objects: StoredObjects, path: Path) -> None:
    """Write the labels of all prompts of a slide.

    Parameters
    ----------
    objects : StoredObjects
    path : Path
        int32, axes CYX, 0 for background; channels are named as the prompts; the physical size of
        a pixel is in µm; coarser levels are sub-IFDs.
    """
    import tifffile

    planes = [objects.levels(prompt) for prompt in objects.prompts]
    mpp = float(objects.about["mpp"])
    metadata: dict[str, Any] = {
        "axes": "CYX",
        "Name": objects.slide_id,
        "Channel": {"Name": list(objects.prompts)},
        "PhysicalSizeX": mpp,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": mpp,
        "PhysicalSizeYUnit": "µm",
    }
    levels = list(zip(*planes, strict=True))
    options: dict[str, Any] = {
        "dtype": np.int32,
        "tile": (TILE_PX, TILE_PX),
        "compression": "zlib",
        "photometric": "minisblack",
        "maxworkers": 1,
    }
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as file:
        for index, level in enumerate(levels):
            chosen = (
                {"metadata": metadata, "subifds": len(levels) - 1}
                if index == 0
                else {"metadata": None, "subfiletype": 1}
            )
            shape = (len(level), *level[0].shape)
            file.write(_tiles(level), shape=shape, **options, **chosen)


def _tiles(arrays: Sequence[Any]) -> Iterator[NDArray[np.int32]]:
    """All tiles of one level, plane by plane, row by row, filled up with background."""
    for array in arrays:
        height, width = array.shape
        for top in range(0, height, TILE_PX):
            for left in range(0, width, TILE_PX):
                block = np.asarray(array[top : top + TILE_PX, left : left + TILE_PX])
                tile = np.zeros((TILE_PX, TILE_PX), np.int32)
                tile[: block.shape[0], : block.shape[1]] = block
                yield tile
