"""The best, the median and the worst image of each class, with truth and mask to look at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pathexplain.segmentor.assessment.field_list import FieldList, as_field_list
from pathexplain.segmentor.assessment.measuring import answers, category_prompt, true_objects
from pathexplain.segmentor.datasets.reading import IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pathexplain.segmentor.assessment.results import ImageScore
    from pathexplain.segmentor.backends import Segmentor
    from pathexplain.segmentor.datasets.reading import Field

__all__ = ["Choice", "Example", "choose_examples", "show_examples"]

Rank = Literal["best", "median", "worst"]


@dataclass(frozen=True)
class Choice:
    """Which image stands for one class of one source."""

    source: str
    object: str
    rank: Rank
    index: int
    image: str
    dice: float


@dataclass(frozen=True, eq=False)
class Example:
    """A chosen image, with what is true and what was found.

    Attributes
    ----------
    image : (H, W, 3) uint8
    truth, found : (H, W) int32
        Objects where the source and the prompt separate them, else 1; nothing where nobody
        annotated.
    mpp : float
    structure : {"nuclei", "cell", "tissue"}
    """

    choice: Choice
    image: NDArray[np.uint8]
    truth: NDArray[np.int32]
    found: NDArray[np.int32]
    mpp: float
    structure: str


def choose_examples(images: Iterable[ImageScore]) -> tuple[Choice, ...]:
    """Choose by Dice; a class with one image gives its worst, with two its worst and best.

    Images without a Dice are left out.
    """
    groups: dict[tuple[str, str], list[ImageScore]] = defaultdict(list)
    for image in images:
        if "dice" in image.values:
            groups[image.source, image.object].append(image)
    choices = []
    for (source, name), rows in sorted(groups.items()):
        ranked = sorted(rows, key=lambda row: (row.values["dice"], row.index))
        middle = (len(ranked) - 1) // 2
        places: dict[int, Rank] = {len(ranked) - 1: "best", middle: "median", 0: "worst"}
        choices += [
            Choice(source, name, rank, row.index, row.image, row.values["dice"])
            for place, rank in places.items()
            for row in [ranked[place]]
        ]
    return tuple(choices)


def show_examples(
    model: Segmentor, fields: FieldList | Iterable[Field], choices: Sequence[Choice]
) -> Iterator[Example]:
    """Segment the chosen images again, each once, and yield what was found, image by image.

    Parameters
    ----------
    fields : FieldList or iterable of Field
        The same, in the same order, that was evaluated.
    """
    listed = as_field_list(fields)
    for index in sorted({choice.index for choice in choices}):
        field = listed.read(index)
        here = [choice for choice in choices if choice.index == index]
        names = list(dict.fromkeys(choice.object for choice in here))
        prompts = [category_prompt(field, name) for name in names]
        replies = dict(zip(names, answers(model, field.image, prompts, mpp=field.mpp), strict=True))
        for choice in here:
            target, reply = field.targets[choice.object], replies[choice.object]
            objects = true_objects(field, choice.object)
            truth = (target == 1).astype("int32") * (1 if objects is None else objects)
            found = reply.mask.astype("int32") if reply.objects is None else reply.objects
            yield Example(
                choice,
                field.image,
                truth,
                found * (target != IGNORE),
                field.mpp,
                field.term(choice.object).structure,
            )
