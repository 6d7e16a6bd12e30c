"""Which slides a run takes, and what its results depend on: fingerprints that decide on a resume.

Not for reading pixels or patients.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathexplain.errors import ConfigError
from pathexplain.extraction.roi import roi_file
from pathexplain.provenance import sha256_file, sha256_json
from pathexplain.segmentor.backends import PerSlide
from pathexplain.slides import SLIDE_SUFFIXES, is_slide, one_file_a_slide, slide_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pathexplain.prompts import PromptSet
    from pathexplain.segmentor.backends import Segmentor

__all__ = ["STORE_VERSION", "changes", "config_inputs", "find_slides", "fingerprint"]
__all__ += ["file_facts", "slide_inputs"]

STORE_VERSION = 1
"""Version of the store's layout and of the rules that fill it; a change means a new extraction."""

WHOLE_FILE_BYTES = 256 * 2**20
SAMPLE_BYTES = 2**20
N_SAMPLES = 16
SEVERAL_FILES = frozenset({".mrxs", ".vms", ".zarr"})


def find_slides(
    slides: str | Path | Iterable[str | Path] | None,
    *,
    prompts: PromptSet,
    reader: str | None = None,
) -> dict[str, Path]:
    """List the slides of a run, by slide id.

    Parameters
    ----------
    slides : path, paths or None
        Files, or folders whose readable images are taken, of the files of a DICOM series the first.
        None: what the prompts file names under `slides`, else the readable images of the working
        folder.
    prompts : PromptSet
    reader : str, optional
        Reader of them all in place of that of their suffix.

    Returns
    -------
    dict of str to Path
        In the order given; a folder's files are sorted by name.

    Raises
    ------
    ConfigError
        When a path does not exist, nothing is found, no file has a suffix that is read, or two
        files would share a slide id.
    """
    paths = _given_paths(slides, prompts)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        message = f"{len(missing)} of {len(paths)} slides do not exist: {', '.join(missing[:5])}"
        raise ConfigError(message, path=missing[0])
    found: dict[str, Path] = {}
    for path in _expanded(paths):
        slide_id = slide_name(path)
        if slide_id in found and found[slide_id].resolve() != path.resolve():
            message = (
                f"slide id {slide_id!r} stands for two files, {found[slide_id]} and {path}; the "
                "file's name is the slide's id, so rename one of them or extract them apart"
            )
            raise ConfigError(message, slide_id=slide_id, path=str(path))
        found[slide_id] = path
    if not found:
        message = f"no slide to extract in {', '.join(map(str, paths)) or 'an empty list'}"
        raise ConfigError(message)
    if reader is None and not any(map(is_slide, found.values())):
        message = (
            f"no slide to extract: {', '.join(map(str, list(found.values())[:5]))}; suffixes that "
            f"are read: {' '.join(SLIDE_SUFFIXES)}; for another one name the reader (--reader)"
        )
        raise ConfigError(message)
    return found


def _given_paths(
    slides: str | Path | Iterable[str | Path] | None, prompts: PromptSet
) -> tuple[Path, ...]:
    """Paths as the caller, the prompts file or the working folder gives them."""
    if isinstance(slides, str | Path):
        return (Path(slides),)
    given = tuple(Path(item) for item in slides) if slides is not None else ()
    if given:
        return given
    return prompts.slide_paths() if prompts.slides else (Path.cwd(),)


def _expanded(paths: Iterable[Path]) -> Iterable[Path]:
    """Replace folders by the readable images in them."""
    for path in paths:
        if path.is_dir() and not _is_image(path):
            yield from one_file_a_slide(
                sorted(item for item in path.iterdir() if is_slide(item) and _is_image(item))
            )
        else:
            yield path


def _is_image(path: Path) -> bool:
    """Whether a path is one image: a file, or a folder of a format that is one."""
    return path.is_file() or path.suffix.lower() in SEVERAL_FILES


