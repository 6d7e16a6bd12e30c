"""One function a command: its options, one call, and what it prints.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.cli.output import Bars, Flag, Json, columns, note, say, say_json
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from pathexplain.prompts import PromptsCheck
    from pathexplain.segmentor.evaluation import Evaluation

__all__ = [
    "check",
    "demo",
    "evaluate",
    "features",
    "vocabulary",
]


def check(prompts: Path | None = None, /, *, as_json: Json = False, schema: Flag = False) -> int:
    """Check a prompts file: every fault at once, as file:line.

    Parameters
    ----------
    prompts
        Prompts file (YAML).
    as_json
        Print faults, warnings and what the file says as JSON.
    schema
        Print the JSON schema of prompts files instead, for editors.
    """
    from pathexplain.prompts import check_prompts, json_schema

    if schema:
        say_json(json_schema())
        return 0
    if prompts is None:
        message = "check: give a prompts file, or --schema"
        raise ConfigError(message)
    found = check_prompts(prompts)
    if as_json:
        _say_check(found)
    else:
        _show_check(found)
    return 0 if found.prompt_set is not None else ConfigError.exit_code


def features(*, markdown: Flag = False, as_json: Json = False) -> None:
    """List every feature: unit, definition, source.

    Parameters
    ----------
    markdown
        Print the page docs/features.md.
    as_json
        Print one JSON object a feature.
    """
    from pathexplain.features import feature_dictionary, features_markdown

    if markdown:
        say(features_markdown().rstrip("\n"))
        return
    table = feature_dictionary()
    if as_json:
        say_json(table.to_dict(orient="records"))
        return
    shown = ["name", "unit", "definition", "source"]
    say(columns([shown, *table[shown].itertuples(index=False, name=None)]))


def vocabulary(*, regions: Flag = False, as_json: Json = False) -> None:
    """List the objects that prompts may name, with their synonyms.

    Parameters
    ----------
    regions
        List regions of the body instead.
    as_json
        Print both as JSON.
    """
    from pathexplain.vocabulary import OBJECTS, REGIONS

    if as_json:
        say_json({"objects": list(OBJECTS.values()), "regions": REGIONS})
        return
    if regions:
        say(columns((name, ", ".join(words)) for name, words in REGIONS.items()))
        return
    rows = [("object", "structure", "kind", "also")]
    rows += [(t.name, t.structure, t.kind, ", ".join(t.synonyms)) for t in OBJECTS.values()]
    say(columns(rows))


def demo(
    *,
    out: Path = Path("pathexplain-demo"),
    patients: int = 32,
    segmentor: str | None = None,
    seed: int = 0,
) -> None:
    """Run all stages on a phantom cohort with planted effects and one real image.

    Parameters
    ----------
    out
        Folder of the demo.
    patients
        Number of synthetic patients.
    segmentor
        "compact", "compact-open", "stain" or a checkpoint folder. Default: the weights that ship.
    seed
        Seed of the phantom cohort.
    """
    from pathexplain.demo import run_demo

    say(run_demo(out, n_patients=patients, seed=seed, segmentor=segmentor, progress=note))


def evaluate(  # noqa: PLR0913 - one parameter an option
    segmentor: str = "compact",
    /,
    *,
    data: Path,
    split: str = "test",
    sources: tuple[str, ...] | None = None,
    robustness: int = 0,
    sheets: Flag = False,
    out: Path | None = None,
    card: Flag = False,
    device: str = "auto",
    seed: int = 0,
) -> None:
    """Measure a segmentor against annotated images, by category and source.

    Parameters
    ----------
    segmentor
        "compact", "compact-open", "stain" or a checkpoint folder.
    data
        CSV that lists images and masks, as for training.
    split
        Part of it: "test", "validation" or "train".
    sources
        Sources to take; the option again for several. Default: all that are annotated.
    robustness
        Images of each source on which changed images and other wordings are tried too.
    sheets
        Write contact sheets of best, median and worst images into the folder of --out.
    out
        JSON file to write, or a folder for evaluation.json, images.csv and sheets. Default: print.
    card
        Write the model card of a checkpoint folder, with the figures of "stain" beside.
    device
        "auto", "cpu", "cuda" or "mps".
    seed
        Seed of the intervals.
    """
    from pathexplain.segmentor.evaluation import evaluate as run

    if not data.exists():
        message = f"{data}: no such list of images"
        raise ConfigError(message, path=str(data))
    if sheets and (out is None or out.suffix == ".json"):
        message = "evaluate: --sheets needs a folder; give it with --out"
        raise ConfigError(message)
    options: dict[str, Any] = {"data": data, "split": split, "sources": sources, "seed": seed}
    with Bars() as bars:
        result = run(
            segmentor, robustness=robustness, device=device, progress=bars.image, **options
        )
    for skipped in result.skipped:
        note(f"skipped: {skipped.image}: {skipped.reason}")
    if out is not None:
        _write_evaluation(result, out, data=data, sheets=sheets, segmentor=segmentor, device=device)
    if card:
        from pathexplain.segmentor.card import write_card

        say(write_card(segmentor, result, baseline=run("stain", **options), pictures=out))
    elif out is None:
        say_json(result)


def _write_evaluation(
    result: Evaluation, out: Path, *, data: Path, sheets: bool, segmentor: str, device: str
) -> None:
    """Write an evaluation as one JSON file, or with images and pictures into a folder."""
    from pathexplain.segmentor.evaluation import write_images
    from pathexplain.serialization import write_json

    if out.suffix == ".json":
        say(write_json(out, result))
        return
    say(write_json(out / "evaluation.json", result))
    say(write_images(out / "images.csv", result.images))
    if sheets:
        from pathexplain.report.contact_sheet import contact_sheets

        for path in contact_sheets(out, result, segmentor=segmentor, data=data, device=device):
            say(path)


def _show_check(found: PromptsCheck) -> None:
    """Print faults and warnings to stderr, and what a good file says to stdout."""
    for fault in found.faults:
        note(fault)
    for warning in found.warnings:
        note(f"warning: {warning}")
    prompts = found.prompt_set
    if prompts is None:
        note(f"{len(found.faults)} faults" if len(found.faults) > 1 else "1 fault")
        return
    rows = [("name", "kind", "threshold", "min_area_um2", "reads as")]
    rows += [
        (p.name, p.kind, f"{p.threshold:g}", f"{p.min_area_um2:g}", p.canonical)
        for p in prompts.prompts
    ]
    say(columns(rows))
    say(f"mpp {prompts.mpp:g} um per pixel; features: {', '.join(prompts.features)}")


def _say_check(found: PromptsCheck) -> None:
    """Print a check as JSON."""
    lists = {"faults": found.faults, "warnings": found.warnings}
    say_json({"path": found.path, "ok": not found.faults, **lists, "prompts": found.prompt_set})
