"""The text side: a pruned WordPiece tokenizer and a shortened sentence encoder, by distillation.

A general sentence encoder spends half of its weights on words that no prompt holds. Its vocabulary
is cut to the commonest pieces, its depth to a few layers, and the short encoder is taught to give
the long one's sentence embeddings (Hinton 2015, Distilling the knowledge in a neural network,
arXiv 1503.02531) on prompts and on unrelated words. Needed for training only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import BertModel

from pathexplain.segmentor.phrasing import NONSENSE, paraphrases
from pathexplain.vocabulary import OBJECTS, REGIONS, normalize_phrase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pathexplain.segmentor.network import PathExplainModel

__all__ = ["distill", "prune_tokenizer", "tokenize"]

N_PROMPTS, N_PAIRS, N_FRAMED, BATCH = 6000, 3000, 1000, 64
MIN_LETTERS = 4
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def prune_tokenizer(path: Path, *, size: int) -> tuple[Tokenizer, list[int]]:
    """Keep the `size` commonest ASCII pieces of a BERT WordPiece tokenizer.

    Returns
    -------
    Tokenizer
    list of int
        For each kept piece its row in the original embedding.

    Notes
    -----
    BERT vocabularies are sorted by frequency within words, so rank is frequency.
    """
    spec = json.loads(path.read_text(encoding="utf-8"))
    ranked = sorted(spec["model"]["vocab"].items(), key=lambda item: item[1])
    usable = [piece for piece, _ in ranked if _is_plain(piece)]
    single = [piece for piece in usable if len(piece.removeprefix("##")) == 1]
    domain = _domain_pieces(Tokenizer.from_file(str(path)))
    kept = list(dict.fromkeys([*_SPECIAL, *single, *domain, *usable]))[:size]
    rows = [spec["model"]["vocab"][piece] for piece in kept]
    spec["model"]["vocab"] = {piece: index for index, piece in enumerate(kept)}
    spec["truncation"] = spec["padding"] = None
    special = {piece: index for index, piece in enumerate(kept) if piece in _SPECIAL}
    for token in spec["added_tokens"]:
        token["id"] = special[token["content"]]
    for name in ("[CLS]", "[SEP]"):
        spec["post_processor"]["special_tokens"][name]["ids"] = [special[name]]
    return Tokenizer.from_str(json.dumps(spec)), rows


def _is_plain(piece: str) -> bool:
    """Lower-case ASCII letters, digits or hyphen."""
    body = piece.removeprefix("##")
    return body.isascii() and body.isalnum()


def _domain_pieces(tokenizer: Tokenizer) -> list[str]:
    """Pieces that the prompts themselves use."""
    pieces: dict[str, None] = {}
    for name in OBJECTS:
        for region in REGIONS:
            for phrase in paraphrases(name, region):
                pieces.update(dict.fromkeys(tokenizer.encode(phrase).tokens))
    return [piece for piece in pieces if _is_plain(piece)]


def tokenize(tokenizer: Tokenizer, phrases: Sequence[str], *, length: int) -> tuple[Tensor, Tensor]:
    """Token ids (N, L) int64 and mask (N, L) bool of normalised phrases, L ≤ `length`."""
    encoded = [tokenizer.encode(normalize_phrase(phrase)).ids[:length] for phrase in phrases]
    longest = max(map(len, encoded))
    ids = torch.zeros(len(encoded), longest, dtype=torch.long)
    mask = torch.zeros(len(encoded), longest, dtype=torch.bool)
    for row, pieces in enumerate(encoded):
        ids[row, : len(pieces)] = torch.tensor(pieces)
        mask[row, : len(pieces)] = True
    return ids, mask


def _corpus(tokenizer: Tokenizer, rng: np.random.Generator) -> list[str]:
    """Prompts in every wording, and everyday words alone and in pairs."""
    wordings = [
        phrase for name in OBJECTS for region in REGIONS for phrase in paraphrases(name, region)
    ]
    domain = rng.permutation(sorted(set(wordings)))[:N_PROMPTS].tolist()
    words = sorted(
        word for word in tokenizer.get_vocab() if word.isalpha() and len(word) >= MIN_LETTERS
    )
    pairs = [" ".join(rng.choice(words, size=2)) for _ in range(6000)]
    framed = [f"a photo of {word}" for word in rng.choice(words, size=N_FRAMED)]
    return [*domain, *words, *pairs, *framed, *map(normalize_phrase, NONSENSE)]


def distill(
    model: PathExplainModel,
    tokenizer: Tokenizer,
    rows: Sequence[int],
    *,
    teacher_folder: Path,
    steps: int,
    seed: int,
) -> Iterator[float]:
    """Teach the short text encoder, in place; yield the cosine loss of each step.

    Parameters
    ----------
    model : PathExplainModel
        Its `text_encoder` starts from every second layer of the teacher.
    tokenizer, rows
        From `prune_tokenizer`.
    teacher_folder : Path
        A BERT sentence encoder with mean pooling and its ``tokenizer.json``.
    """
    teacher = BertModel.from_pretrained(teacher_folder, add_pooling_layer=False).eval()
    full = Tokenizer.from_file(str(teacher_folder / "tokenizer.json"))
    full.no_padding()
    full.no_truncation()
    student = model.text_encoder
    _copy_layers(teacher, student, rows)
    rng = np.random.default_rng(seed)
    corpus = _corpus(tokenizer, rng)
    wanted = _embed(teacher, full, corpus, length=model.config.text_length)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-4, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    student.train()
    for _ in range(steps):
        batch = rng.integers(len(corpus), size=BATCH)
        ids, mask = tokenize(tokenizer, [corpus[i] for i in batch], length=model.config.text_length)
        given = model.encode_text(ids, mask).sentence
        loss = (1 - (given * wanted[batch]).sum(-1)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        yield float(loss.detach())
    student.eval()


def _copy_layers(teacher: BertModel, student: BertModel, rows: Sequence[int]) -> None:
    """Start the student from the teacher's kept words and evenly spaced layers."""
    table = student.embeddings
    with torch.no_grad():
        table.word_embeddings.weight.copy_(teacher.embeddings.word_embeddings.weight[list(rows)])
        length = table.position_embeddings.num_embeddings
        table.position_embeddings.weight.copy_(
            teacher.embeddings.position_embeddings.weight[:length]
        )
    table.token_type_embeddings.load_state_dict(
        teacher.embeddings.token_type_embeddings.state_dict()
    )
    table.LayerNorm.load_state_dict(teacher.embeddings.LayerNorm.state_dict())
    depth, full = len(student.encoder.layer), len(teacher.encoder.layer)
    for index, layer in enumerate(student.encoder.layer):
        source = teacher.encoder.layer[(index + 1) * full // depth - 1]
        layer.load_state_dict(source.state_dict())


@torch.inference_mode()
def _embed(teacher: BertModel, tokenizer: Tokenizer, phrases: list[str], *, length: int) -> Tensor:
    """(N, t) unit sentence embeddings of the teacher."""
    parts = []
    for start in range(0, len(phrases), 256):
        ids, mask = tokenize(tokenizer, phrases[start : start + 256], length=2 * length)
        states = teacher(ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].to(states.dtype)
        parts.append(functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1))
    return torch.cat(parts).clone()
