"""A model written down before the cohort that tests it is opened: one JSON file with its own hash.

Not for applying it (`external`). The file holds everything that turns a patient into a risk, and
the figures of development; whoever changes a digit changes the hash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pathexplain.errors import CohortError
from pathexplain.prognosis.absolute_risk import Baseline
from pathexplain.prognosis.model import RiskModel
from pathexplain.prognosis.result import WithInterval
from pathexplain.provenance import sha256_json
from pathexplain.serialization import to_jsonable, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathexplain.prognosis.study import Study

__all__ = [
    "Development",
    "LockedModel",
    "LockedTerm",
    "Score",
    "describe_model",
    "read_model",
    "write_model",
]

FORMAT = "pathexplain survival model"
VERSION = 1


@dataclass(frozen=True)
class LockedTerm:
    """One term of the score: ``beta * (value - mean) / sd``, a missing value set to `median`.

    Features are scaled by the development sd; covariates are centered (sd 1) and have no `median`:
    a patient without them is not scored.
    """

    name: str
    is_feature: bool
    unit: str
    definition: str
    median: float | None
    mean: float
    sd: float
    beta: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Score:
    """A linear score and its baseline hazard; none where it was developed within strata."""

    terms: tuple[LockedTerm, ...]
    baseline: dict[str, dict[str, tuple[float, ...]]]
    threshold: float
    mean: float
    sd: float


@dataclass(frozen=True)
class Development:
    """Figures of development to compare with; NaN where they were not estimated."""

    n: int
    events: int
    c_index: WithInterval
    c_index_apparent: float
    c_index_corrected: float
    hr_per_sd_of_score: float
    gain: WithInterval


@dataclass(frozen=True)
class LockedModel:
    """All that is needed to score a patient, and what the score did where it was made.

    `model` holds features and covariates, `clinical` the covariates alone (None without any).
    `threshold` of a score splits high from low risk: the median of development.
    """

    time: str
    event: str
    time_unit: str
    covariates: dict[str, tuple[str, ...]]
    mpp: float | None
    horizon: float
    model: Score
    clinical: Score | None
    development: Development
    versions: dict[str, str]


def describe_model(study: Study, model: RiskModel) -> Score:
    """Write a fitted model down as plain values; the threshold is the median score of `study`."""
    q = len(study.covariate_names[: model.covariate_means.size])
    beside = [
        LockedTerm(
            name=study.covariate_names[k],
            is_feature=False,
            unit="",
            definition="",
            median=None,
            mean=float(model.covariate_means[k]),
            sd=1.0,
            beta=float(model.beta[k]),
            lowest=float(study.covariates[:, k].min()),
            highest=float(study.covariates[:, k].max()),
        )
        for k in range(q)
    ]
    features = [
        LockedTerm(
            name=study.names[j],
            is_feature=True,
            unit=study.units[j],
            definition=study.definitions[j],
            median=float(model.medians[k]),
            mean=float(model.means[k]),
            sd=float(model.sds[k]),
            beta=float(model.beta[q + k]),
            lowest=float(np.nanmin(study.features[:, j])),
            highest=float(np.nanmax(study.features[:, j])),
        )
        for k, j in enumerate(model.columns)
    ]
    risk = model.risk(study)
    steps = {
        str(code): {"time": tuple(one.time.tolist()), "hazard": tuple(one.hazard.tolist())}
        for code, one in (model.baseline.items() if study.strata is None else ())
    }
    return Score(
        terms=(*beside, *features),
        baseline=steps,
        threshold=float(np.median(risk)),
        mean=float(risk.mean()),
        sd=float(risk.std(ddof=1)),
    )


def fitted_model(score: Score, names: tuple[str, ...]) -> RiskModel:
    """Return the model that a score describes; `names` are the features of the cohort to score."""
    beside = [term for term in score.terms if not term.is_feature]
    features = [term for term in score.terms if term.is_feature]
    place = {name: k for k, name in enumerate(names)}
    return RiskModel(
        columns=np.array([place[term.name] for term in features], dtype=np.intp),
        medians=np.array([term.median for term in features], dtype=np.float64),
        means=np.array([term.mean for term in features]),
        sds=np.array([term.sd for term in features]),
        beta=np.array([term.beta for term in (*beside, *features)]),
        covariate_means=np.array([term.mean for term in beside]),
        dropped_for_fit=0,
        baseline={
            int(code): Baseline(np.asarray(one["time"]), np.asarray(one["hazard"]))
            for code, one in score.baseline.items()
        },
    )


def write_model(locked: LockedModel, path: str | Path) -> Path:
    """Write a locked model with the SHA-256 of its content."""
    content = to_jsonable(locked)
    return write_json(
        path, {"format": FORMAT, "version": VERSION, "sha256": sha256_json(content), **content}
    )


def read_model(path: str | Path) -> tuple[LockedModel, str]:
    """Read a locked model and its hash.

    Raises
    ------
    CohortError
        If the file is no locked model, of another version, or does not match its own hash.
    """
    source = Path(path)
    try:
        tree = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{source} is no locked model: {error}"
        raise CohortError(message, path=str(source)) from error
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        message = f"{source} is no locked model; write one with `pathexplain survival --lock`"
        raise CohortError(message, path=str(source))
    if tree.get("version") != VERSION:
        message = f"{source} has version {tree.get('version')}; this pathexplain reads {VERSION}"
        raise CohortError(message, path=str(source))
    stated = str(tree.get("sha256"))
    content = {k: v for k, v in tree.items() if k not in {"format", "version", "sha256"}}
    found = sha256_json(content)
    if found != stated:
        message = (
            f"{source} was changed after it was locked: its content has hash {found[:12]}…, the "
            f"file states {stated[:12]}…; a model that was touched is a new model"
        )
        raise CohortError(message, path=str(source))
    try:
        return _from_tree(content), stated
    except (KeyError, TypeError) as error:
        message = f"{source} lacks a part of a locked model: {error}"
        raise CohortError(message, path=str(source)) from error


def _from_tree(tree: Mapping[str, Any]) -> LockedModel:
    """Rebuild the dataclasses from JSON."""
    development = dict(tree["development"])
    for name, value in development.items():
        if isinstance(value, dict):
            development[name] = WithInterval(**{k: _float(v) for k, v in value.items()})
        elif value is None:
            development[name] = float("nan")
    rest = {**tree, "development": Development(**development)}
    rest["covariates"] = {name: tuple(levels) for name, levels in tree["covariates"].items()}
    rest["model"] = _score(tree["model"])
    rest["clinical"] = None if tree["clinical"] is None else _score(tree["clinical"])
    return LockedModel(**rest)


def _score(tree: Mapping[str, Any]) -> Score:
    """Rebuild one score."""
    return Score(**{**tree, "terms": tuple(LockedTerm(**term) for term in tree["terms"])})


def _float(value: float | None) -> float:
    """Read a number that JSON may have written as null."""
    return float("nan") if value is None else float(value)
