"""Tiny folders in the layouts of public sources, and what converting them gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image

from pathexplain.segmentor.datasets import Conversion, Row, convert, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SHAPE = (48, 64)


@dataclass(frozen=True)
class Made:
    """A converted folder: its rows by picture and category."""

    conversion: Conversion
    rows: Mapping[tuple[str, str], Row]

    def values(self, picture: str, category: str) -> np.ndarray:
        """Pixels of a mask; all 0 where the category is known to be absent."""
        row = self.rows[picture, category]
        if row.mask is None:
            with Image.open(row.image) as image:
                return np.zeros(image.size[::-1], int)
        with Image.open(row.mask) as mask:
            assert mask.mode == "I;16"
            return np.asarray(mask).astype(int)

    def objects(self, picture: str, category: str) -> set[int]:
        """Values of the objects of a mask."""
        return set(np.unique(self.values(picture, category)).tolist()) - {0, 65535}

    @property
    def pictures(self) -> list[str]:
        return sorted({picture for picture, _ in self.rows})


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], Path]:
    """Write an array as a picture, in the format that the suffix names."""

    def write(path: Path, pixels: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in {".tif", ".tiff"}:
            tifffile.imwrite(path, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
        else:
            Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def save_mat() -> Callable[..., Path]:
    """Write arrays as a MATLAB file."""

    def write(path: Path, **arrays: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(path, arrays)
        return path

    return write


@pytest.fixture
def stained() -> np.ndarray:
    """A pink picture, the same each time, that compresses without loss of meaning."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (*SHAPE, 3))
    return (np.array([225, 170, 205]) + noise).astype(np.uint8)


@pytest.fixture
def two_objects() -> np.ndarray:
    """A label image: object 1 of 10 × 12 px, object 2 of 8 × 8 px, touching a corner of nothing."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:15, 6:18] = 1
    labels[30:38, 40:48] = 2
    return labels


@pytest.fixture
def converted(tmp_path: Path) -> Callable[..., Made]:
    """Convert a folder; read the table back, which checks it."""

    def run(source: str, folder: Path, **options: Any) -> Made:
        made = convert(source, folder, out=tmp_path / "made", **options)
        rows = read_rows(made.table)
        return Made(made, {(row.image.stem, row.category): row for row in rows})

    return run
