"""The batches of a training in order, drawn before they are needed.

In a thread, or in processes where a GPU would wait for one. What a batch holds is the matter of
`sampling`; it depends on its step and not on who draws it.
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from torch.utils.data import DataLoader, Dataset

from pathexplain.segmentor.sampling import Batch, draw_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pathexplain.segmentor.training_config import TrainingConfig
    from pathexplain.segmentor.training_data import TrainingData

__all__ = ["drawn_batches"]


def drawn_batches(
    data: TrainingData,
    words: Sequence[str],
    settings: TrainingConfig,
    *,
    steps: range,
    seed: int,
    batch_size: int,
) -> Iterator[Batch]:
    """Batches of these steps, the next ones made while the current one is used.

    Parameters
    ----------
    words : sequence of str
        Everyday words, asked for as things that are not there.
    seed, batch_size : int
        Of this process, where there are several.
    """
    batches = _Batches(data, words, settings, seed, batch_size)
    if settings.workers == 0:
        yield from _in_a_thread(batches, steps)
        return
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=settings.workers,
        worker_init_fn=_leave_interrupts,
        multiprocessing_context="fork",  # the images are there already
    )
    yield from cast("Iterator[Batch]", loader)


@dataclass(frozen=True, eq=False)
class _Batches(Dataset[Batch]):
    """Batch by step; every few steps a quarter as many crops, twice as wide."""

    data: TrainingData
    words: Sequence[str]
    settings: TrainingConfig
    seed: int
    batch_size: int

    def __getitem__(self, step: int) -> Batch:
        """Draw the batch of one step."""
        settings, every = self.settings, self.settings.wide_every
        is_wide = every > 0 and step % every == every - 1
        return draw_batch(
            self.data.train,
            self.words,
            seed=self.seed,
            step=step,
            batch_size=max(1, self.batch_size // 4) if is_wide else self.batch_size,
            crop_px=settings.crop_px * 2 if is_wide else settings.crop_px,
            n_prompts=settings.prompts_per_image,
            is_wide=is_wide,
            wide_mpp=settings.mpp,
            close_share=settings.close_share,
            pale_share=settings.pale_share,
            stain_share=settings.stain_share,
            free_share=settings.free_share,
            weights=settings.source_weights,
        )


def _in_a_thread(batches: _Batches, steps: range) -> Iterator[Batch]:
    """One batch ahead."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        made = [pool.submit(batches.__getitem__, step) for step in steps[:1]]
        for step in steps:
            batch = made.pop().result()
            if step + 1 in steps:
                made.append(pool.submit(batches.__getitem__, step + 1))
            yield batch


def _leave_interrupts(worker: int) -> None:
    """Let Ctrl-C reach the training alone, which ends its workers itself."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
