"""The demo: a synthetic cohort with planted effects and one real image, through every stage.

Not evidence of anything about patients: it shows that the stages fit together and that what was
planted is found again, or says that it was not.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain import __version__
from pathexplain.cohort import read_cohort
from pathexplain.demo.pictures import pictures, planted_curves, real_tissue, recoveries
from pathexplain.demo.verdicts import DENSITY, MEAN_AREA, diagnosis_check, survival_check
from pathexplain.diagnosis import importance
from pathexplain.extraction import RunSummary, extract
from pathexplain.phantom import PhantomCohort, cohort, write_cohort
from pathexplain.prognosis import survival
from pathexplain.report.demonstration import Picture, Setting, demo_html
from pathexplain.report.gallery import RunFolder
from pathexplain.report.writing import write_report
from pathexplain.segmentor.backends import load_segmentor
from pathexplain.serialization import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anndata import AnnData

    from pathexplain.diagnosis.result import ImportanceResult
    from pathexplain.prognosis.result import SurvivalResult
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["real_tissue", "run_demo"]

SHAPE_PX = (448, 448)
LOG_HAZARD_PER_SD = -1.2
"""Stronger than the default of `cohort`, so that few patients suffice."""
PROMPTS_YAML = """\
version: 1
mpp: 0.5
prompts:
  - {name: epithelial, structure: nuclei, object: epithelial, region: colon}
  - {name: lymphocyte, structure: nuclei, object: lymphocyte, region: colon}
