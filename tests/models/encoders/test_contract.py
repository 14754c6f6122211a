"""The contract of `finereel.models.encoders.base.Encoder`, for every kind of encoder."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.config import FineConfig
from finereel.errors import ConfigError
from finereel.models.encoders import ENCODERS, Encoder, encoder_from_description
from finereel.models.encoders.prompts import Prompts, make_prompts
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.types import Frames
from tiny_encoders import KINDS, TinyKind
from tiny_models import tiny_config

TEXTS = ["a red car jumps over the house", "fish", "a man is cooking, a red car jumps"]
WORDS = 12
MASK = torch.tensor([[True, True, False, False], [True] * 4])


@pytest.fixture(params=KINDS, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def tiny(request: pytest.FixtureRequest) -> TinyKind:
    return KINDS[request.param]


def rows(tiny: TinyKind, texts: list[str] = TEXTS) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = tiny.tokenizer().encode(texts, WORDS)
    return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)


def made_model(tiny: TinyKind) -> RetrievalModel:
    shifted = (1,) if tiny.encoder().shifts_tokens else ()
    config = tiny_config(max_words=WORDS, shifted_blocks=shifted)
    return RetrievalModel(tiny.encoder(), config, tiny.tokenizer(), "tiny").eval()


def test_every_kind_is_tried() -> None:
    assert {tiny.encoder().kind for tiny in KINDS.values()} == set(ENCODERS)


def test_shapes_are_those_that_are_stated(tiny: TinyKind) -> None:
    encoder = tiny.encoder().eval()
    ids, mask = rows(tiny)
    sentence, words = encoder.encode_tokens(ids, mask)
    assert sentence.shape == (3, encoder.dim)
    assert words.shape == (3, WORDS, encoder.dim)
    tokens = encoder.encode_frames(tiny.frames(), MASK)
    assert tokens.shape == (2, 4, encoder.tokens_per_frame, encoder.dim)
    assert tiny.tokenizer().vocab_size <= encoder.vocab_size
    assert encoder.scale.item() == pytest.approx(encoder.logit_scale.exp().item())
    assert encoder.encode_tokens(ids[:0], mask[:0])[1].shape == (0, WORDS, encoder.dim)


def test_padded_words_change_nothing(tiny: TinyKind) -> None:
    encoder = tiny.encoder().eval()
    ids, mask = rows(tiny)
    sentence, words = encoder.encode_tokens(ids, mask)
    other = torch.where(mask, ids, 4)
    for changed in (encoder.encode_tokens(other, mask), encoder.encode_tokens(ids, mask)):
        torch.testing.assert_close(changed[0], sentence)
        torch.testing.assert_close(changed[1][mask], words[mask])
    short = int(mask[1].sum())
    alone, own = encoder.encode_tokens(ids[1:2, :short], mask[1:2, :short])
    torch.testing.assert_close(alone[0], sentence[1])
    torch.testing.assert_close(own[0], words[1, :short])


def test_cropping_rows_in_a_model_changes_nothing(tiny: TinyKind) -> None:
    model = made_model(tiny)
    with torch.no_grad():
        whole = model.text_features(*rows(tiny))
    for cropped, text in ((model.encode_text([TEXTS[1]]), 1), (model.encode_text(TEXTS[:1]), 0)):
        torch.testing.assert_close(cropped.sentence[0], whole.sentence[text])
        real = cropped.word_mask[0]
        torch.testing.assert_close(cropped.words[0, real], whole.words[text, real])


def test_padded_frames_change_nothing(tiny: TinyKind) -> None:
    encoder, frames = tiny.encoder().eval(), tiny.frames()
    clean = encoder.encode_frames(frames, MASK)
    poisoned = frames.clone()
    poisoned[0, 2:] = float("nan")
    torch.testing.assert_close(encoder.encode_frames(poisoned, MASK)[MASK], clean[MASK])
    alone = encoder.encode_frames(frames[:1, :2], MASK[:1, :2])
    torch.testing.assert_close(alone[0], clean[0, :2])


def test_order_changes_nothing(tiny: TinyKind) -> None:
    encoder, order = tiny.encoder().eval(), torch.tensor([2, 0, 1])
    ids, mask = rows(tiny)
    sentence, words = encoder.encode_tokens(ids, mask)
    shuffled = encoder.encode_tokens(ids[order], mask[order])
    torch.testing.assert_close(shuffled[0], sentence[order])
    torch.testing.assert_close(shuffled[1][mask[order]], words[order][mask[order]])
    tokens = encoder.encode_frames(tiny.frames(), MASK)
    turned = encoder.encode_frames(tiny.frames().flip(0), MASK.flip(0)).flip(0)
    torch.testing.assert_close(turned[MASK], tokens[MASK])


def test_the_same_input_gives_the_same_bytes(tiny: TinyKind) -> None:
    encoder = tiny.encoder().eval()
    ids, mask = rows(tiny)
    assert torch.equal(encoder.encode_tokens(ids, mask)[1], encoder.encode_tokens(ids, mask)[1])
    first, second = (encoder.encode_frames(tiny.frames(), MASK) for _ in range(2))
    assert torch.equal(first, second)


def test_every_parameter_learns(tiny: TinyKind) -> None:
    encoder = tiny.encoder().train()
    ids, mask = rows(tiny)
    sentence, words = encoder.encode_tokens(ids, mask)
    tokens = encoder.encode_frames(tiny.frames(), MASK)
    loss = encoder.scale * (
        sentence.pow(2).sum() + words[mask].pow(3).sum() + tokens[MASK].exp().sum()
    )
    loss.backward()
    still = [
        name
        for name, parameter in encoder.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not still


def test_prompts_are_read_and_change_no_token(tiny: TinyKind) -> None:
    encoder = tiny.encoder().eval()
    prompts = Prompts(
        FineConfig(visual_prompts=2, text_prompts=3), encoder.visual_width, encoder.text_width
    )
    tokens, prompted = encoder.encode_prompted(tiny.frames(), MASK, prompts)
    torch.testing.assert_close(tokens, encoder.encode_frames(tiny.frames(), MASK))
    assert prompted.shape == (2, 4, encoder.dim)
    ids, mask = rows(tiny)
    plain, asked = encoder.encode_tokens(ids, mask), encoder.encode_tokens(ids, mask, prompts.text)
    assert asked[1].shape == plain[1].shape
    assert not torch.allclose(asked[0], plain[0])
    again = encoder.encode_tokens(torch.where(mask, ids, 4), mask, prompts.text)
    torch.testing.assert_close(again[0], asked[0])
    assert prompts.visual is not None
    with torch.no_grad():
        prompts.visual.mul_(-3)
    assert not torch.allclose(encoder.encode_prompted(tiny.frames(), MASK, prompts)[1], prompted)


def test_deep_prompts_enter_every_block(tiny: TinyKind) -> None:
    """Each of them is read, and the tokens stay what they are."""
    encoder = tiny.encoder().eval()
    fine = FineConfig(visual_prompts=2 * bool(encoder.visual_blocks), text_prompts=3, deep=True)
    prompts = make_prompts(fine, encoder)
    assert prompts is not None
    assert prompts.text is not None
    assert prompts.text.shape == (encoder.text_blocks, 3, encoder.text_width)
    ids, mask = rows(tiny)
    shallow = encoder.encode_tokens(ids, mask, prompts.text[0])
    sentence, words = encoder.encode_tokens(ids, mask, prompts.text)
    assert words.shape == shallow[1].shape
    assert torch.allclose(sentence, shallow[0]) == (encoder.text_blocks == 1)
    (sentence.sum() + words[mask].square().sum()).backward()
    for attention in ("one_way", "joint") if encoder.visual_blocks else ():
        prompts.config = replace(fine, attention=attention)
        tokens, prompted = encoder.encode_prompted(tiny.frames(), MASK, prompts)
        plain = encoder.encode_frames(tiny.frames(), MASK)
        assert torch.allclose(tokens, plain, atol=1e-5) == (attention == "one_way")
        prompts.visual.grad = None
        prompted[MASK].square().sum().backward()
        assert prompts.visual.grad.flatten(1).any(1).all()
    assert prompts.text.grad is not None
    assert prompts.text.grad.flatten(1).any(1).all()


def test_deep_prompts_need_blocks(tiny: TinyKind) -> None:
    encoder, fine = tiny.encoder(), FineConfig(visual_prompts=1, deep=True)
    if encoder.visual_blocks:
        assert make_prompts(fine, encoder) is not None
        return
    with pytest.raises(ConfigError, match="enter every block of a tower, and the vision side"):
        make_prompts(fine, encoder)


def test_saved_tokens_replace_pixels(tiny: TinyKind) -> None:
    encoder = tiny.encoder().eval()
    kept = encoder.frozen_tokens(tiny.frames(), MASK)
    torch.testing.assert_close(
        encoder.encode_frames(encoder.to_input(kept), MASK)[MASK],
        encoder.encode_frames(tiny.frames(), MASK)[MASK],
    )


def test_pictures_of_any_size_are_taken(tiny: TinyKind) -> None:
    encoder = tiny.encoder()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 90, 130, 3), np.uint8)
    if not encoder.takes_pixels:
        assert encoder.image_size == 0
        return
    given = encoder.to_pixels(pictures)
    assert given.shape == (2, 3, encoder.image_size, encoder.image_size)
    assert encoder.picture_size >= encoder.image_size
    side = encoder.image_size
    square = pictures[:, :side, :side] if side <= 90 else pictures
    torch.testing.assert_close(
        encoder.to_input(torch.from_numpy(square.copy())[None])[0], encoder.to_pixels(square)
    )


def test_a_description_makes_the_same_encoder(tiny: TinyKind) -> None:
    encoder = tiny.encoder()
    described = json.loads(json.dumps({encoder.kind: encoder.describe()}))
    again: Encoder = encoder_from_description(described, made_model(tiny).config)
    assert again.describe() == encoder.describe()
    again.load_state_dict(encoder.state_dict())


LOADED_ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np
from finereel.models.saving import load
for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = load(folder)
    found = model.encode_clips(*(np.load(folder / f"{name}.npy") for name in ("frames", "mask")))
    text = model.encode_text(sys.argv[2:])
    np.savez(folder / "found.npz", patches=found.patches, video=found.video, words=text.words)
"""


