"""What the columns of the `stain` family are: statistics of each stain inside and around.

Text and numbers only; `stain` computes them. Those of levels of density are in `stain_text`.
"""

from __future__ import annotations

from math import inf

from pathexplain.features.columns import Column, Law, LawName, Peer, also_in
from pathexplain.features.stain_kernels import N_RADIAL, PER_STAIN
from pathexplain.features.stain_text import CARPENTER, FLAT, LEVELS, StainText, intensity_peers

__all__ = ["RING_UM", "STAINS", "STAIN_COLUMNS"]

STAINS = ("hematoxylin", "eosin", "dab")
"""Stains that have columns; those that a slide does not carry are NaN."""
RING_UM = 2.0
"""Width of the ring around an object."""

_RUIFROK = "Ruifrok 2001, Anal Quant Cytol Histol 23:291-299, PMID 11531144"
_NO_RING = "the ring has fewer than 10 pixels (other objects are left out)"
_NO_INNER = "fewer than 10 pixels have all four neighbors inside"
_NO_SHELL = "fewer than 5 pixels in the shell, or its box is above 2^24 pixels"


def _gradient(name: str) -> tuple[Peer, ...]:
    """Peers of the gradient."""
    return also_in(histomicstk=f"Nucleus.Gradient.Mag.{name} | of 8-bit intensity, outside too")


def _ring(name: str) -> tuple[Peer, ...]:
    """Peers of the ring."""
    return also_in(
        histomicstk=f"Cytoplasm.Intensity.{name} | 8-px ring, other nuclei left out",
        qupath=f"Cytoplasm: {{s}} OD {name.lower()} | expanded cell"
        if name in {"Mean", "Std"}
        else "",
    )


_PLACES: dict[str, StainText] = {
    "gradient_mean": StainText(
        "Mean steepness of the {s} density inside",
        "mean of |grad C| (central differences) over pixels whose 4 neighbors are inside",
        "OD/um",
        "coarse, sharp texture",
        "smooth",
        min_pixels=30,
        undefined=_NO_INNER,
        least=0.0,
        peers=_gradient("Mean"),
    ),
    "gradient_sd": StainText(
        "Spread of the steepness of {s} inside",
        "sd of |grad C| over the same pixels",
        "OD/um",
        "sharp edges on smooth ground",
        "evenly textured",
        min_pixels=30,
        undefined=_NO_INNER,
        least=0.0,
        peers=_gradient("Std"),
    ),
    "gradient_skewness": StainText(
        "Asymmetry of the steepness of {s} inside",
        "m3 / m2^1.5 of |grad C|",
        "1",
        "few sharp edges",
        "edges throughout",
        min_pixels=30,
        undefined=f"{_NO_INNER}, or {FLAT}",
        peers=_gradient("Skewness"),
    ),
    "gradient_kurtosis": StainText(
        "Tail weight of the steepness of {s} inside",
        "m4 / m2^2 - 3 of |grad C|",
        "1",
        "rare, very sharp edges",
        "edges alike",
        min_pixels=30,
        undefined=f"{_NO_INNER}, or {FLAT}",
        least=-2.0,
        peers=_gradient("Kurtosis"),
    ),
    "edge_mean": StainText(
        "Mean {s} density of the object's edge",
        "mean of C over its pixels with a 4-neighbor outside",
        "OD",
        "dark rim (nuclear membrane)",
        "pale rim",
        min_pixels=30,
        shifted=True,
        source=CARPENTER,
        peers=intensity_peers("", cellprofiler="MeanIntensityEdge"),
    ),
    "edge_sd": StainText(
        "Spread of {s} along the object's edge",
        "sd of C over its pixels with a 4-neighbor outside",
        "OD",
        "rim of uneven darkness",
        "even rim",
        min_pixels=30,
        least=0.0,
        source=CARPENTER,
        peers=intensity_peers("", cellprofiler="StdIntensityEdge"),
    ),
    "mass_displacement_um": StainText(
        "Distance between the center of {s} and the center of the object",
        "|sum max(C, 0) (x, y) / sum max(C, 0) - centroid|",
        "um",
        "{s} gathers on one side",
        "{s} is spread evenly about the center",
        min_pixels=30,
        undefined="no density above 0",
        shifted=True,
        least=0.0,
        kind="instances",
        source=CARPENTER,
        peers=intensity_peers("", cellprofiler="MassDisplacement"),
    ),
    **{
        f"radial_{k}": StainText(
            f"{{s}} in shell {k} of {N_RADIAL} from the edge (1) to the deepest point, minus the "
            "mean",
            f"mean of C where {k - 1}/{N_RADIAL} <= (depth - 1/2 px) / deepest < {k}/{N_RADIAL}, "
            "minus mean; depth = distance to the nearest pixel outside",
            "OD",
            f"dark {'rim' if k == 1 else 'core' if k == N_RADIAL else 'shell'}",
            f"pale {'rim' if k == 1 else 'core' if k == N_RADIAL else 'shell'}",
            min_pixels=60,
            undefined=_NO_SHELL,
            kind="instances",
            source=CARPENTER,
            peers=also_in(
                cellprofiler=f"RadialDistribution_MeanFrac_{k}of{N_RADIAL} | ratio; from the center"
            ),
        )
        for k in range(1, N_RADIAL + 1)
    },
}

