"""CLIP4Clip, X-CLIP, TS2-Net and DRL: the published numbers, and the strict reading of their
checkpoints.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from finereel.errors import CheckpointError, ConfigError
from finereel.models import published as official
from finereel.models import saving as models
from finereel.models.encoders.temporal import SequentialLstm, pool_frames
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.models.heads import head_config, make_head
from finereel.training.learner import symmetric_infonce
from places import FIXTURES, GOLDEN
from tiny_models import FRAMES, WORDS, official_peer_state, random_text

DERIVED = GOLDEN
needs_fixtures = pytest.mark.fixtures
CASES = {  # fixture: (kind, options, arrays with the published logits)
    "clip4clip_meanP": ("clip4clip", {"temporal": "meanP"}, "logits"),
    "clip4clip_seqTransf": ("clip4clip", {}, "logits"),
    "clip4clip_seqLSTM": ("clip4clip", {}, "logits"),
    "xclip_seqTransf_soft": ("xclip", {}, "logits"),
    "ts2net_seqTransf": ("ts2net", {}, "logits_sigma0.0"),
    "drl_wti": ("drl", {}, "logits"),
}
PARTS = {
    "clip4clip": ["video_sentence"],
    "xclip": ["video_sentence", "video_word", "frame_sentence", "frame_word"],
    "ts2net": ["frame_sentence"],
    "drl": ["frame_word"],
}
every_kind = pytest.mark.parametrize("kind", PARTS)


def gap(found: Tensor, published: Any) -> float:
    """Largest difference relative to the largest published entry."""
    ours, theirs = found.detach().double().numpy(), np.asarray(published, np.float64)
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def close_part(found: Tensor, published: Any) -> bool:
    """1e-5 relative; a part published as a difference of float32 logits is exact to some units in
    their last place.
    """
    return float(np.abs(found.numpy() - published).max()) < max(
        1e-5 * np.abs(published).max(), 3e-6
    )


def inputs(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    arrays = np.load(FIXTURES / f"inputs_{name}.npz")
    ids, words, video, frames = (
        torch.from_numpy(arrays[key][:, 0])
        for key in ("input_ids", "input_mask", "video", "video_mask")
    )
    return ids, words.bool(), video[:, :, 0], frames.bool()


def load(case: str, **options: Any) -> official.OfficialModel:
    kind, usual, _ = CASES[case]
    state = load_file(FIXTURES / f"{case}.safetensors")
    return official.load(kind, state, max_words=12, max_frames=6, **usual | options)


@needs_fixtures
@pytest.mark.parametrize("case", CASES)
def test_published_scores(case: str) -> None:
    given, (kind, _, logits) = np.load(FIXTURES / f"{case}.npz"), CASES[case]
    scores = load(case).scores(*inputs("eval"))
    assert list(scores) == [*PARTS[kind], "fused"]
    assert gap(scores["fused"], given[logits]) < 1e-5
    for part in PARTS[kind]:
        if f"{part}_by_difference" in given:
            assert close_part(scores[part], given[f"{part}_by_difference"]), part


@needs_fixtures
def test_published_stochastic_choice() -> None:
    given = np.load(FIXTURES / "ts2net_seqTransf.npz")
    scores = load("ts2net_seqTransf").scores(
        *inputs("eval"), noise=torch.from_numpy(given["noise"])
    )
    assert gap(scores["fused"], given["logits_sigma0.05"]) < 1e-5


@needs_fixtures
@pytest.mark.parametrize("case", [case for case in CASES if case != "drl_wti"])
def test_published_loss(case: str) -> None:
    given, model = np.load(FIXTURES / f"{case}.npz"), load(case).model.train()
    ids, words, pixels, mask = inputs("train")
    noise = torch.from_numpy(given["train_noise"]) if "train_noise" in given else None
    logits = model.score(
        model.text_features(ids, words), model.video_features(pixels, mask, noise)
    ).fused
    assert gap(symmetric_infonce(logits), given["train_loss"]) < 1e-5


@needs_fixtures
def test_published_tokens() -> None:
    """Chosen tokens of TS2-Net, contextual frames of DRL, raw frames of the others."""
    ids, words, pixels, mask = inputs("eval")
    with torch.no_grad():
        ts2net = load("ts2net_seqTransf").model
        chosen = ts2net.patches(ts2net.encoder.encode_frames(pixels, mask), mask)
        assert gap(chosen, np.load(FIXTURES / "ts2net_seqTransf.npz")["tokens_sigma0.0"]) < 1e-5
        drl, given = load("drl_wti").model, np.load(FIXTURES / "drl_wti.npz")
        assert gap(drl.video_features(pixels, mask).contextual, given["video_tokens"]) < 1e-5
        assert gap(drl.text_features(ids, words).words, given["text_tokens"]) < 1e-5
        clip4clip, given = load("clip4clip_meanP").model, np.load(FIXTURES / "clip4clip_meanP.npz")
        assert gap(clip4clip.video_features(pixels, mask).frames, given["frames"]) < 1e-5


@needs_fixtures
def test_drl_multiplies_by_the_scale_in_training_only() -> None:
    evaluated, trained = (
        load("drl_wti", variant=variant).scores(*inputs("eval"))["fused"]
        for variant in ("eval", "train")
    )
    torch.testing.assert_close(100 * evaluated, trained, rtol=1e-5, atol=1e-5)


# The same from small arrays that travel with the project.


def derived(kind: str) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(array)
        for name, array in np.load(DERIVED / f"{kind}_head.npz").items()
    }


def published_head(
    kind: str, arrays: dict[str, Tensor], names: dict[str, str], **settings: Any
) -> Any:
    head = make_head(
        head_config(kind, max_words=12, max_frames=6, mask_padding=False, **settings), 128
    ).eval()
    head.load_state_dict(
        {ours.removeprefix("head."): arrays[f"weight/{name}"] for name, ours in names.items()}
    )
    return head


def clips(arrays: dict[str, Tensor], **features: Tensor) -> VideoFeatures:
    mask = arrays["frame_mask"]
    frames = features.get("frames", torch.zeros(*mask.shape, 128))
    video = features.get("video", torch.zeros(len(mask), 128))
    contextual = features.get("contextual", frames[:, :0])
    return VideoFeatures(video, frames, frames[:, :0], mask, mask[:, :0], contextual)


def texts(arrays: dict[str, Tensor], words: Tensor | None = None) -> TextFeatures:
    mask = arrays["word_mask"]
    return TextFeatures(
        arrays["sentence"].reshape(len(mask), 128),
        torch.zeros(*mask.shape, 128) if words is None else words,
        mask,
    )


@torch.no_grad()
def scored(
    head: Any, arrays: dict[str, Tensor], text: TextFeatures, video: VideoFeatures
) -> Scores:
    scores: Scores = head.score(text, video, arrays["weight/clip.logit_scale"].exp())
    return scores


def test_clip4clip_on_published_features() -> None:
    arrays = derived("clip4clip")
    lstm = SequentialLstm(128)
    names = {name: name.removeprefix("weight/lstm_visual.") for name in arrays if "lstm" in name}
    lstm.lstm.load_state_dict({short: arrays[name] for name, short in names.items()})
    with torch.no_grad():
        video = pool_frames(lstm(arrays["frames"], arrays["frame_mask"]), arrays["frame_mask"])
    head = published_head("clip4clip", arrays, {})
    assert (
        gap(scored(head, arrays, texts(arrays), clips(arrays, video=video)).fused, arrays["logits"])
        < 1e-5
    )


def test_xclip_on_published_features() -> None:
    arrays = derived("xclip")
    head = published_head("xclip", arrays, official.xclip.MATRICES)
    video = clips(arrays, video=arrays["video"], frames=arrays["frames"])
    scores = scored(head, arrays, texts(arrays, arrays["words"]), video)
    assert gap(scores.fused, arrays["logits"]) < 1e-5
    for part in PARTS["xclip"]:
        assert close_part(scores.parts[part], arrays[f"{part}_by_difference"].numpy()), part


def test_ts2net_on_published_features() -> None:
    arrays = derived("ts2net")
    head = published_head("ts2net", arrays, {})
    found = scored(head, arrays, texts(arrays), clips(arrays, contextual=arrays["contextual"]))
    assert gap(found.fused, arrays["logits"]) < 1e-5


def test_drl_on_published_features() -> None:
    arrays = derived("drl")
    head = published_head("drl", arrays, official.drl.WEIGHT_NETWORKS, scaled_evaluation=False)
    text, video = (
        texts(arrays, arrays["text_tokens"]),
        clips(arrays, contextual=arrays["video_tokens"]),
    )
    assert gap(scored(head, arrays, text, video).fused, arrays["logits"]) < 1e-5


# Reading a state: strict, and by what it holds.


def model_inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = random_text(3).word_mask
    ids = torch.randint(1, 500, mask.shape, generator=generator) * mask
    frames = torch.tensor([[True] * 4, [True, True, False, False]])
    pixels = torch.randn(2, FRAMES, 3, 12, 12, generator=generator) * frames[..., None, None, None]
    return ids, mask, pixels, frames


def build(
    kind: str, state: dict[str, Tensor] | None = None, **options: Any
) -> official.OfficialModel:
    given = official_peer_state(kind) if state is None else state
    return official.load(kind, given, **{"max_words": WORDS, "max_frames": FRAMES} | options)


@every_kind
def test_every_kind_loads_and_scores(kind: str) -> None:
    loaded = build(kind)
    scores = loaded.scores(*model_inputs())
    assert list(scores) == [*PARTS[kind], "fused"]
    assert all(part.shape == (3, 2) for part in scores.values())
    assert all(torch.isfinite(part).all() for part in scores.values())
    config = loaded.model.config
    assert (config.head, config.mask_padding, config.max_words, config.max_frames) == (
        kind,
        False,
        WORDS,
        FRAMES,
    )
    assert config.shifted_blocks == ((10, 11) if kind == "ts2net" else ())


@every_kind
def test_every_tensor_is_needed_and_no_other(kind: str) -> None:
    state = official_peer_state(kind)
    ignored = build(kind, state).report.ignored
    some = [name for name in state if "resblocks" not in name] + [
        "transformerClip.resblocks.0.ln_1.bias"
    ]
    for name in some:
        fewer = {other: tensor for other, tensor in state.items() if other != name}
        if name in ignored:
            build(kind, fewer)
            continue
        with pytest.raises(CheckpointError):
            build(kind, fewer)
    with pytest.raises(CheckpointError, match="unexpected colour"):
        build(kind, state | {"colour": torch.zeros(2)})


def test_what_the_published_code_never_reads_is_ignored() -> None:
    assert build("ts2net").report.ignored == (
        "text_token_selector.in.weight",
        "visual_prompt_encoder.conv1.weight",
    )
    assert build("clip4clip", official_peer_state("clip4clip", "seqLSTM")).report.ignored == (
        "frame_position_embeddings.weight",
    )


@pytest.mark.parametrize("kind", ["clip4clip", "xclip", "drl"])
@pytest.mark.parametrize("temporal", ["meanP", "seqLSTM", "seqTransf"])
def test_the_state_says_which_temporal_encoder(kind: str, temporal: str) -> None:
    options = {"temporal": "meanP"} if temporal == "meanP" else {}
    loaded = build(kind, official_peer_state(kind, temporal), **options)
    assert loaded.model.config.temporal == temporal
    assert torch.isfinite(loaded.scores(*model_inputs())["fused"]).all()


def test_clip4clip_without_temporal_tensors_is_a_mean() -> None:
    assert (
        build("clip4clip", official_peer_state("clip4clip", "meanP")).model.config.temporal
        == "meanP"
    )
    with pytest.raises(CheckpointError, match="frame_position_embeddings"):
        build("clip4clip", official_peer_state("clip4clip", "meanP"), temporal="seqTransf")
    with pytest.raises(ConfigError, match="ts2net has temporal='seqTransf'"):
        build("ts2net", official_peer_state("ts2net", "seqLSTM"))


def test_interactions_of_drl() -> None:
    state = official_peer_state("drl")
    weighted, even, dot = (build("drl", state, interaction=name) for name in ("wti", "ti", "dp"))
    assert even.report.ignored == tuple(sorted(name for name in state if "weight_fc" in name))
    assert list(dot.scores(*model_inputs())) == ["video_sentence", "fused"]
    assert not torch.allclose(
        weighted.scores(*model_inputs())["fused"], even.scores(*model_inputs())["fused"]
    )
    without = {name: tensor for name, tensor in state.items() if "weight_fc" not in name}
    assert torch.equal(
        build("drl", without, interaction="ti").scores(*model_inputs())["fused"],
        even.scores(*model_inputs())["fused"],
    )


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "ts2net",
            {"max_frames": 5},
            "20 tokens, the checkpoint has 16 positions: take at most 4 frames",
        ),
        (
            "clip4clip",
            {"max_words": 17},
            "max_words=17 was asked for, the text tower has 16 positions",
        ),
        ("xclip", {"max_words": WORDS + 1}, f"are for {WORDS}"),
        ("xclip", {"max_frames": FRAMES - 1}, f"are for {FRAMES}"),
        ("drl", {"interaction": "xti"}, "expected one of dp, ti, wti"),
        ("drl", {"max_frames": 0}, "max_frames must be at least 1"),
    ],
)
def test_wrong_requests_are_named(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((CheckpointError, ConfigError), match=message):
        build(kind, **options)


def test_tensors_of_xclip_arrive_where_they_belong() -> None:
    state = official_peer_state("xclip")
    ours = build("xclip", state).model.state_dict()
    places = {
        "global_mat_weight": "head.sentence_projection", "local_mat_weight": "head.word_projection",
        "word_logit_weight": "head.over_video_words.mixing", "frame_logit_weight": "head.over_sentence_frames.mixing",
        "word_mat_weight": "head.over_words.mixing", "frame_mat_weight": "head.over_frames.mixing",
        "word_mat_weight2": "head.over_frame_words.mixing", "frame_mat_weight2": "head.over_word_frames.mixing",
    }  # fmt: skip
    assert [
        name for name, place in places.items() if not torch.equal(ours[place], state[name])
    ] == []


def test_allowed_tensors_may_be_missing_or_unknown() -> None:
    state = official_peer_state("drl")
    fewer = {
        name: tensor for name, tensor in state.items() if not name.startswith("text_weight_fc")
    }
    fewer["epoch.number"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match="missing text_weight_fc"):
        build("drl", fewer, allow=("epoch.*",))
    first, second = (build("drl", fewer, allow=("epoch.*", "text_weight_fc.*")) for _ in range(2))
    assert first.report.missing == tuple(
        sorted(name for name in state if name.startswith("text_weight_fc"))
    )
    assert first.report.ignored == ("epoch.number",)
    assert first.model.fingerprint == second.model.fingerprint  # untrained, and the same every time


@every_kind
def test_the_report_names_every_tensor_and_place(kind: str) -> None:
    state, loaded = official_peer_state(kind), build(kind)
    report, ours = loaded.report, loaded.model.state_dict()
    short = {name.replace(".attn.net.", ".attn.") for name in state}
    assert set(report.mapped) | set(report.ignored) == short
    assert {name for names in report.mapped.values() for name in names} == set(ours)
    assert report.missing == ()
    assert report.scorer == ("token" if kind == "ts2net" else "")
    assert (
        report.geometry["dim"],
        report.geometry["image_size"],
        report.geometry["vision_blocks"],
    ) == (64, 12, 12)


@every_kind
def test_import_gives_a_directory_that_loads(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "pytorch_model.safetensors"
    save_file(official_peer_state(kind), source)
    sizes = {"max_words": WORDS, "max_frames": FRAMES}
    imported = official.import_reported(source, tmp_path / "model", kind, **sizes)
    loaded = models.load(tmp_path / "model")
    assert loaded.fingerprint == imported.model.fingerprint
    assert loaded.config == imported.model.config
    assert f"published {kind} checkpoint" in loaded.card["source"]
    assert "tokenizer.json" in loaded.card["note"]
    found = replace(imported, model=loaded).scores(*model_inputs())["fused"]
    assert torch.equal(found, build(kind).scores(*model_inputs())["fused"])