def test_another_process_gives_equal_features(tmp_path: Path) -> None:
    given = {}
    for number, tiny in enumerate(KINDS.values()):
        model, shape, folder = made_model(tiny), tiny.frames().shape, tmp_path / str(number)
        save(model, folder)
        frames = (
            np.random.default_rng(0).integers(0, 256, (*shape[:2], *shape[3:], 3), np.uint8)
            if model.encoder.takes_pixels
            else tiny.frames().numpy()
        )
        np.save(folder / "frames.npy", frames)
        np.save(folder / "mask.npy", MASK.numpy())
        given[folder] = model, frames
    subprocess.run(
        [sys.executable, "-c", LOADED_ELSEWHERE, str(tmp_path), *TEXTS], check=True, timeout=120
    )
    for folder, (model, frames) in given.items():
        elsewhere, clips = np.load(folder / "found.npz"), model.encode_clips(frames, MASK.numpy())
        np.testing.assert_array_equal(elsewhere["patches"], clips.patches.numpy())
        np.testing.assert_array_equal(elsewhere["video"], clips.video.numpy())
        np.testing.assert_array_equal(elsewhere["words"], model.encode_text(TEXTS).words.numpy())
        assert load(folder).fingerprint == model.fingerprint


def test_a_model_encodes_videos(tiny: TinyKind) -> None:
    model = made_model(tiny)
    if not model.encoder.takes_pixels:
        return
    pixels = np.random.default_rng(0).integers(0, 256, (3, 70, 110, 3), np.uint8)
    clips = model.encode_video([Frames(pixels, np.arange(3.0))])
    assert clips.frame_mask.tolist() == [[True, True, True, False]]
    assert model.score(model.encode_text(TEXTS), clips).fused.isfinite().all()
