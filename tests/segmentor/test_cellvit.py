"""CellViT's cells come back as the pixels that their contours were traced from."""

import json

import numpy as np
import pytest
from scipy import ndimage

from pathexplain.errors import SegmentationError
from pathexplain.prompts import Prompt
from pathexplain.segmentor.cellvit import open_cellvit
from pathexplain.segmentor.masks import MasksSegmentor

SHAPE = (60, 80)
TYPES = {"0": "Background", "1": "Neoplastic", "2": "Inflammatory", "5": "Epithelial"}


def contour_of(mask):
    """Edge pixels of a convex mask in order, (x, y), as tracers of pixels give them."""
    edge = mask & ~ndimage.binary_erosion(mask)
    y, x = np.nonzero(edge)
    order = np.argsort(np.arctan2(y - y.mean(), x - x.mean()))
    return np.stack([x[order], y[order]], axis=1).tolist()


def planted():
    """Two rectangles and a disk, by their type."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disk = (y - 40) ** 2 + (x - 60) ** 2 < 10**2
    return [
        (1, (y >= 5) & (y < 15) & (x >= 8) & (x < 30)),
        (2, (y >= 30) & (y < 42) & (x >= 8) & (x < 20)),
        (2, disk),
    ]


def write(path, **changes):
    cells = [
        {"type": kind, "contour": contour_of(mask), "centroid": [0, 0], "bbox": [[0, 0], [1, 1]]}
        for kind, mask in planted()
    ]
    content = {"wsi_metadata": {}, "type_map": TYPES, "cells": cells} | changes
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def window(path, text, *, scale=1, mpp=0.25):
    extent_um = (SHAPE[0] * mpp, SHAPE[1] * mpp)
    source = open_cellvit(path, Prompt.from_text(text), extent_um=extent_um, mpp=mpp)
    return source.window(0.0, 0.0, SHAPE[0] // scale, SHAPE[1] // scale, mpp * scale)


def test_pixels_of_rectangles_come_back_and_of_a_disk_but_for_its_rim(tmp_path):
    found = window(write(tmp_path / "cells.json"), "nucleus")
    for kind, mask in planted():
        (label,) = set(np.unique(found[mask])) - {0}
        wrong = (found == label) != mask
        if mask.sum() in {220, 144}:
            assert not wrong.any(), kind
        assert wrong.sum() <= 0.05 * mask.sum()


def test_a_class_by_its_synonym_and_at_another_resolution(tmp_path):
    found = window(write(tmp_path / "cells.json"), "inflammatory cells", scale=2)
    assert len(np.unique(found)) == 3
    assert not found[2:7, 4:15].any()


@pytest.mark.parametrize("name", ["S1.json", "S1/cells.json"])
def test_the_masks_backend_finds_the_file(tmp_path, name):
    write(tmp_path / name)

    class Slide:
        slide_id, shape, mpp = "S1", SHAPE, 0.25

    masks = MasksSegmentor(tmp_path)
    bound = masks.for_slide(Slide(), [Prompt.from_text("nucleus")])
    image = np.zeros((*SHAPE, 3), np.uint8)
    result = bound.segment(image, [Prompt.from_text("nucleus")], mpp=0.25, origin_um=(0.0, 0.0))
    assert len(np.unique(result.instances(0))) == 4
    before = masks.fingerprint("S1")
    write(tmp_path / name, cells=[])
    assert masks.fingerprint("S1") != before


@pytest.mark.parametrize(
    ("changes", "text", "match"),
    [
        ({}, "gland", r"no class for prompt 'gland'; its classes are 'Background', 'Neoplastic'"),
        ({"type_map": None}, "nucleus", "is not the cells.json of CellViT"),
        ({"cells": [{"type": 1, "contour": [1, 2]}]}, "nucleus", r"contour of shape \(2,\)"),
        ({"cells": [{"type": 1}]}, "nucleus", "KeyError"),
        ({"cells": [{"type": 1, "contour": [[0, 0], [900, 0], [900, 9]]}]}, "nucleus", "slide"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, changes, text, match):
    with pytest.raises(SegmentationError, match=match):
        window(write(tmp_path / "cells.json", **changes), text)


def test_many_cells_in_one_feature_are_not_taken_for_one(tmp_path):
    squares = [[[[x, 0], [x + 1, 0], [x + 1, 1], [x, 0]]] for x in range(60)]
    feature = {
        "type": "Feature",
        "geometry": {"type": "MultiPolygon", "coordinates": squares},
        "properties": {"classification": {"name": "nucleus"}},
    }
    (tmp_path / "S1.geojson").write_text(json.dumps([feature]))

    class Slide:
        slide_id, shape, mpp = "S1", SHAPE, 0.25

    with pytest.raises(SegmentationError, match=r"one feature holds 60 polygons.*cells\.json"):
        MasksSegmentor(tmp_path).for_slide(Slide(), [Prompt.from_text("nucleus")])
