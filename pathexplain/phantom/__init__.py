"""Synthetic H&E tissue and cohorts with known truth: demonstration, tests, power analysis."""

from __future__ import annotations

from pathexplain.phantom.field import PhantomTissue, TissueParams, tissue
from pathexplain.phantom.patients import PhantomCohort, cohort, write_cohort

__all__ = ["PhantomCohort", "PhantomTissue", "TissueParams", "cohort", "tissue", "write_cohort"]
