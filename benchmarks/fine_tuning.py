"""How much a few images of one's own teach: frozen sections, from weights that never saw one.

`compact-open` is fine-tuned on the annotated nuclei of 2, 5 and 11 patients of CryoNuSeg, one image
each, and asked for nuclei in 6 others. The peers are the same with the statistics of each batch in
place of those that are kept, the mean of new and old weights, and the weights as they ship.
`PATHEXPLAIN_STEPS` makes it shorter.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._public_images import public_rows, write_rows

COUNTS = (2, 5, 11)
N_TEST, N_VALIDATION = 6, 2
WAYS = (("kept", 1.0), ("kept", 0.5), ("batch", 1.0))


def run() -> dict[str, Any]:
    """Return Dice of nuclei before, and after each training."""
    from pathexplain.segmentor.training import train
    from pathexplain.segmentor.training_config import fine_tuning

    steps = int(os.environ.get("PATHEXPLAIN_STEPS", "60"))
    rows = public_rows("cryonuseg")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        test = write_rows([row | {"split": "test"} for row in rows[:N_TEST]], place / "test.csv")
        before = _dice("compact-open", test)
        for count in COUNTS:
            for statistics, blend in WAYS if count == COUNTS[1] else WAYS[:1]:
                name = f"{count} images, {statistics}, {blend:g} new"
                chosen = rows[N_TEST : N_TEST + N_VALIDATION + count]
                settings = fine_tuning(
                    write_rows(chosen, place / f"{count}.csv"),
                    place / name.replace(", ", "-"),
                    start="compact-open",
                    steps=steps,
                    statistics=statistics,
                    blend=blend,
                    overlays_every=0,
                    validate_every=steps,
                )
                found[name] = _dice(str(train(settings)), test)
    return {"steps": steps, "test_images": N_TEST, "before": before, "after": found}


def _dice(segmentor: str, manifest: Path) -> float:
    """Mean Dice of nuclei over the test images."""
    from pathexplain.segmentor.evaluation import evaluate

    (score,) = evaluate(segmentor, data=manifest, split="test").scores
    return float(score.dice.mean)
