"""The command that turns public sources into datasets: options, one call, and what it prints.

Heavy imports stay inside the functions, so that `--help` needs none of them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pathexplain.cli.output import Bars, columns, note, say, say_json
from pathexplain.errors import ConfigError

if TYPE_CHECKING:
    from pathexplain.segmentor.datasets.conversion import Conversion

__all__ = ["dataset"]

Flag = Annotated[bool, Parameter(show_default=False)]
List = Annotated[bool, Parameter("--list", show_default=False)]
Json = Annotated[bool, Parameter("--json", show_default=False)]


def dataset(  # noqa: PLR0913 - one parameter an option
    source: str | None = None,
    folder: Path | None = None,
    /,
    *,
    out: Path | None = None,
    mpp: float | None = None,
    source_mpp: float | None = None,
    prompt: str | None = None,
    no_cut: Flag = False,
    listing: List = False,
    as_json: Json = False,
) -> int:
    """Turn a public source into a dataset for training: pictures, masks, dataset.csv.

    A picture that is finished already is skipped, so the same command resumes an interrupted run.

    Parameters
    ----------
    source
        Name of the source, as --list shows.
    folder
        The source, downloaded and unpacked.
    out
        Folder of the dataset. Default: ./SOURCE-dataset.
    mpp
        Resolution to rescale to, um per pixel. Default: as it is.
    source_mpp
        Resolution of the source, where nobody published one, or in place of that.
    prompt
        For source "folder": what its masks show, such as "tissue-level tumor in breast".
    no_cut
        Leave large pictures whole. Default: cut above 1500 px, windows of 1024 px.
    listing
        List the sources instead, with licence, link and categories.
    as_json
        Print the list, or what was done, as JSON.
    """
    from pathexplain.segmentor.datasets.conversion import convert

    if listing:
        _show_sources(as_json=as_json)
        return 0
    if source is None or folder is None:
        message = "dataset: give a source and its folder, or --list for the sources"
        raise ConfigError(message)
    with Bars() as bars:
        made = convert(
            source,
            folder,
            out=_folder_of(source) if out is None else out,
            mpp=mpp,
            source_mpp=source_mpp,
            prompt=prompt,
            cut=not no_cut,
            progress=bars.image,
        )
    _show(made, as_json=as_json)
    return made.exit_code


def _folder_of(source: str) -> Path:
    """Folder of a dataset for which none was named, which is said."""
    from pathlib import Path

    out = Path(f"{source}-dataset")
    note(f"no folder named: writing to ./{out}")
    return out


def _show(made: Conversion, *, as_json: bool) -> None:
    """Print the table's path, or all of what was done, and what failed."""
    for warning in made.warnings:
        note(f"warning: {warning}")
    for picture in made.pictures:
        if picture.status == "failed":
            note(f"failed: {picture.name}: {picture.reason}")
    counts = Counter(picture.status for picture in made.pictures)
    shown = [f"{counts[word]} {word}" for word in ("done", "skipped", "failed") if counts[word]]
    note(f"{', '.join(shown)}; {made.n_rows} rows")
    if as_json:
        say_json(made)
    else:
        say(made.table)


def _show_sources(*, as_json: bool) -> None:
    """Print every source with its terms, and what its masks are of."""
    from pathexplain.segmentor.datasets.catalog import CATALOG, REFUSED
    from pathexplain.segmentor.datasets.taxonomy import TAXONOMY

    categories = {
        name: [f"{c.structure}-level {c.name}" for c in TAXONOMY.get(name, ())] for name in CATALOG
    }
    if as_json:
        found = {
            name: {"about": info, "categories": categories[name]} for name, info in CATALOG.items()
        }
        say_json({"sources": found, "refused": REFUSED})
        return
    rows = [("source", "licence", "mpp", "link")]
    rows += [
        (name, info.licence, f"{info.mpp:g}" if info.mpp else "-", info.link or "-")
        for name, info in CATALOG.items()
    ]
    say(columns(rows))
    say()
    for name, words in categories.items():
        say(f"{name}: {', '.join(words) or 'as its table or prompt says'}")
    say()
    for name, reason in REFUSED.items():
        say(f"not {name}: {reason}")
