"""The public sources that can be turned into the dataset format: terms, link, resolution, paper.

Facts about the sources, not about their labels: those stand in `taxonomy`. `mpp` is what was
published for all pictures of a source; None where the pictures say it themselves, or nobody does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CATALOG", "REFUSED", "SourceInfo"]

_NC = "CC BY-NC-SA 4.0"
_WARWICK = "https://warwick.ac.uk/fac/cross_fac/tia/data"
_OWN = "as stated by the owner"


@dataclass(frozen=True)
class SourceInfo:
    """One source.

    Attributes
    ----------
    title, licence, link, paper : str
        `paper` is author, year and DOI or arXiv number.
    mpp : float or None
        µm per pixel.
    region : str
        Where all pictures are of one organ; else "multiple".
    tells_mpp : bool
        Whether each picture tells its own resolution, by its tags or by its nuclei.
    """

    title: str
    licence: str
    link: str
    paper: str
    mpp: float | None = None
    region: str = "multiple"
    tells_mpp: bool = False


CATALOG: Mapping[str, SourceInfo] = {
    "glas": SourceInfo(
        "GlaS (Warwick-QU)",
        "research only (Warwick-QU)",
        f"{_WARWICK}/glascontest",
        "Sirinukunwattana et al. 2017, doi:10.1016/j.media.2016.08.008",
        0.62,
        "colon",
    ),
    "crag": SourceInfo(
        "CRAG",
        "research only (see the link)",
        f"{_WARWICK}/mildnet",
        "Graham et al. 2019, doi:10.1016/j.media.2018.12.001",
        0.55,
        "colon",
    ),
    "ebhi": SourceInfo(
        "EBHI-Seg",
        "CC BY 4.0",
        "https://doi.org/10.6084/m9.figshare.21540159",
        "Shi et al. 2023, doi:10.3389/fmed.2023.1114673",
        None,
        "colon",
    ),
    "monuseg": SourceInfo(
        "MoNuSeg 2018",
        _NC,
        "https://monuseg.grand-challenge.org/Data/",
        "Kumar et al. 2020, doi:10.1109/TMI.2019.2947628",
        0.25,
    ),
    "kumar": SourceInfo(
        "Kumar",
        _NC,
        "https://monuseg.grand-challenge.org/Data/",
        "Kumar et al. 2017, doi:10.1109/TMI.2017.2677499",
        0.25,
    ),
    "cpm15": SourceInfo(
        "CPM-15",
        "research only (TCGA images, challenge data)",
        "https://drive.google.com/drive/folders/1l55cv3DuY-f7-JotDN7N5nbNnjbLWchK",
        "Vu et al. 2019, doi:10.3389/fbioe.2019.00053",
    ),
    "cpm17": SourceInfo(
        "CPM-17",
        "research only (TCGA images, challenge data)",
        "https://drive.google.com/drive/folders/1l55cv3DuY-f7-JotDN7N5nbNnjbLWchK",
        "Vu et al. 2019, doi:10.3389/fbioe.2019.00053",
    ),
    "consep": SourceInfo(
        "CoNSeP",
        "research only (see the link)",
        f"{_WARWICK}/hovernet",
        "Graham et al. 2019, doi:10.1016/j.media.2019.101563",
        0.25,
        "colon",
    ),
    "pannuke": SourceInfo(
        "PanNuke", _NC, f"{_WARWICK}/pannuke", "Gamper et al. 2020, arXiv:2003.10778", 0.25
    ),
    "lizard": SourceInfo(
        "Lizard",
        _NC,
        "https://warwick.ac.uk/lizard-dataset",
        "Graham et al. 2021, arXiv:2108.11195",
        0.5,
        "colon",
    ),
    "nucls": SourceInfo(
        "NuCLS (single rater)",
        "CC0",
        "https://sites.google.com/view/nucls/home",
        "Amgad et al. 2022, doi:10.1093/gigascience/giac037",
        0.2,
        "breast",
    ),
    "bcss": SourceInfo(
        "BCSS",
        "CC0",
        "https://github.com/PathologyDataScience/BCSS",
        "Amgad et al. 2019, doi:10.1093/bioinformatics/btz083",
        None,
        "breast",
    ),
    "nuinsseg": SourceInfo(
        "NuInsSeg",
        "CC BY 4.0",
        "https://www.kaggle.com/datasets/ipateam/nuinsseg",
        "Mahbod et al. 2024, doi:10.1038/s41597-024-03117-2",
        0.25,
    ),
    "cryonuseg": SourceInfo(
        "CryoNuSeg",
        _NC,
        "https://www.kaggle.com/datasets/ipateam/segmentation-of-nuclei-in-cryosectioned-he-images",
        "Mahbod et al. 2021, doi:10.1016/j.compbiomed.2021.104349",
        0.25,
    ),
    "tnbc": SourceInfo(
        "TNBC",
        "CC BY 4.0",
        "https://doi.org/10.5281/zenodo.1175282",
        "Naylor et al. 2019, doi:10.1109/TMI.2018.2865709",
        0.25,
        "breast",
    ),
    "monusac": SourceInfo(
        "MoNuSAC 2020",
        _NC,
        "https://monusac-2020.grand-challenge.org/Data/",
        "Verma et al. 2021, doi:10.1109/TMI.2021.3085712",
        0.25,
    ),
    "segpath": SourceInfo(
        "SegPath",
        _NC,
        "https://dakomura.github.io/SegPath/",
        "Komura et al. 2023, doi:10.1016/j.patter.2023.100688",
        0.220818,
    ),
    "kpis": SourceInfo(
        "KPIs 2024, patches (mouse, PAS)",
        "as on the challenge's page",
        "https://sites.google.com/view/kpis2024/",
        "KPIs 2024 Challenge, 2025, arXiv:2502.07288",
        None,
        "kidney",
    ),
    "hubmap": SourceInfo(
        "HuBMAP: Hacking the Kidney (PAS)",
        "CC BY 4.0",
        "https://www.kaggle.com/competitions/hubmap-kidney-segmentation",
        "Jain et al. 2023, Communications Biology 6:717",
        None,
        "kidney",
        tells_mpp=True,
    ),
    "dsb2018": SourceInfo(
        "Data Science Bowl 2018, stage 1, stained tissue",
        "CC0",
        "https://bbbc.broadinstitute.org/BBBC038",
        "Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7",
        tells_mpp=True,
    ),
    "manifest": SourceInfo("A manifest.csv of images and masks", _OWN, "", "", tells_mpp=True),
    "folder": SourceInfo("images/ and masks/ of equal names", _OWN, "", ""),
}

REFUSED: Mapping[str, str] = {
    "crchisto": (
        "CRCHistoPhenotypes gives the centers of nuclei, no outlines, so there is no mask to make "
        '(a manifest with kind "points" is read: disks, with a ring of unknown around them)'
    ),
    "conic": "CoNIC is Lizard cut into patches; convert lizard",
    "pathseg": (
        "PathSeg's own release (CC BY-NC-ND 4.0) may not be changed; convert its sources instead"
    ),
}
"""Sources that are not converted, and why."""