_AROUND: dict[str, StainText] = {
    name: StainText(
        f"{what} of the {{s}} density in a ring of 2 um around the object",
        f"{formula} over background pixels within 2 um (center to center) of the object",
        unit,
        high,
        low,
        min_pixels=1,
        undefined=_NO_RING if unit == "OD" else f"{_NO_RING}, or {FLAT}",
        shifted=shifted,
        least=least,
        peers=_ring(peer) if peer else (),
    )
    for name, what, formula, unit, high, low, shifted, least, peer in (
        ("ring_mean", "Mean", "mean of C", "OD", "{s}-rich surroundings", "pale surroundings",
         True, -inf, "Mean"),
        ("ring_sd", "Spread", "sd of C", "OD", "uneven surroundings", "even surroundings",
         False, 0.0, "Std"),
        ("ring_p10", "Pale end", "10th percentile of C", "OD", "dark throughout", "pale gaps",
         True, -inf, ""),
        ("ring_median", "Median", "median of C", "OD", "{s}-rich surroundings",
         "pale surroundings", True, -inf, "Median"),
        ("ring_p90", "Dark end", "90th percentile of C", "OD", "dark parts", "pale throughout",
         True, -inf, ""),
        ("ring_skewness", "Asymmetry", "m3 / m2^1.5 of C", "1", "few dark spots",
         "few pale gaps", False, -inf, "Skewness"),
        ("ring_kurtosis", "Tail weight", "m4 / m2^2 - 3 of C", "1", "rare extreme densities",
         "two-phase surroundings", False, -2.0, "Kurtosis"),
    )
}  # fmt: skip
_AROUND["contrast"] = StainText(
    "{s} density inside minus around",
    "mean - ring_mean",
    "OD",
    "stands out from its surroundings",
    "like its surroundings, or paler where negative",
    min_pixels=1,
    undefined=_NO_RING,
)

_GRID: tuple[LawName, ...] = ("rotation90", "flip", "translation", "relabel")
_TEXTS = LEVELS | _PLACES | _AROUND
_TOLERANCE = 1e-6
_STEP = 0.0011
"""Two densities of one bin apart may trade places when light halves: a bin of the histogram."""
_BINNED = ("iqr", "mad", "mean_median_difference")


def _column(stain: str, statistic: str) -> Column:
    """Fill the text of one statistic in for one stain."""
    text = _TEXTS[statistic]
    laws = tuple(Law(name, _TOLERANCE) for name in _GRID)
    if not text.shifted:
        absolute = 2 * _STEP if statistic in _BINNED else 0.0
        laws = (*laws, Law("intensity_scale", _TOLERANCE, absolute))
    definition = text.definition.format(s=stain)
    return Column(
        name=f"{stain}_{statistic}",
        unit=text.unit,
        definition=definition[0].upper() + definition[1:],
        formula=f"{text.formula}; C = {stain} density, OD = -log10((I + 1) / 256) = C V, V = the "
        "slide's stain vectors",
        bounds=(text.least, inf),
        high=text.high.format(s=stain),
        low=text.low.format(s=stain),
        source=f"{_RUIFROK}; {text.source}",
        kind=text.kind,
        min_pixels=text.min_pixels,
        undefined=text.undefined,
        laws=laws,
        peers=tuple(
            Peer(peer.tool, peer.name.replace("{s}", stain.capitalize()), peer.difference)
            for peer in text.peers
        ),
    )


STAIN_COLUMNS: tuple[Column, ...] = tuple(
    _column(stain, statistic) for stain in STAINS for statistic in PER_STAIN
)
