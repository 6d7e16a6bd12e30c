"""The choice of exemplars against a brute-force search, and outlines against areas."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from pathexplain.report.exemplars import LEVELS, outline_path, pick_exemplars


def _objects(seed: int, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "patient": rng.choice(list("abcdef"), n),
            "instance_id": np.arange(n),
            "y_um": rng.uniform(0, 100, n),
            "x_um": rng.uniform(0, 100, n),
            "value": rng.lognormal(3, 0.5, n),
        }
    )
    frame["slide"] = "slide-" + frame["patient"]
    frame.loc[::17, "value"] = np.nan
    return frame


def test_each_level_holds_the_nearest_object_of_each_patient() -> None:
    frame = _objects(1)
    picked = pick_exemplars(frame, n_each=3)
    values = frame["value"].dropna().to_numpy()
    for level, share in LEVELS.items():
        target = np.quantile(values, share)
        row = [e for e in picked if e.level == level]
        assert len({e.patient for e in row}) == 3
        nearest = {
            patient: float((part["value"] - target).abs().min())
            for patient, part in frame.groupby("patient")
        }
        best = sorted(nearest, key=lambda patient: nearest[patient])[:3]
        assert {e.patient for e in row} == set(best)
        for exemplar in row:
            assert np.isclose(abs(exemplar.value - target), nearest[exemplar.patient])


def test_choice_is_the_same_whatever_the_row_order() -> None:
    frame = _objects(2)
    shuffled = frame.sample(frac=1.0, random_state=0)
    assert pick_exemplars(frame) == pick_exemplars(shuffled)


def test_undefined_values_are_never_shown() -> None:
    frame = _objects(3).assign(value=np.nan)
    assert pick_exemplars(frame) == ()


def test_outline_encloses_the_area_of_the_object() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[0:20, 0:30] = 4
    path = outline_path(labels, [4])
    points = np.array(re.findall(r"[ML](\S+?) ([^LZM]+)", path), float)
    x, y = points[:, 0], points[:, 1]
    area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
    assert abs(area - 20 * 30) <= 1
    assert outline_path(labels, [9]) == ""