features: [shape, stain]
"""
STATISTICS = ("mean", "sd", "total")
"""Of each feature over the objects of a slide, these go on to the analyses."""
IMPORTANCE: dict[str, Any] = {
    "models": ("elastic_net", "random_forest"),
    "n_permutations": 39,
    "n_bootstrap": 300,
    "n_refits": 20,
}
SURVIVAL: dict[str, Any] = {
    "n_repeats": 1,
    "n_bootstrap": 200,
    "n_permutations": 10,
    "n_max_t": 500,
    "n_optimism": 10,
    "n_stability": 25,
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Analyzed:
    """What the stages gave."""

    run: RunSummary
    table: AnnData
    n_measured: int
    importance: ImportanceResult
    survival: SurvivalResult


class _Stages:
    """Says what is being done, and keeps how long each stage took."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage and time it."""
        self._say(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


def run_demo(
    out: str | Path,
    *,
    n_patients: int = 32,
    seed: int = 0,
    segmentor: str | Segmentor | None = None,
    progress: Say | None = None,
) -> Path:
    """Make a phantom cohort, run every stage on it and on one real image, and write one report.

    The analyses run with fewer repetitions than their defaults, `IMPORTANCE` and `SURVIVAL`, and on
    mean and sd of each feature alone; the page says so.

    Parameters
    ----------
    out : path
        Folder for images, tables, stores, results and ``demo.html``; made when it is not there.
        A second run with the same options uses the stores again.
    n_patients : int
        Synthetic patients, one field each.
    seed : int
        Same seed, same cohort and same numbers.
    segmentor : str or Segmentor, optional
        By default "compact", the weights that ship with the package.
    progress : callable, optional
        Called with one line of text at the start of each stage.

    Returns
    -------
    Path
        ``OUT/demo.html``; the full reports, ``importance.html`` and ``survival.html``, lie beside.
    """
    folder, stages = Path(out), _Stages(progress or _silent)
    with stages.stage(f"painting {n_patients} phantom fields"):
        made = cohort(n_patients, seed=seed, shape_px=SHAPE_PX, log_hazard_per_sd=LOG_HAZARD_PER_SD)
        images = write_cohort(made, folder / "images")
        prompts = write_text(folder / "prompts.yaml", PROMPTS_YAML)
    with stages.stage(f"segmenting and measuring {len(images)} fields"):
        name = segmentor if segmentor is not None else "compact"
        model = load_segmentor(name) if isinstance(name, str) else name
        run = extract(
            images,
            prompts=prompts,
            out=folder / "run",
            segmentor=model,
            mpp=made.mpp,
            patients=folder / "images" / "clinical.csv",
        )
        whole = read_cohort(folder / "run")
        table = whole[:, whole.var["statistic"].isin(STATISTICS).to_numpy()].copy()
    with stages.stage("asking what the diagnosis rests on"):
        rests = importance(table, target="diagnosis", seed=seed, **IMPORTANCE)
    with stages.stage("asking what carries survival"):
        carries = survival(table, time="time_months", event="event", seed=seed, **SURVIVAL)
    analyzed = _Analyzed(run, table, whole.n_vars, rests, carries)
    with stages.stage("drawing the pictures"):
        for result in (rests, carries):
            write_report(result, folder, run=folder / "run")
        drawn = pictures(made, model)
    return _report(folder, made, model, analyzed, drawn, seconds=stages.seconds)


def _silent(_line: str) -> None:
    """Say nothing."""


def _report(
    folder: Path,
    made: PhantomCohort,
    model: Segmentor,
    analyzed: _Analyzed,
    drawn: list[Picture],
    *,
    seconds: Mapping[str, float],
) -> Path:
    """Write the checks as JSON and the page."""
    checks = [diagnosis_check(made, analyzed.importance), survival_check(made, analyzed.survival)]
    write_json(folder / "checks.json", {"planted": made.truth, "checks": checks})
    patient_of = dict(zip(made.clinical["slide_id"], made.clinical["patient_id"], strict=True))
    units = {str(name): str(unit) for name, unit in analyzed.table.var["unit"].items()}
    html = demo_html(
        importance=analyzed.importance,
        survival=analyzed.survival,
        curves=planted_curves(analyzed.table),
        checks=checks,
        pictures=drawn,
        recoveries=recoveries(made, analyzed.table),
        run=RunFolder(folder / "run", patient_of=patient_of),
        units=units,
        planted_features=(MEAN_AREA, DENSITY),
        settings=_settings(analyzed),
        seconds=seconds,
        warnings=_warnings(model, analyzed.run),
        remarks=_remarks(model),
        provenance={
            "pathexplain": __version__,
            "segmentor": f"{model.name}, licence {model.licence}",
            "weights sha256": model.weights_sha256 or "no weights",
            "seed": made.seed,
            "synthetic patients": len(made),
            "real image": "scikit-image, data.immunohistochemistry()",
        },
    )
    return write_text(folder / "demo.html", html)


def _settings(analyzed: _Analyzed) -> list[Setting]:
    """List what was chosen lighter than the defaults."""
    found = [
        Setting(
            "both",
            "features analyzed (mean, sd, totals)",
            str(analyzed.table.n_vars),
            str(analyzed.n_measured),
        )
    ]
    for function, chosen in ((importance, IMPORTANCE), (survival, SURVIVAL)):
        parameters = inspect.signature(function).parameters
        found.extend(
            Setting(function.__name__, name, _words(value), _words(parameters[name].default))
            for name, value in chosen.items()
        )
    return found


def _words(value: object) -> str:
    """Write a setting without Python's brackets."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _warnings(model: Segmentor, run: RunSummary) -> list[str]:
    """List what must be read before anything else."""
    found = list(run.warnings)
    if model.weights_sha256 is None:
        found.append(
            "No trained weights were used: the masks come from color deconvolution, which cannot "
            "tell a lymphocyte from any other nucleus."
        )
    found.extend(f"Slide {item.slide_id} failed: {item.reason}" for item in run.failed)
    n_kept = sum(item.status == "skipped" for item in run.slides)
    if n_kept:
        found.append(
            f"{n_kept} of {len(run.slides)} fields were measured by an earlier run in this folder; "
            "the seconds do not count that."
        )
    return found


def _remarks(model: Segmentor) -> list[str]:
    """List what a reader must know of the masks of phantoms."""
    if "phantom" not in getattr(model, "sources", ()):
        return []
    return [
        f"Phantom fields of other seeds were among the training images of {model.name!r}: its "
        "masks are better here than on real tissue."
    ]
