"""`perturb`: which prompted objects an image classifier rests on, the paper's way 1.

Every slide goes through the classifier as it is and with the pixels of each prompt taken away;
what the loss does, beside what it does for random regions as large, is the importance
(Chen 2025, arXiv 2506.20988). Not for tables of features: see `diagnosis.analysis`.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pathexplain.diagnosis.labels import read_labels
from pathexplain.diagnosis.perturbation.classifier import as_classifier
from pathexplain.diagnosis.perturbation.conditions import conditions
from pathexplain.diagnosis.perturbation.options import PerturbationOptions
from pathexplain.diagnosis.perturbation.result import LostSlide
from pathexplain.diagnosis.perturbation.slide_runs import Run, run_slide
from pathexplain.diagnosis.perturbation.statistics import Study
from pathexplain.diagnosis.perturbation.summary import summarize
from pathexplain.diagnosis.tiles import TileSpec
from pathexplain.errors import CohortError, SegmentationError
from pathexplain.extraction.inputs import find_slides
from pathexplain.prompts import PromptSet, read_prompts
from pathexplain.segmentor.backends import load_segmentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pathexplain.diagnosis.labels import SlideLabels
    from pathexplain.diagnosis.perturbation.classifier import Classifier, Unit
    from pathexplain.diagnosis.perturbation.outcomes import SlideOutcome
    from pathexplain.diagnosis.perturbation.result import PerturbationResult
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["perturb"]

# A slide that cannot be read or segmented; a classifier that fails is not the slide's fault.
SLIDE_FAILURES = (SegmentationError, OSError, MemoryError)


def perturb(  # noqa: PLR0913 - the options of the command, all but one by keyword
    slides: str | Path | Iterable[str | Path] | None = None,
    *,
    classifier: Classifier | Callable[[NDArray[np.uint8]], Any],
    prompts: PromptSet | str | Path,
    labels: str | Path | pd.DataFrame,
    target: str,
    unit: Unit = "tile",
    classes: Sequence[str] | None = None,
    segmentor: str | Path | Segmentor | None = None,
    mpp: float | None = None,
    device: str = "auto",
    options: PerturbationOptions | None = None,
    out: str | Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> PerturbationResult:
    """Ask which prompted objects an image classifier rests on.

    Parameters
    ----------
    slides : path or paths, optional
        Slide files or folders, as for `extract`.
    classifier : Classifier or callable
        What `diagnosis.networks.load_classifier` returned, or a function of (n, H, W, 3) uint8 RGB
        tiles that gives logits.
    prompts : PromptSet or path
        Tiles and masks are made at its `mpp`, unless `options.tiles` says otherwise.
    labels : path or DataFrame
        One row a slide: `slide_id`, `patient_id` and the true classes.
    target : str
        Column of `labels` with the true classes.
    unit : {"tile", "slide"}
        For a function: whether each tile has logits, or the bag of a slide's tiles.
    classes : sequence of str, optional
        Names of the logits in their order, where the classifier does not say.
    segmentor : str, path or Segmentor, optional
        As for `extract`.
    mpp : float, optional
        Resolution of slides whose files do not say it.
    device : str
        For the segmentor.
    options : PerturbationOptions, optional
    out : path, optional
        Folder for the outcomes of slides and their pictures. With it, the same call goes on where
        it was interrupted, if the classifier has a `fingerprint`; without it there are no pictures.
    progress : callable, optional
        ``progress(slide_id, done_runs, all_runs)``.

    Returns
    -------
    PerturbationResult

    Raises
    ------
    ConfigError, CohortError
        Before any work: options, prompts, labels or classes that do not fit.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from pathexplain.phantom import tissue
    >>> from pathexplain.prompts import as_prompts
    >>> folder = tempfile.TemporaryDirectory()
    >>> for i in range(4):
    ...     field = tissue(seed=i, shape_px=(128, 128))
    ...     Image.fromarray(field.image).save(f"{folder.name}/s{i}.png")
    >>> labels = pd.DataFrame({"slide_id": ["s0", "s1", "s2", "s3"], "dx": ["a", "b", "a", "b"]})
    >>> result = perturb(
    ...     folder.name,
    ...     classifier=lambda tiles: [[tile.mean() / 9, 20.0] for tile in tiles],
    ...     prompts=PromptSet(1, mpp=0.5, prompts=as_prompts(["nucleus"])),
    ...     labels=labels,
    ...     target="dx",
    ...     segmentor="stain",
    ...     mpp=0.5,
    ...     options=PerturbationOptions(n_bootstrap=50, tiles=TileSpec(side_px=128)),
    ... )
    >>> result.n_patients, result.effect("nucleus").n_slides
    (4, 4)
    >>> folder.cleanup()
    """
    used = options or PerturbationOptions()
    prompt_set = prompts if isinstance(prompts, PromptSet) else read_prompts(prompts)
    model = as_classifier(classifier, unit=unit, classes=classes)
    found = find_slides(slides, prompts=prompt_set)
    known = read_labels(labels, target=target, slides=found, classes=classes or model.classes)
    chosen = segmentor or prompt_set.segmentor or "compact"
    loaded = load_segmentor(chosen, device=device) if isinstance(chosen, str | Path) else chosen
    with TemporaryDirectory() if out is None else nullcontext(out) as place:
        folder = Path(str(place))
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(
            classifier=model,
            prompts=prompt_set,
            segmentor=loaded,
            mpp=mpp,
            options=used,
            spec=used.tiles or TileSpec(mpp=prompt_set.mpp),
            conditions=conditions(
                len(prompt_set.prompts),
                fills=used.fills,
                n_controls=used.n_controls,
                sets=used.sets,
            ),
            folder=folder,
            progress=progress,
        )
        return _analyze(run, known, found, target=target, has_pictures=out is not None)


def _analyze(
    run: Run, known: SlideLabels, found: dict[str, Path], *, target: str, has_pictures: bool
) -> PerturbationResult:
    """Run all slides and put the result together."""
    outcomes: dict[int, SlideOutcome] = {}
    lost = []
    for index, slide_id in enumerate(known.slides):
        try:
            outcomes[index] = run_slide(run, known, index, found[slide_id])
        except SLIDE_FAILURES as error:
            lost.append(LostSlide(slide_id, str(error) or type(error).__name__))
    if not outcomes:
        message = f"none of the {len(known.slides)} slides could be used: {lost[0].reason}"
        raise CohortError(message, slide_id=lost[0].slide)
    kept = list(outcomes)
    study = Study.of(
        [outcomes[i] for i in kept],
        [known.patients[i] for i in kept],
        [int(known.codes[i]) for i in kept],
        known.classes,
        run.prompts.prompts,
        n_bootstrap=run.options.n_bootstrap,
        seed=run.options.seed,
    )
    names = [known.slides[i] for i in kept]
    return summarize(run, study, names, known, lost, target=target, has_pictures=has_pictures)
