"""The Kaplan-Meier panels and forest rows of a result: what is drawn, and with which words.

Not for estimating curves (`km`). A split is a display; the continuous model is the analysis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.prognosis.km import kaplan_meier_panel, median_split
from pathexplain.prognosis.result import ForestRow, PValue

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pathexplain.prognosis.result import FinalModel, KaplanMeier, Screen, ScreenRow
    from pathexplain.prognosis.study import Study

__all__ = ["forest_rows", "kaplan_meier_panels"]

FOREST_ROWS = 20
HALF = 0.5


def kaplan_meier_panels(
    study: Study, screen: Screen, risk: NDArray[np.float64]
) -> tuple[KaplanMeier, ...]:
    """Draw all patients, the out-of-fold score and the first feature, split at the median."""
    first = screen.rows[0]
    panels = [_everyone(study)]
    if np.isfinite(risk).any():
        panels.append(_split_by_score(study, risk))
    if first.status == "ok":
        panels.append(_split_by_feature(study, first))
    return tuple(panels)


def _everyone(study: Study) -> KaplanMeier:
    """Draw all patients in one curve."""
    return kaplan_meier_panel(
        study.outcome,
        np.zeros(study.outcome.n, dtype=np.int64),
        labels=("all patients",),
        title="All patients",
        caption="Kaplan-Meier estimate with 95 % log-log interval.",
    )


def _split_by_score(study: Study, risk: NDArray[np.float64]) -> KaplanMeier:
    """Draw the halves of the out-of-fold score."""
    return kaplan_meier_panel(
        study.outcome,
        np.where(np.isnan(risk), -1, risk > HALF).astype(np.int64),
        labels=("low risk", "high risk"),
        title="Out-of-fold risk score",
        caption=(
            "Each patient was scored by a model that had not seen the patient, and split at the "
            "median of the test fold. The split is a display; patients whose fold had no model "
            "are not drawn. The log-rank p is descriptive: scores share training patients."
        ),
    )


def _split_by_feature(study: Study, row: ScreenRow) -> KaplanMeier:
    """Draw the halves of one feature."""
    status = "passes" if row.is_discovery else "does not pass"
    return kaplan_meier_panel(
        study.outcome,
        median_split(study.features[:, study.names.index(row.feature)]),
        labels=("at or below median", "above median"),
        title=row.feature,
        caption=(
            "Split at the median, for display: the analysis is the continuous one. "
            f"{row.feature} comes first of {row.n_tests} and {status} the screen; the log-rank p "
            "is descriptive, since the same patients chose the feature."
        ),
    )


def forest_rows(screen: Screen, final: FinalModel | None) -> tuple[ForestRow, ...]:
    """Return the first rows of the screen, then the final model."""
    rows = [
        ForestRow(
            "screen",
            row.feature,
            row.hr_per_sd,
            PValue(row.p, "Wald", row.n, row.events, row.n_tests),
        )
        for row in screen.rows[:FOREST_ROWS]
        if row.status == "ok"
    ]
    if final is not None:
        rows.extend(ForestRow("final", term.name, term.hr, term.p) for term in final.terms)
    return tuple(rows)
