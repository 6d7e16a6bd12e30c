"""Verdicts of the demo: whether what was planted is among what the analyses found.

Not for finding anything: results come ready, and the rule is stated beside each verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pathexplain.report.demonstration import Check

if TYPE_CHECKING:
    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.phantom import PhantomCohort
    from pathexplain.prognosis.result import SurvivalResult

__all__ = ["DENSITY", "MEAN_AREA", "diagnosis_check", "survival_check"]

N_LEADING = 3
"""A planted diagnostic feature counts as found among so many leading clusters."""
FOUND_Q = 0.05
SIZE_FEATURES = ("area", "diameter", "axis", "perimeter", "feret", "radius")
DENSITY = "lymphocyte.aggregate.density_per_mm2.total"
MEAN_AREA = "epithelial.shape.area_um2.mean"


def diagnosis_check(made: PhantomCohort, result: ImportanceResult) -> Check:
    """Look for nuclear size among the leading clusters of the best explained model."""
    planted = dict(_mapping(made.truth["diagnosis"]))
    goal = f"{planted['effect']} (median area × {planted['ratio']})"
    if result.importances is None:
        return Check("Diagnosis", goal, is_found=False, evidence=result.reason)
    explained = max(
        result.importances.models,
        key=lambda one: result.model(one.name).metric("auroc").interval.value,
    )
    leading = sorted(explained.clusters, key=lambda one: one.rank)
    ranks = [one.rank for one in leading if any(_is_nuclear_size(name) for name in one.features)]
    tests = {test.feature: test for test in result.univariate}
    area = tests.get(MEAN_AREA)
    is_larger = area is not None and area.q_value <= FOUND_Q and area.effect.value > 0
    best = ranks[0] if ranks else None
    evidence = (
        f"In the {explained.label} model, the leading cluster with a nuclear size ranks "
        f"{best if best is not None else 'nowhere'} of {len(leading)}"
    )
    if area is not None:
        evidence += (
            f"; mean nuclear area alone: {area.effect_name} {area.effect.value:.2f} towards "
            f"{result.target.positive}, q = {area.q_value:.2g} over {area.n_tests} tests"
        )
    is_found = best is not None and best <= N_LEADING and is_larger
    rule = f"Found means: rank {N_LEADING} or better, and larger with q ≤ {FOUND_Q}."
    return Check("Diagnosis", goal, is_found=is_found, evidence=f"{evidence}. {rule}")


def survival_check(made: PhantomCohort, result: SurvivalResult) -> Check:
    """Look for lymphocyte density among the discoveries, with the planted direction."""
    planted = dict(_mapping(made.truth["prognosis"]))
    log_hazard = float(str(planted["log_hazard_per_sd"]))
    goal = f"{planted['effect']} (hazard ratio {np.exp(log_hazard):.2f} per SD of log density)"
    rows = {row.feature: (rank, row) for rank, row in enumerate(result.screen.rows, start=1)}
    if DENSITY not in rows:
        why = {one.feature: f"{one.reason}, {one.detail}" for one in result.preflight.dropped}
        evidence = f"{DENSITY} was not tested: {why.get(DENSITY, 'it is not in the table')}."
        return Check("Survival", goal, is_found=False, evidence=evidence)
    rank, row = rows[DENSITY]
    hazard = row.hr_per_sd
    is_same_side = (hazard.value < 1) == (log_hazard < 0)
    evidence = (
        f"Lymphocyte density: hazard ratio {hazard.value:.2f} per SD (95 % interval "
        f"{hazard.low:.2f} to {hazard.high:.2f}; of the density itself, not of its logarithm), "
        f"rank {rank} of {result.screen.n_tests} tests, adjusted p = {row.p_bh:.2g} (Benjamini and "
        f"Hochberg). Found means: adjusted p ≤ {result.screen.alpha:g}, and the planted direction."
    )
    return Check("Survival", goal, is_found=row.is_discovery and is_same_side, evidence=evidence)


def _is_nuclear_size(feature: str) -> bool:
    """Say whether a feature is a size of nuclei."""
    prompt, family, *rest = feature.split(".")
    return prompt == "epithelial" and family == "shape" and any(s in rest[0] for s in SIZE_FEATURES)


def _mapping(value: object) -> dict[str, object]:
    """Return a nested part of the truth."""
    return value if isinstance(value, dict) else {}
