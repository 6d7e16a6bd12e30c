"""Each part of the network against its equation (arXiv 2506.20988, 4 to 10), written in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, log_expit, softmax

from pathexplain.segmentor.configuration import PathExplainConfig
from pathexplain.segmentor.losses import interior_loss, mask_loss, presence_loss, total_loss
from pathexplain.segmentor.network import EncodedImage, EncodedText, PathExplainModel, PromptLayer

WIDTH, HEADS, N_QUERIES, LENGTH = 12, 3, 4, 5


def array(tensor):
    return tensor.detach().double().numpy()


def linear(layer, x):
    return x @ array(layer.weight).T + array(layer.bias)


def layer_norm(layer, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return scaled * array(layer.weight) + array(layer.bias)


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def attention(query, key, value, allowed):
    """One set of (L, d) states at a time, one head at a time."""
    parts = []
    for q, k, v in zip(*(np.split(x, HEADS, axis=-1) for x in (query, key, value)), strict=True):
        score = q @ k.T / np.sqrt(q.shape[-1])
        score[:, ~allowed] = -np.inf
        parts.append(softmax(score, axis=-1) @ v)
    return np.concatenate(parts, axis=-1)


def cross_attention(layer, queries, tokens):
    """Equation 4: queries ask, image tokens answer."""
    key, value = np.split(linear(layer.cross_key_value, tokens), 2, axis=-1)
    asked = linear(layer.cross_query, layer_norm(layer.norms[0], queries))
    seen = attention(asked, key, value, np.ones(len(tokens), bool))
    return queries + linear(layer.cross_out, seen)


def joint_attention(layer, queries, text, mask):
    """Equation 5: queries and word pieces attend to each other; padding is not there."""
    joint = np.concatenate([queries, text])
    parts = np.split(linear(layer.joint_in, layer_norm(layer.norms[1], joint)), 3, axis=-1)
    allowed = np.concatenate([np.ones(len(queries), bool), mask])
    return joint + linear(layer.joint_out, attention(*parts, allowed))


def feed_forward(layer, joint):
    """Equation 6: two linear layers, each state by itself."""
    first, _, second = layer.think
    return joint + linear(second, gelu(linear(first, layer_norm(layer.norms[2], joint))))


@pytest.fixture
def states():
    generator = torch.Generator().manual_seed(1)
    queries = torch.randn(2, 3, N_QUERIES, WIDTH, generator=generator)
    text = torch.randn(2, 3, LENGTH, WIDTH, generator=generator)
    tokens = torch.randn(2, 11, WIDTH, generator=generator)
    mask = torch.ones(2, 3, LENGTH, dtype=torch.bool)
    mask[0, 1, 3:] = mask[1, 2, 1:] = False
    return queries, text, mask, tokens


@pytest.fixture
def layer():
    torch.manual_seed(2)
    layer = PromptLayer(WIDTH, HEADS)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layer


def silence(*parts):
    for part in parts:
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)


def each(states):
    queries, text, mask, tokens = states
    for b in range(len(queries)):
        for k in range(queries.shape[1]):
            pair = array(queries[b, k]), array(text[b, k])
            yield (b, k), *pair, mask[b, k].numpy(), array(tokens[b])


@torch.inference_mode()
def test_queries_cross_attend_to_image_tokens(layer, states):
    silence(layer.joint_out, layer.think[2])
    found = layer(*states)
    for place, queries, text, _, tokens in each(states):
        wanted = np.concatenate([cross_attention(layer, queries, tokens), text])
        np.testing.assert_allclose(found[place], wanted, atol=1e-5)


@torch.inference_mode()
def test_queries_and_text_attend_jointly_and_padding_is_not_there(layer, states):
    silence(layer.cross_out, layer.think[2])
    found = layer(*states)
    for place, queries, text, mask, _ in each(states):
        wanted = joint_attention(layer, queries, text, mask)
        np.testing.assert_allclose(found[place], wanted, atol=1e-5)


@torch.inference_mode()
def test_the_feed_forward_has_two_layers(layer, states):
    silence(layer.cross_out, layer.joint_out)
    found = layer(*states)
    for place, queries, text, _, _ in each(states):
        wanted = feed_forward(layer, np.concatenate([queries, text]))
        np.testing.assert_allclose(found[place], wanted, atol=1e-5)


def model_of(choice, sentence="mean", *, has_extras=False):
    torch.manual_seed(3)
    model = PathExplainModel(
        PathExplainConfig(
            hidden_size=WIDTH,
            mask_size=8,
            n_queries=N_QUERIES,
            n_layers=2,
            n_heads=HEADS,
            pyramid_channels=(8, 8, 8, 8, 8),
            text_hidden_size=16,
            text_layers=1,
            text_heads=2,
            text_vocabulary=60,
            choice=choice,
            sentence=sentence,
            has_region_path=has_extras,
            standardizes_text=has_extras,
        )
    ).eval()
    decoder = ("queries", "layers", "class_head", "norm", "mask_", "presence_head", "text_head")
    decoder += ("token_", "coarse_")
    for name, parameter in model.named_parameters():
        if name.startswith((*decoder, "sentence_head")):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def decode_by_hand(model, image, words, mask, sentence):
    """One image, one prompt: logits (H, W), presence, and the similarity of each query."""
    pixels, tokens, coarse = image
    if model.config.standardizes_text:
        sentence = (sentence - array(model.text_mean)) / array(model.text_scale)
    text, sentence = linear(model.text_head, words), linear(model.sentence_head, sentence)
    queries = array(model.queries) + sentence
    for layer in model.layers:
        joint = joint_attention(layer, cross_attention(layer, queries, tokens), text, mask)
        queries, text = np.split(feed_forward(layer, joint), [len(queries)])
    classes = linear(model.class_head, queries)
    norms = np.linalg.norm(classes, axis=-1) * np.linalg.norm(sentence)
    similarity = classes @ sentence / norms
    if model.config.choice == "argmax":
        chosen = queries[similarity.argmax()]
    else:
        chosen = softmax(similarity / model.config.choice_temperature) @ queries
    chosen = layer_norm(model.norm, chosen)
    hidden = gelu(linear(model.mask_head[2], gelu(linear(model.mask_head[0], chosen))))
    embedding = linear(model.mask_out, hidden)
    mask_logits = np.tensordot(embedding[:-1], pixels, 1) / np.sqrt(len(pixels)) + embedding[-1]
    if coarse is not None:
        places = np.tensordot(linear(model.coarse_out, hidden), coarse, 1) / np.sqrt(len(coarse))
        mask_logits += doubled(places)
    both = np.concatenate([chosen, sentence])
    presence = linear(model.presence_head[2], gelu(linear(model.presence_head[0], both)))
    return mask_logits, presence[0], similarity


@pytest.mark.parametrize("choice", ["soft", "argmax"])
@pytest.mark.parametrize("has_extras", [False, True])
@torch.inference_mode()
def test_the_chosen_query_gives_the_mask_by_a_dot_product(choice, has_extras):
    model = model_of(choice, has_extras=has_extras)
    pixels, tokens, interiors = (torch.randn(2, *s) for s in ((8, 4, 6), (7, WIDTH), (2, 4, 6)))
    coarse = torch.randn(2, 8, 2, 3) if has_extras else None
    image = EncodedImage(pixels, tokens, interiors, coarse)
    if has_extras:
        torch.nn.init.normal_(model.text_mean)
        torch.nn.init.uniform_(model.text_scale, 0.5, 2)
    mask = torch.ones(2, 3, LENGTH, dtype=torch.bool)
    mask[1, 0, 2:] = False
    text = EncodedText(torch.randn(2, 3, LENGTH, 16), mask, torch.randn(2, 3, 16))
    output = model.decode(image, text)
    picked = set()
    for b in range(2):
        for k in range(3):
            parts = (array(text.states[b, k]), mask[b, k].numpy(), array(text.sentence[b, k]))
            one = [None if x is None else array(x[b]) for x in (pixels, tokens, coarse)]
            logits, presence, similarity = decode_by_hand(model, one, *parts)
            np.testing.assert_allclose(output.masks[b, k], logits, atol=1e-4)
            assert float(output.presence[b, k]) == pytest.approx(presence, abs=1e-4)
            picked.add(similarity.argmax())
    assert len(picked) > 1, "the example should need more than one query"


@pytest.mark.parametrize("has_extras", [False, True])
@torch.inference_mode()
def test_tokens_are_the_two_coarsest_maps_and_places_those_of_the_encoder(has_extras):
    model = model_of("soft", has_extras=has_extras)
    pixels = torch.randn(1, 3, 64, 96)
    encoded = model.encode_image(pixels)
    raw = model.encoder(pixels)
    fused = model.pixel_decoder(raw)
    tokens = []
    for level in (-2, -1):
        states = linear(model.token_heads[level], array(fused[level][0]).reshape(8, -1).T)
        if has_extras:
            flat = array(raw[level][0]).reshape(raw[level].shape[1], -1).T
            states = states + linear(model.token_skips[level], flat)
        tokens.append(states)
    np.testing.assert_allclose(encoded.tokens[0], np.concatenate(tokens), atol=1e-4)
    assert (encoded.coarse is not None) == has_extras
    if has_extras:
        fine, wide = (
            np.tensordot(array(head.weight)[..., 0, 0], array(features[0]), 1)
            + array(head.bias)[:, None, None]
            for head, features in zip(model.coarse_heads, raw[-2:], strict=True)
        )
        np.testing.assert_allclose(encoded.coarse[0], fine + doubled(wide), atol=1e-4)


@torch.inference_mode()
def test_standardizing_text_changes_no_output():
    model = model_of("soft", has_extras=True)
    sentences = torch.nn.functional.normalize(1 + 0.1 * torch.randn(9, 16), dim=-1)
    image = model.encode_image(torch.randn(1, 3, 32, 32))
    mask = torch.ones(9, LENGTH, dtype=torch.bool)
    text = EncodedText(torch.randn(9, LENGTH, 16), mask, sentences).shared(1)
    before = model.decode(image, text)
    model.standardize_text(sentences)
    after = model.decode(image, text)
    torch.testing.assert_close(after.masks, before.masks, atol=1e-4, rtol=1e-4)
    seen = (sentences - model.text_mean) / model.text_scale
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-5)


@pytest.mark.parametrize("sentence", ["mean", "last"])
@torch.inference_mode()
def test_the_sentence_is_the_mean_or_the_last_word_piece(sentence):
    model = model_of("soft", sentence)
    ids = torch.randint(1, 60, (3, LENGTH))
    mask = torch.arange(LENGTH) < torch.tensor([[LENGTH], [3], [1]])
    encoded = model.encode_text(ids, mask)
    for row, length in enumerate((LENGTH, 3, 1)):
        states = array(encoded.states[row, :length])
        wanted = states[-1] if sentence == "last" else states.mean(0)
        wanted = wanted / np.linalg.norm(wanted)
        np.testing.assert_allclose(encoded.sentence[row], wanted, atol=1e-5)


def annotation():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (2, 3, 6, 5))
    targets = rng.choice([0, 1, 255], (2, 3, 6, 5), p=[0.5, 0.3, 0.2]).astype(np.uint8)
    targets[0, 1][targets[0, 1] == 1] = 0  # a category that is absent
    targets[1, 2] = 255  # one that nobody annotated
    return logits, targets


def losses_by_hand(logits, targets):
    """Equations 8 to 10 over known pixels; absent categories weigh less, and have no Dice."""
    entropies, weights, dices = [], [], []
    for plane, truth in zip(logits.reshape(-1, 6, 5), targets.reshape(-1, 6, 5), strict=True):
        x, y = plane[truth != 255], truth[truth != 255].astype(float)
        entropy = -(y * log_expit(x) + (1 - y) * log_expit(-x))
        entropies.append(entropy.mean() if len(x) else 0.0)
        weights.append(1.0 if y.any() else 0.3)
        if y.any():
            dices.append(1 - (2 * (expit(x) * y).sum() + 1) / (expit(x).sum() + y.sum() + 1))
    return np.average(entropies, weights=weights), np.mean(dices)


def test_the_mask_loss_is_cross_entropy_plus_dice():
    logits, targets = annotation()
    found = mask_loss(torch.tensor(logits), torch.tensor(targets))
    np.testing.assert_allclose(found, losses_by_hand(logits, targets), rtol=1e-6)


def doubled(maps):
    """Bilinear interpolation to twice the size, pixel centres aligned, edges repeated."""
    for axis in (-2, -1):
        n = maps.shape[axis]
        place = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, n - 1)
        share = (place - low)[:, None] if axis == -2 else place - low
        below, above = np.take(maps, low, axis), np.take(maps, high, axis)
        maps = below * (1 - share) + above * share
    return maps


def test_all_losses_add_up_at_the_size_of_the_annotation():
    rng = np.random.default_rng(5)
    logits, inner = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 2, 3, 4))
    targets = rng.integers(0, 2, (2, 3, 6, 8), np.uint8)
    depth = rng.choice([0, 127, 254, 255], (2, 2, 6, 8)).astype(np.uint8)
    scores, seen = rng.normal(size=(2, 3)), np.array([[1, 0, np.nan], [0, 1, 1.0]])
    parts = total_loss(
        *map(torch.tensor, (logits, scores, inner)),
        targets=torch.tensor(targets),
        seen=torch.tensor(seen),
        depth=torch.tensor(depth),
    )
    entropy, dice = mask_loss(torch.tensor(doubled(logits)), torch.tensor(targets))
    known = ~np.isnan(seen)
    presence = -log_expit(np.where(seen == 1, scores, -scores))[known].mean()
    x, y = doubled(inner)[depth != 255], depth[depth != 255] / 254
    interior = -(y * log_expit(x) + (1 - y) * log_expit(-x))
    interior = np.average(interior, weights=1 + 2 * (y > 0))
    wanted = float(entropy) + float(dice) + 0.3 * presence + interior
    assert float(parts.total) == pytest.approx(wanted, rel=1e-5)
    assert float(presence_loss(torch.tensor(scores), torch.tensor(seen))) == pytest.approx(presence)
    found = interior_loss(torch.tensor(doubled(inner)), torch.tensor(depth))
    assert float(found) == pytest.approx(interior)
