"""One reader a source: from its published layout to pictures with categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathexplain.segmentor.datasets.readers import (
    breast,
    folders,
    glands,
    imagescope,
    kidney,
    matlab,
    nuclei,
    pannuke,
    segpath,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pathexplain.segmentor.datasets.annotation import Item

__all__ = ["READERS"]

READERS: Mapping[str, Callable[[Path], list[Item]]] = {
    "glas": glands.glas,
    "crag": glands.crag,
    "ebhi": glands.ebhi,
    "monuseg": imagescope.monuseg,
    "kumar": matlab.kumar,
    "cpm15": matlab.cpm15,
    "cpm17": matlab.cpm17,
    "consep": matlab.consep,
    "pannuke": pannuke.pannuke,
    "lizard": matlab.lizard,
    "nucls": breast.nucls,
    "bcss": breast.bcss,
    "nuinsseg": nuclei.nuinsseg,
    "cryonuseg": nuclei.cryonuseg,
    "tnbc": nuclei.tnbc,
    "monusac": imagescope.monusac,
    "segpath": segpath.segpath,
    "kpis": kidney.kpis,
    "hubmap": kidney.hubmap,
    "dsb2018": nuclei.dsb2018,
    "manifest": folders.manifest,
}
"""Reader of each source; "folder" is apart, since it needs a prompt."""
