"""The paper's two ways with images: options, one call, and the paths of the report.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from pathexplain.cli.output import Bars, note, say

if TYPE_CHECKING:
    from pathexplain.diagnosis.tiles import TileSpec
    from pathexplain.prompts import PromptSet

__all__ = ["attend", "perturb"]

Flag = Annotated[bool, Parameter(show_default=False)]
Names = Annotated[tuple[str, ...], Parameter(show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LabeledSlides:
    """What both commands are told of slides, masks and labels.

    Parameters
    ----------
    prompts
        Prompts file (YAML).
    labels
        CSV with one row a slide: slide_id, patient_id and the true classes.
    target
        Column of it with the true classes.
    segmentor
        "compact", "compact-open", "stain", "masks:FOLDER" or a checkpoint folder.
    classes
        Classes in their order, with commas: of the classifier's logits where it does not say; of
        two, contributions are to the last. Default: sorted.
    tile_px
        Side of tiles, pixels.
    tile_mpp
        Their resolution, um per pixel. Default: the prompts file's mpp.
    mpp
        Resolution of the slides, um per pixel, for files that do not say it.
    device
        "auto", "cpu", "cuda" or "mps".
    figures
        Also write every figure as SVG and PNG, to figures/ in the folder of --out.
    seed
        Seed of everything that is drawn.
    """

    prompts: Path
    labels: Path
    target: str
    segmentor: str | None = None
    classes: Names = ()
    tile_px: int = 256
    tile_mpp: float | None = None
    mpp: float | None = None
    device: str = "auto"
    figures: Flag = False
    seed: int = 0


def perturb(  # noqa: PLR0913 - one parameter an option
    *slides: Path,
    classifier: str,
    asked: LabeledSlides,
    out: Path = Path("perturbation"),
    unit: Literal["tile", "slide"] = "tile",
    fills: Names = ("blur",),
    blur_um: float = 8.0,
    controls: int = 3,
    control_region: Literal["background", "elsewhere"] = "background",
    sets: Literal["auto", "none", "pairs", "all"] = "auto",
) -> None:
    """Ask which prompted objects an image classifier rests on, by taking them away.

    A slide that is done already is skipped, so the same command resumes an interrupted run.

    Parameters
    ----------
    slides
        Slides or folders. Default: the prompts file's, else all images of the working folder.
    classifier
        A transformers directory with safetensors, a folder of `pathexplain attend`, or
        MODULE:FUNCTION or FILE.py:FUNCTION that returns a model. Pickled files are never read.
    out
        Folder of outcomes, pictures and the report.
    unit
        For MODULE:FUNCTION: whether each tile has logits, or a slide's bag of tiles.
    fills
        What takes an object's place, with commas: blur, mean, noise, remove (tiles from the bag).
    blur_um
        Sigma of the blur, um.
    controls
        Random regions as large as each object.
    control_region
        Controls lie outside of all prompts (background) or outside of the prompt (elsewhere).
    sets
        Prompts taken away together: all (Shapley values), pairs, none; auto: all up to six prompts.
    """
    from pathexplain.diagnosis.networks.classifiers import load_classifier
    from pathexplain.diagnosis.perturbation import PerturbationOptions
    from pathexplain.diagnosis.perturbation import perturb as run
    from pathexplain.prompts import read_prompts
    from pathexplain.report import perturbation_figures, write_figures, write_report

    prompt_set = read_prompts(asked.prompts)
    given = _names(asked.classes) or None
    with Bars() as bars:
        result = run(
            slides or None,
            classifier=load_classifier(classifier, unit=unit, classes=given, device=asked.device),
            prompts=prompt_set,
            labels=asked.labels,
            target=asked.target,
            classes=given,
            segmentor=asked.segmentor,
            mpp=asked.mpp,
            device=asked.device,
            options=PerturbationOptions(
                fills=_names(fills),
                blur_um=blur_um,
                n_controls=controls,
                control_region=control_region,
                sets=sets,
                tiles=_tiles(prompt_set, asked),
                seed=asked.seed,
            ),
            out=out,
            progress=bars.slide,
        )
    if asked.figures:
        write_figures(perturbation_figures(result), out / "figures")
    _finish(result.notes, write_report(result, out))


def attend(
    *slides: Path,
    asked: LabeledSlides,
    out: Path = Path("attention"),
    encoder: str = "compact",
    folds: int = 5,
    permutations: int = 20,
    epochs: int = 60,
    networks: int = 3,
) -> None:
    """Train attention over prompted objects, patients held out, and paint what each object adds.

    What is done already is skipped, so the same command resumes an interrupted run.

    Parameters
    ----------
    slides
        Slides or folders. Default: the prompts file's, else all images of the working folder.
    out
        Folder of features, networks, pictures and the report; a classifier for `perturb`.
    encoder
        Frozen encoder of tiles: "compact", "imagenet", a checkpoint of ours, or a transformers
        directory; not one that was trained on these slides.
    folds
        Folds of whole patients.
    permutations
        Most permutations of the patients' labels that the network is compared with; 0 for none.
    epochs
        Passes over the training slides, fixed beforehand.
    networks
        Networks a fold, from different seeds, averaged.
    """
    from pathexplain.diagnosis.attention import AttentionOptions
    from pathexplain.diagnosis.attention import attend as run
    from pathexplain.diagnosis.networks.training import TrainingOptions
    from pathexplain.prompts import read_prompts
    from pathexplain.report import attention_figures, write_figures, write_report

    prompt_set = read_prompts(asked.prompts)
    with Bars() as bars:
        result = run(
            slides or None,
            prompts=prompt_set,
            labels=asked.labels,
            target=asked.target,
            classes=_names(asked.classes) or None,
            segmentor=asked.segmentor,
            encoder=encoder,
            mpp=asked.mpp,
            device=asked.device,
            options=AttentionOptions(
                tiles=_tiles(prompt_set, asked),
                training=TrainingOptions(epochs=epochs, n_networks=networks),
                n_splits=folds,
                n_permutations=permutations,
                seed=asked.seed,
            ),
            out=out,
            progress=bars.slide,
        )
    if asked.figures:
        write_figures(attention_figures(result), out / "figures")
    _finish(result.notes, write_report(result, out))


def _tiles(prompts: PromptSet, asked: LabeledSlides) -> TileSpec:
    """Tiles at the resolution asked for, else at the prompts file's."""
    from pathexplain.diagnosis.tiles import TileSpec

    return TileSpec(
        side_px=asked.tile_px, mpp=prompts.mpp if asked.tile_mpp is None else asked.tile_mpp
    )


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Split names that were given with commas."""
    return tuple(name.strip() for item in given for name in item.split(",") if name.strip())


def _finish(notes: tuple[str, ...], paths: tuple[Path, Path]) -> None:
    """Print what must be known to stderr, and the files of the report to stdout."""
    for words in notes:
        note(f"note: {words}")
    for path in paths:
        say(path)