def fingerprint(path: Path) -> str:
    """Hash a slide file's content.

    Returns
    -------
    str
        ``sha256:…`` of the whole file up to 256 MiB; above that ``sha256-sampled:…`` of its size
        and of 16 blocks of 1 MiB spread evenly from its first to its last byte. Dates play no
        part, so a copy of a slide is the same slide. Of formats in several files (mrxs, zarr) the
        names and sizes of all files are hashed, and the content of those under 1 MiB.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    parts = path if path.is_dir() else path.with_suffix("")
    if path.suffix.lower() in SEVERAL_FILES and parts.is_dir():
        return f"sha256-folder:{_folder_hash(path, parts)}"
    size = path.stat().st_size
    if size <= WHOLE_FILE_BYTES:
        return f"sha256:{sha256_file(path)}"
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        for index in range(N_SAMPLES):
            stream.seek(index * (size - SAMPLE_BYTES) // (N_SAMPLES - 1))
            digest.update(stream.read(SAMPLE_BYTES))
    return f"sha256-sampled:{digest.hexdigest()}"


def _folder_hash(path: Path, parts: Path) -> str:
    """Hash names, sizes and small files of a slide in several files."""
    digest = hashlib.sha256()
    files = [path] if path.is_file() else []
    for file in sorted([*files, *(item for item in parts.rglob("*") if item.is_file())]):
        size = file.stat().st_size
        content = sha256_file(file) if size < SAMPLE_BYTES else ""
        digest.update(f"{file.relative_to(path.parent)} {size} {content}\n".encode())
    return digest.hexdigest()


def slide_inputs(
    path: Path, slide_id: str, segmentor: Segmentor, *, roi: Path | None = None, known: str = ""
) -> dict[str, str]:
    """Hashes of what a slide's result depends on beyond `config_inputs`.

    Parameters
    ----------
    path, slide_id, segmentor
        The slide, and what is to segment it.
    roi : Path, optional
        Regions of interest: a GeoJSON file, or a folder of one a slide.
    known : str
        Fingerprint of the file where it need not be read again.

    Returns
    -------
    dict of str to str
        Key "slide"; "masks" where the segmentor's answer depends on files of its own for the slide;
        "roi" where there is one.

    Raises
    ------
    OSError
        When a file cannot be read.
    ConfigError
        When the slide has no region of interest among those given.
    """
    found = {"slide": known or fingerprint(path)}
    if isinstance(segmentor, PerSlide):
        found["masks"] = segmentor.fingerprint(slide_id)
    if roi is not None:
        found["roi"] = sha256_file(roi_file(roi, slide_id))
    return found


def file_facts(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns: a file with both unchanged is unchanged.

    Both are 0 for a slide in several files, of which these say nothing.

    Raises
    ------
    OSError
        When the file cannot be found.
    """
    status = path.stat()
    if path.suffix.lower() in SEVERAL_FILES:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def config_inputs(
    prompts: PromptSet, segmentor: Segmentor, *, options: Mapping[str, Any]
) -> dict[str, str]:
    """Hashes of all that a slide's result depends on, except the slide itself.

    Returns
    -------
    dict of str to str
        Keys "prompts", "segmentor", "splitting", "options", "features" and "format".
    """
    from pathexplain.features import FAMILIES
    from pathexplain.features.summaries import PLACE_TOTALS, STATISTICS, TOTALS
    from pathexplain.segmentor.instances import SPLITTING
    from pathexplain.segmentor.segmentation import PRESENCE_THRESHOLD

    columns = {
        name: [
            (column.name, column.formula, column.min_pixels) for column in FAMILIES[name].columns
        ]
        for name in prompts.features
    }
    summaries = [
        *((total.name, total.formula) for total in (*TOTALS, *PLACE_TOTALS)),
        *((statistic.name, statistic.definition, statistic.minimum) for statistic in STATISTICS),
    ]
    split = {name: (how.smoothing_um, how.marker_level) for name, how in SPLITTING.items()}
    measured = {
        "mpp": prompts.mpp,
        "prompts": prompts.prompts,
        "features": prompts.features,
        "relations": prompts.relations,
        "within": prompts.within,
        "til": prompts.til,
        "stain": prompts.stain,
    }
    return {
        "prompts": sha256_json(measured),
        "segmentor": _identity(segmentor),
        "options": sha256_json(dict(options)),
        "splitting": sha256_json([PRESENCE_THRESHOLD, split]),
        "features": sha256_json([columns, summaries]),
        "format": str(STORE_VERSION),
    }


def _identity(segmentor: Segmentor) -> str:
    """Name a segmentor by its weights and what goes with them, wherever these lie."""
    if segmentor.weights_sha256 is None:
        return f"{segmentor.name} without weights"
    settings = getattr(segmentor, "settings_sha256", "")
    return " ".join(item for item in (segmentor.weights_sha256, settings) if item)


_WORDS = {
    "slide": "the slide file",
    "masks": "the masks of the slide",
    "roi": "the region of interest",
    "prompts": "the prompts, their mpp, feature families or stain options",
    "segmentor": "the segmentor or its weights",
    "splitting": "how masks are split into objects",
    "options": "the options (mpp of the slides, tile size)",
    "features": "the definitions of the features or of their summaries",
    "format": "the store format",
}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say in words what differs between two sets of inputs; empty when nothing does.

    Examples
    --------
    >>> changes({"slide": "a", "format": "1"}, {"slide": "b", "format": "1"})
    'the slide file'
    """
    keys = [key for key in _WORDS if before.get(key) != now.get(key)]
    return ", ".join(_WORDS[key] for key in keys)
