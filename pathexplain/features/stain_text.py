"""What is said of the statistics of a stain inside an object, for every stain alike.

Text only; `stain_columns` fills the stain in.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from pathexplain.features.columns import Kind, Peer, also_in

__all__ = ["CARPENTER", "FLAT", "LEVELS", "StainText", "intensity_peers"]

FLAT = "the density does not vary"
CARPENTER = "Carpenter 2006, doi:10.1186/gb-2006-7-10-r100"
_JOANES = "Joanes 1998, doi:10.1111/1467-9884.00122"
_SHANNON = "Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x"
_GUTMAN = "Gutman 2017, doi:10.1158/0008-5472.CAN-17-0629"


class StainText(NamedTuple):
    """What is said of a statistic of every stain; `{s}` is the stain."""

    definition: str
    formula: str
    unit: str
    high: str
    low: str
    min_pixels: int = 10
    undefined: str = ""
    shifted: bool = False
    least: float = -inf
    kind: Kind = "any"
    source: str = _GUTMAN
    peers: tuple[Peer, ...] = ()


def intensity_peers(
    name: str, *, cellprofiler: str = "", sc_mtop: str = "", qupath: str = ""
) -> tuple[Peer, ...]:
    """Peers by their names for intensity; all of them of gray levels or 8-bit stain images."""
    gray = " | of 8-bit intensity"
    return also_in(
        histomicstk=f"Nucleus.Intensity.{name}{gray}" if name else "",
        cellprofiler=f"Intensity_{cellprofiler}{gray}" if cellprofiler else "",
        sc_mtop=f"Intensity{sc_mtop} | of gray levels" if sc_mtop else "",
        qupath=f"Nucleus: {{s}} OD {qupath}" if qupath else "",
        squidpy=f"summary {name.lower()} | of a spot, not an object"
        if name in {"Mean", "Std"}
        else "",
    )


LEVELS: dict[str, StainText] = {
    "mean": StainText(
        "Mean {s} density inside the object",
        "mean of C",
        "OD",
        "much {s}",
        "little {s}",
        min_pixels=1,
        shifted=True,
        peers=intensity_peers("Mean", cellprofiler="MeanIntensity", sc_mtop="Mean", qupath="mean"),
    ),
    "sd": StainText(
        "Spread of {s} inside",
        "sd of C (divisor n)",
        "OD",
        "uneven",
        "even",
        least=0.0,
        peers=intensity_peers("Std", cellprofiler="StdIntensity", sc_mtop="Std", qupath="std dev"),
    ),
    "min": StainText(
        "Palest {s} inside",
        "min of C, to 0.001 OD",
        "OD",
        "dark throughout",
        "a pale spot",
        shifted=True,
        peers=intensity_peers("Min", cellprofiler="MinIntensity", sc_mtop="Min", qupath="min"),
    ),
    "p10": StainText(
        "Pale end of {s} inside",
        "10th percentile of C",
        "OD",
        "dark throughout",
        "pale parts",
        shifted=True,
    ),
    "p25": StainText(
        "Lower quartile of {s} inside",
        "25th percentile of C",
        "OD",
        "dark throughout",
        "pale parts",
        shifted=True,
        peers=intensity_peers("", cellprofiler="LowerQuartileIntensity"),
    ),
    "median": StainText(
        "Median {s} density inside",
        "median of C",
        "OD",
        "much {s}",
        "little {s}",
        shifted=True,
        peers=intensity_peers("Median", cellprofiler="MedianIntensity", qupath="median"),
    ),
    "p75": StainText(
        "Upper quartile of {s} inside",
        "75th percentile of C",
        "OD",
        "dark parts",
        "pale throughout",
        shifted=True,
        peers=intensity_peers("", cellprofiler="UpperQuartileIntensity"),
    ),
    "p90": StainText(
        "Dark end of {s} inside",
        "90th percentile of C",
        "OD",
        "dark parts",
        "pale throughout",
        shifted=True,
    ),
    "max": StainText(
        "Darkest {s} inside",
        "max of C, to 0.001 OD",
        "OD",
        "a dark spot",
        "pale throughout",
        shifted=True,
        peers=intensity_peers("Max", cellprofiler="MaxIntensity", sc_mtop="Max", qupath="max"),
    ),
    "iqr": StainText(
        "Spread of the middle half of {s} inside",
        "p75 - p25",
        "OD",
        "uneven",
        "even",
        least=0.0,
        peers=intensity_peers("IQR"),
    ),
    "mad": StainText(
        "Spread of {s} inside, robust to single spots",
        "median of |C - median|",
        "OD",
        "uneven",
        "even",
        least=0.0,
        peers=intensity_peers("MAD", cellprofiler="MADIntensity"),
    ),
    "mean_median_difference": StainText(
        "Mean minus median of {s} inside",
        "mean - median",
        "OD",
        "few dark spots",
        "few pale spots",
        peers=intensity_peers("MeanMedianDiff"),
    ),
    "skewness": StainText(
        "Asymmetry of the {s} density inside",
        "m3 / m2^1.5",
        "1",
        "few dark spots on pale ground (clumps, nucleoli)",
        "few pale spots on dark ground (vacuoles)",
        min_pixels=30,
        undefined=FLAT,
        source=_JOANES,
        peers=intensity_peers("Skewness"),
    ),
    "kurtosis": StainText(
        "Tail weight of the {s} density inside, 0 for a normal distribution",
        "m4 / m2^2 - 3",
        "1",
        "rare extreme densities",
        "two-phase or flat distribution",
        min_pixels=30,
        undefined=FLAT,
        source=_JOANES,
        least=-2.0,
        peers=intensity_peers("Kurtosis"),
    ),
    "entropy": StainText(
        "Disorder of the {s} density inside",
        "-sum p log2 p over cells of 0.05 OD",
        "bit",
        "many densities alike often",
        "one density",
        min_pixels=30,
        shifted=True,
        least=0.0,
        source=_SHANNON,
        peers=intensity_peers("HistEntropy"),
    ),
    "energy": StainText(
        "Uniformity of the {s} density inside",
        "sum p^2 over cells of 0.05 OD",
        "1",
        "one density",
        "many densities",
        min_pixels=30,
        shifted=True,
        least=0.0,
        peers=intensity_peers("HistEnergy"),
    ),
    "integrated": StainText(
        "Total {s} of the object; for hematoxylin or Feulgen a measure of chromatin content",
        "mean of C * area",
        "OD*um^2",
        "large, dark object",
        "small, pale object",
        min_pixels=1,
        shifted=True,
        kind="instances",
        source=CARPENTER,
        peers=intensity_peers("", cellprofiler="IntegratedIntensity", qupath="sum"),
    ),
}
