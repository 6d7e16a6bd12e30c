"""Synthetic cohorts: one field a patient, with a planted diagnostic and prognostic effect.

Malignant patients have larger and more varied epithelial nuclei; patients with many lymphocytes
live longer. The two are independent, and age, site and stain strength carry neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from pathexplain.errors import ConfigError
from pathexplain.phantom.field import PhantomTissue, TissueParams, tissue

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import NDArray

__all__ = ["PhantomCohort", "cohort", "write_cohort"]

SITES = ("A", "B", "C")
BENIGN_AREA_UM2 = 35.0
LYMPHOCYTES_PER_MM2 = 700.0
# Log-normal spread between patients of nuclear area and of lymphocyte density.
AREA_SPREAD = 0.06
LYMPHOCYTE_SPREAD = 0.7
WEIBULL_SHAPE = 1.3
MEDIAN_MONTHS = 36.0
CENSORING_MONTHS = (24.0, 120.0)
LEAST_PATIENTS = 4


@dataclass(frozen=True)
class PhantomCohort:
    """A synthetic cohort and its truth.

    Attributes
    ----------
    clinical : pandas.DataFrame
        One row a patient: slide_id, patient_id, diagnosis (benign or malignant), time_months,
        event (1 died), age (years), site.
    latent : pandas.DataFrame
        Index slide_id: what each patient's tissue was made with, and `log_hazard`.
    truth : dict
        The planted effects in words and numbers, for a report and for tests.
    params : tuple of TissueParams
        The look of each patient's tissue.
    """

    clinical: pd.DataFrame
    latent: pd.DataFrame
    truth: dict[str, object]
    params: tuple[TissueParams, ...]
    seed: int
    shape_px: tuple[int, int]
    mpp: float

    def __len__(self) -> int:
        """Return the number of patients."""
        return len(self.params)

    def tissue(self, index: int) -> PhantomTissue:
        """Make the field of patient `index`, 0 to n - 1; the same at every call."""
        seed = int(np.random.SeedSequence((self.seed, index)).generate_state(1)[0])
        return tissue(self.params[index], seed=seed, shape_px=self.shape_px, mpp=self.mpp)

    def tissues(self) -> Iterator[tuple[str, PhantomTissue]]:
        """Make every field in turn, with its slide_id."""
        for index, slide_id in enumerate(self.clinical["slide_id"]):
            yield str(slide_id), self.tissue(index)


def cohort(
    n_patients: int = 72,
    *,
    seed: int = 0,
    area_ratio: float = 1.35,
    log_hazard_per_sd: float = -0.9,
    shape_px: tuple[int, int] = (512, 512),
    mpp: float = 0.5,
) -> PhantomCohort:
    """Draw a cohort whose effects are known.

    Log lymphocyte density takes the same standard normal quantiles in both diagnoses, in random
    order, so that chance does not tie the two effects together. Survival is Weibull with hazard
    ratio ``exp(log_hazard_per_sd)`` for each SD of log lymphocyte density; censoring is uniform.

    Parameters
    ----------
    n_patients : int
        At least 4; half of them (rounded up) are benign.
    seed : int
        Same seed, same cohort.
    area_ratio : float
        Median nuclear area in malignant against benign, > 0; 1 plants nothing.
    log_hazard_per_sd : float
        Effect of lymphocyte density; 0 plants nothing.
    shape_px, mpp
        Size and resolution of each field, see `field`.

    Returns
    -------
    PhantomCohort
        Clinical table, truth, and the fields on request.

    Raises
    ------
    ConfigError
        If there are fewer than 4 patients or the ratio is not positive.

    Examples
    --------
    >>> small = cohort(8, seed=1)
    >>> sorted(small.clinical["diagnosis"].unique()), len(small)
    (['benign', 'malignant'], 8)
    >>> small.tissue(0).image.shape
    (512, 512, 3)
    """
    if n_patients < LEAST_PATIENTS or not area_ratio > 0:
        message = f"phantom cohort of {n_patients} patients, area_ratio {area_ratio}: too small"
        raise ConfigError(message)
    rng = np.random.default_rng(seed)
    malignant = rng.permutation(np.arange(n_patients) >= (n_patients + 1) // 2)
    z = _balanced_normal(malignant, rng)
    latent = _latent(malignant, z, rng, area_ratio=area_ratio)
    latent["log_hazard"] = log_hazard_per_sd * z
    clinical = _clinical(latent, malignant, rng)
    latent.index = pd.Index(clinical["slide_id"], name="slide_id")
    params = tuple(
        _params(row, site)
        for row, site in zip(latent.to_dict("records"), clinical["site"], strict=True)
    )
    truth: dict[str, object] = {
        "synthetic": True,
        "seed": seed,
        "diagnosis": {
            "effect": "epithelial nuclei are larger and more varied in malignant patients",
            "feature": "nuclear area",
            "ratio": area_ratio,
        },
        "prognosis": {
            "effect": "more lymphocytes, longer survival" if log_hazard_per_sd < 0 else "other",
            "feature": "lymphocyte density",
            "log_hazard_per_sd": log_hazard_per_sd,
        },
        "carry_nothing": ["age", "site", "stain strength"],
    }
    return PhantomCohort(clinical, latent, truth, params, seed, shape_px, mpp)


def write_cohort(made: PhantomCohort, folder: str | Path) -> tuple[Path, ...]:
    """Write every field as `slide_id.png` and the clinical table as `clinical.csv`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_cohort(cohort(4, shape_px=(64, 64)), folder)
    ...     paths[0].name, (Path(folder) / "clinical.csv").is_file()
    ('phantom-001.png', True)
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    made.clinical.to_csv(target / "clinical.csv", index=False)
    paths = []
    for slide_id, field in made.tissues():
        paths.append(target / f"{slide_id}.png")
        Image.fromarray(field.image).save(paths[-1])
    return tuple(paths)


