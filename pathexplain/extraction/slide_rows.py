"""The summary row of a slide, read back from its store: values and counts, without descriptions.

A cohort of thousands of slides is put together from these, so they are small and quick to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import TableError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["SlideRow", "read_slide_row"]


@dataclass(frozen=True, eq=False)
class SlideRow:
    """One slide of a cohort.

    Parameters
    ----------
    slide_id : str
    features : tuple of k str
    values, n : (k,) float64
        Value of each feature, NaN where undefined, and how many objects are behind it.
    obs : DataFrame
        One row: tissue area, resolution, states of the prompts.
    """

    slide_id: str
    features: tuple[str, ...]
    values: NDArray[np.float64]
    n: NDArray[np.float64]
    obs: pd.DataFrame

    @property
    def has_tissue(self) -> bool:
        """Whether there is any tissue on the slide."""
        return bool(float(self.obs["tissue_area_mm2"].iloc[0]) > 0)


def read_slide_row(store: Path) -> SlideRow:
    """Read the summary of a slide.

    Raises
    ------
    TableError
        When the store is damaged.
    """
    import anndata
    import zarr

    try:
        table: Any = zarr.open_group(store / "tables" / "slide", mode="r")
        features = tuple(map(str, table["var/_index"][:]))
        values = np.asarray(table["X"][0], np.float64)
        n = np.asarray(table["layers/n"][0], np.float64)
        obs = anndata.io.read_elem(table["obs"])
    except (OSError, KeyError, ValueError, IndexError, RuntimeError) as error:
        message = f"{store}: cannot be read ({type(error).__name__}: {error})"
        raise TableError(message, slide_id=store.stem, path=str(store)) from error
    return SlideRow(store.stem, features, values, n, obs)