def _balanced_normal(malignant: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Deal standard normal quantiles in random order within each diagnosis."""
    z = np.empty(malignant.size)
    for group in (malignant, ~malignant):
        n = int(group.sum())
        z[group] = rng.permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))
    return np.asarray((z - z.mean()) / z.std())


def _latent(
    malignant: NDArray[np.bool_],
    z: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    area_ratio: float,
) -> pd.DataFrame:
    """Draw what each patient's tissue is made with."""
    n = malignant.size
    # Without a planted area ratio the diagnosis leaves no other trace in the nuclei either.
    atypia = malignant & (area_ratio != 1)
    area = BENIGN_AREA_UM2 * np.where(malignant, area_ratio, 1.0) * rng.lognormal(0, AREA_SPREAD, n)
    return pd.DataFrame(
        {
            "atypia": atypia.astype(float),
            "nuclear_area_um2": area,
            "nuclear_area_cv": np.where(atypia, 0.32, 0.16) * rng.lognormal(0, 0.1, n),
            "irregularity": np.where(atypia, 0.08, 0.035) * rng.lognormal(0, 0.1, n),
            "lymphocytes_per_mm2": LYMPHOCYTES_PER_MM2 * np.exp(LYMPHOCYTE_SPREAD * z),
            "lymphocytes_z": z,
            "hematoxylin": rng.normal(1.0, 0.06, n),
            "eosin": rng.normal(1.0, 0.08, n),
        }
    )


def _clinical(
    latent: pd.DataFrame,
    malignant: NDArray[np.bool_],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Weibull survival with uniform censoring, and covariates that carry nothing."""
    n = len(latent)
    scale = MEDIAN_MONTHS / np.log(2) ** (1 / WEIBULL_SHAPE)
    hazard = np.exp(latent["log_hazard"].to_numpy())
    death = scale * (rng.exponential(1.0, n) / hazard) ** (1 / WEIBULL_SHAPE)
    censored = rng.uniform(*CENSORING_MONTHS, n)
    numbers = [f"{index + 1:03d}" for index in range(n)]
    return pd.DataFrame(
        {
            "slide_id": [f"phantom-{number}" for number in numbers],
            "patient_id": [f"P{number}" for number in numbers],
            "diagnosis": np.where(malignant, "malignant", "benign"),
            "time_months": np.maximum(np.minimum(death, censored), 0.1).round(2),
            "event": (death <= censored).astype(int),
            "age": rng.normal(62, 10, n).clip(30, 90).round().astype(int),
            "site": rng.choice(SITES, n),
        }
    )


def _params(row: dict[Hashable, float], site: str) -> TissueParams:
    """Tissue of one patient; each site has a slightly different stain."""
    return TissueParams(
        nuclear_area_um2=row["nuclear_area_um2"],
        nuclear_area_cv=row["nuclear_area_cv"],
        irregularity=row["irregularity"],
        vesicular=0.35 + 0.07 * row["atypia"],
        layers=1.6 + 0.7 * row["atypia"],
        lymphocytes_per_mm2=row["lymphocytes_per_mm2"],
        hematoxylin=row["hematoxylin"],
        eosin=row["eosin"],
        hue=0.02 * (SITES.index(site) - 1),
    )
