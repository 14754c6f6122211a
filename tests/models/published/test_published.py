"""The published numbers: reproduced from the fixtures in the sibling folder, and always from the
arrays beside us.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.models import published as official
from finereel.models import saving as models
from finereel.models.encoders.patches import PatchSelector, hard_topk, make_scorer, perturbed_topk
from finereel.models.encoders.temporal import pool_frames
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import make_head
from finereel.models.published import unpickle
from finereel.models.published.geometry import clip_values
from finereel.models.published.ucofia import NEVER_USED
from finereel.statistics.metrics import retrieval_metrics
from finereel.training.learner import symmetric_infonce
from places import FIXTURES, GOLDEN
from tiny_models import FRAMES, WORDS, official_state, random_text, tiny_tokenizer

DERIVED = GOLDEN
PARTS = ("video_sentence", "frame_sentence", "patch_word")
SHORT = {"video_sentence": "vs", "frame_sentence": "fs", "patch_word": "pw"}
CASES = {  # name: (state, variant, arrays)
    "train, hard": ("ucofia_train_soft", "train", "ucofia_train_soft_sigma0.0"),
    "train, given noise": ("ucofia_train_soft", "train", "ucofia_train_soft_sigma0.05"),
    "eval, hard": ("ucofia_eval_t2v_soft", "eval", "ucofia_eval_t2v_soft_sigma0.0"),
}
needs_fixtures = pytest.mark.fixtures


def gap(found: Any, published: Any) -> float:
    """Largest difference relative to the largest published entry."""
    found, published = np.asarray(found, np.float64), np.asarray(published, np.float64)
    assert found.shape == published.shape
    return float(np.abs(found - published).max() / np.abs(published).max())


def close_part(found: Tensor, published: Any, exact: bool) -> bool:
    """1e-5 relative; a part that was published as a difference of float32 logits around 10 is exact
    to 3e-6 at best.
    """
    tolerance = 1e-5 * np.abs(published).max()
    return bool(
        np.abs(found.numpy() - published).max() < (tolerance if exact else max(tolerance, 3e-6))
    )


def inputs(arrays: Any, prefix: str = "") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loader layout (B, 1, ...) to ours: ids (T, W), mask (T, W), pixels (V, F, 3, H, W), mask (V,
    F).
    """
    names = ("input_ids", "input_mask", "video", "video_mask")
    ids, words, video, frames = (torch.from_numpy(arrays[prefix + name][:, 0]) for name in names)
    return ids, words.bool(), video[:, :, 0], frames.bool()


def noise_of(arrays: Any) -> Tensor | None:
    return torch.from_numpy(arrays["noise"]) if "noise" in arrays else None


@cache
def load(state: str, variant: str) -> official.OfficialModel:
    tensors = load_file(FIXTURES / f"{state}.safetensors")
    return official.load("ucofia", tensors, max_words=12, max_frames=6, variant=variant)


@needs_fixtures
@pytest.mark.parametrize("case", CASES)
def test_published_scores(case: str) -> None:
    state, variant, arrays = CASES[case]
    given = np.load(FIXTURES / f"{arrays}.npz")
    scores = load(state, variant).scores(
        *inputs(np.load(FIXTURES / "inputs_eval.npz")), noise=noise_of(given)
    )
    assert list(scores) == [*PARTS, "fused"]
    assert gap(scores["fused"], given["logits"]) < 1e-5
    for part in PARTS:
        published = given[part] if part in given else given[f"{SHORT[part]}_by_difference"]
        assert close_part(scores[part], published, exact=part in given)


@needs_fixtures
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_published_features(case: str) -> None:
    state, variant, arrays = CASES[case]
    given, model = np.load(FIXTURES / f"{arrays}.npz"), load(state, variant).model
    ids, words, pixels, mask = inputs(np.load(FIXTURES / "inputs_eval.npz"))
    noise = noise_of(given)
    text, video = model.text_features(ids, words), model.video_features(pixels, mask, noise)
    tokens = model.encoder.encode_frames(pixels, mask)
    frames = tokens[:, :, 0]
    temporal = model.temporal(frames, mask)
    pooled = torch.where(mask[..., None], normalize(temporal, dim=-1), 0).sum(1) / mask.sum(
        1, keepdim=True
    )
    scores = model.patches.scorer(tokens, mask).flatten(0, 1)
    if noise is None:
        indicator = torch.nn.functional.one_hot(hard_topk(scores[:, 1:], 3), 49)
    else:
        indicator = perturbed_topk(scores[:, 1:], noise, 3)
    found = {
        "sentence": text.sentence[:, None], "words": text.words, "visual_tokens": tokens.flatten(1, 2),
        "token_scores": scores, "topk_indicator": indicator, "frames": video.frames, "patches": video.patches,
        "temporal_out_LND": (temporal - frames).transpose(0, 1), "video_pooled_prenorm": pooled,
    }  # fmt: skip
    assert {
        name: gap(array, given[name])
        for name, array in found.items()
        if gap(array, given[name]) > 1e-5
    } == {}
    assert torch.equal(video.video, pool_frames(temporal, mask))
    assert (
        gap(video.video, normalize(torch.from_numpy(given["video_pooled_prenorm"]), dim=-1)) < 1e-5
    )


@needs_fixtures
def test_published_evaluation_with_a_bank() -> None:
    """Training texts against test videos, one Sinkhorn per granularity, the mean of the corrected
    scores.
    """
    given = np.load(FIXTURES / "ucofia_eval_t2v_epoch_soft.npz")
    model = load("ucofia_eval_t2v_epoch_soft", "eval")
    test_ids, test_words, pixels, mask = inputs(given, "test_in/")
    bank_ids, bank_words, _, _ = inputs(given, "train_in/")
    bank = model.scores(bank_ids, bank_words, pixels, mask)
    test = model.scores(test_ids, test_words, pixels, mask)
    corrected = []
    for part in PARTS:
        assert gap(bank[part], given[f"bank/{part}"]) < 1e-5
        assert gap(test[part], given[f"test/{part}"]) < 1e-5
        row, column = official.sinkhorn(torch.from_numpy(given[f"sk_input/{part}"]), 4)
        assert gap(row, given[f"sk_first/{part}"]) < 1e-5
        assert gap(column, given[f"sk_second/{part}"]) < 1e-5
        corrected.append(test[part] + column)
    final = torch.stack(corrected).mean(0)
    assert gap(final, given["final_sim"]) < 1e-5
    for direction, matrix in (("t2v", final), ("v2t", final.T)):
        found = retrieval_metrics(matrix.numpy())
        metrics = [found.r1, found.r5, found.r10, found.median_rank, found.mean_rank]
        np.testing.assert_allclose(metrics, given[f"{direction}_metrics"], rtol=1e-12)


@needs_fixtures
def test_published_loss_and_gradients() -> None:
    given = np.load(FIXTURES / "ucofia_trainloss_soft.npz")
    ids, words, pixels, mask = inputs(np.load(FIXTURES / "inputs_train.npz"))
    tensors = load_file(FIXTURES / "ucofia_train_soft.safetensors")
    model = official.load("ucofia", tensors, variant="train").model.train()
    text, video = (
        model.text_features(ids, words),
        model.video_features(pixels, mask, noise_of(given)),
    )
    logits = model.score(text, video).fused
    loss = symmetric_infonce(logits)
    loss.backward()
    diagonal = torch.arange(len(logits))
    assert gap(logits.detach(), given["sim_matrix"]) < 1e-5
    assert gap(loss.detach(), given["loss"]) < 1e-5
    assert (
        gap(torch.nn.functional.cross_entropy(logits, diagonal).detach(), given["loss_t2v"]) < 1e-5
    )
    assert (
        gap(torch.nn.functional.cross_entropy(logits.T, diagonal).detach(), given["loss_v2t"])
        < 1e-5
    )
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    norm = torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm()
    assert gap(norm, given["total_grad_norm"]) < 1e-4
    wrong = {}
    for name in (key for key in given if key.startswith("grad/")):
        found = gap(_official_gradient(name.removeprefix("grad/"), gradients), given[name])
        if found > 1e-4:
            wrong[name] = found
    assert wrong == {}


def _official_gradient(name: str, gradients: dict[str, Tensor]) -> Tensor:
    """The gradient of an official parameter, put together from those of ours."""
    short = name.replace(".attn.net.", ".attn.")
    table = official.names.clip_table(3, 12) | official.names.plain_table(official.ucofia.MATRICES)
    table |= official.names.plain_table(official.geometry.SELECTOR)
    table |= official.names.plain_table(official.geometry.FRAME_POSITIONS)
    table |= official.names.block_table("transformerClip.resblocks", "temporal.blocks", 2)
    found = [gradients[target.name] for target in table[short]]
    if short in official.names.CLIP_TRANSPOSED:
        return found[0].T
    return torch.cat(found) if len(found) > 1 else found[0]


# The same from small arrays that travel with the project.


def published_head(variant: str, arrays: Any) -> Any:
    config = ModelConfig(
        max_words=12, max_frames=6, patch_units="inner_product", mask_padding=False
    )
    head = make_head(config, 128)
    names = {
        f"weight/{name}": ours.removeprefix("head.")
        for name, ours in official.ucofia.MATRICES.items()
    }
    head.load_state_dict({ours: torch.from_numpy(arrays[name]) for name, ours in names.items()})
    if variant == "eval":
        head.patch_projection.data = torch.eye(128)
    return head


@pytest.mark.parametrize(
    ("variant", "sigma"), [("train", "0.0"), ("train", "0.05"), ("eval", "0.0")]
)
@torch.no_grad()
def test_head_on_published_features(variant: str, sigma: str) -> None:
    given = np.load(DERIVED / f"ucofia_head_{variant}.npz")
    tensors = {name: torch.from_numpy(given[name]) for name in given}
    mask = (
        torch.zeros(5, 12, dtype=torch.bool),
        torch.zeros(4, 6, dtype=torch.bool),
    )  # unread: padding takes part
    text = TextFeatures(tensors["sentence"][:, 0], tensors["words"], mask[0])
    unit = normalize(tensors["video_pooled_prenorm"], dim=-1)
    patches = tensors[f"{sigma}/patches"]
    video = VideoFeatures(
        unit, tensors["frames"], patches, mask[1], mask[1].repeat_interleave(4, 1)
    )
    scores = published_head(variant, given).score(
        text, video, tensors["weight/clip.logit_scale"].exp()
    )
    assert gap(scores.fused, given[f"{sigma}/fused"]) < 1e-5
    for part in PARTS:
        assert close_part(scores.parts[part], given[f"{sigma}/{part}"], exact=variant == "eval")


@pytest.mark.parametrize(("variant", "scorer"), [("train", "token"), ("eval", "frame_video")])
@torch.no_grad()
def test_selection_on_published_tokens(variant: str, scorer: str) -> None:
    given = np.load(DERIVED / f"ucofia_selection_{variant}.npz")
    selector = PatchSelector(make_scorer(scorer, 128, mask_padding=False), 3).eval()
    names = {
        name: ours.removeprefix("patches.") for name, ours in official.geometry.SELECTOR.items()
    }
    selector.load_state_dict({ours: torch.from_numpy(given[name]) for name, ours in names.items()})
    tokens, mask = (
        torch.from_numpy(given["tokens"])[None],
        torch.from_numpy(given["frame_mask"])[None],
    )
    scores = selector.scorer(tokens, mask)[0]
    assert gap(scores, given["scores"]) < 1e-5
    assert np.array_equal(hard_topk(scores[:, 1:], 3), given["chosen"])
    assert gap(selector(tokens, mask)[0], given["patches"]) < 1e-5
    if "noise" in given:
        noise = torch.from_numpy(given["noise"])
        assert gap(perturbed_topk(scores[: len(noise), 1:], noise, 3), given["indicator"]) < 1e-5


# Reading a state: strict, and by shapes.


def model_inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = random_text(3).word_mask
    ids = torch.randint(1, 500, mask.shape, generator=generator) * mask
    ids[torch.arange(3), mask.sum(1) - 1] = 529
    frames = torch.tensor([[True, True, True, True], [True, True, False, False]])
    pixels = torch.randn(2, FRAMES, 3, 12, 12, generator=generator) * frames[..., None, None, None]
    return ids, mask, pixels, frames


@pytest.mark.parametrize("scorer", ["A", "B"])
def test_geometry_and_scorer_come_from_shapes(scorer: str) -> None:
    model = official.load("ucofia", official_state(scorer=scorer)).model
    assert (model.config.max_words, model.config.max_frames, model.num_patches) == (
        WORDS,
        FRAMES,
        4 * FRAMES,
    )
    assert model.config.patch_scorer == {"A": "token", "B": "frame_video"}[scorer]
    assert (model.config.mask_padding, model.config.patch_units) == (False, "inner_product")
    assert (model.encoder.image_size, model.dim, model.encoder.max_words) == (12, 64, 16)
    assert model.config.shifted_blocks == (10, 11)


@pytest.mark.parametrize(
    ("blocks", "shifted"), [(2, ()), (11, (10,)), (12, (10, 11)), (13, (10, 11))]
)
def test_only_existing_blocks_are_shifted(blocks: int, shifted: tuple[int, ...]) -> None:
    assert (
        official.load("ucofia", official_state(vision_blocks=blocks)).model.config.shifted_blocks
        == shifted
    )


def test_wrapped_attention_arrives_under_either_name() -> None:
    state = official_state()
    plain = {name.replace(".attn.net.", ".attn."): tensor for name, tensor in state.items()}
    assert set(plain) != set(state)
    first, second = (
        official.load("ucofia", given).scores(*model_inputs()) for given in (state, plain)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    block = official.load("ucofia", state).model.encoder.clip.vision_model.encoder.layers[11]
    fused = state["clip.visual.transformer.resblocks.11.attn.net.in_proj_weight"]
    assert torch.equal(
        torch.cat([getattr(block.self_attn, f"{p}_proj").weight for p in "qkv"]), fused
    )
    with pytest.raises(CheckpointError, match="twice"):
        official.load("ucofia", state | plain)


def test_tensors_arrive_where_they_belong() -> None:
    state = official_state()
    ours = official.load("ucofia", state, variant="train").model.state_dict()
    places = {
        "global_mat_weight": "head.sentence_projection", "global_mat_weight_1": "head.video_projection",
        "local_mat_weight": "head.word_projection", "local_mat_weight1": "head.patch_projection",
        "frame_logit_weight": "head.over_frames.mixing", "word_mat_weight": "head.over_words.mixing",
        "word_mat_weight2": "head.over_patch_words.mixing", "pixel_mat_weight": "head.over_patches.mixing",
        "pixel_mat_weight2": "head.over_word_patches.mixing", "clip.logit_scale": "encoder.clip.logit_scale",
        "frame_position_embeddings.weight": "temporal.positions.weight",
        "transformerClip.resblocks.0.mlp.c_fc.weight": "temporal.blocks.0.mlp.fc1.weight",
    }  # fmt: skip
    assert [
        name for name, place in places.items() if not torch.equal(ours[place], state[name])
    ] == []
    assert torch.equal(ours["encoder.clip.visual_projection.weight"], state["clip.visual.proj"].T)
    assert torch.equal(ours["encoder.clip.text_projection.weight"], state["clip.text_projection"].T)


def test_every_tensor_is_needed_and_no_other() -> None:
    state = official_state()
    for name in state:
        fewer = {other: tensor for other, tensor in state.items() if other != name}
        if name in NEVER_USED:
            official.load("ucofia", fewer)
            continue
        with pytest.raises(CheckpointError):
            official.load("ucofia", fewer)
    with pytest.raises(CheckpointError, match="unexpected lstm_visual"):
        official.load("ucofia", state | {"lstm_visual.weight_ih_l0": torch.zeros(2)})


def test_never_used_tensors_change_nothing() -> None:
    state = official_state()
    without = {name: tensor for name, tensor in state.items() if name not in NEVER_USED}
    first, second = (
        official.load("ucofia", given).scores(*model_inputs()) for given in (state, without)
    )
    assert torch.equal(first["fused"], second["fused"])


def test_variants_differ_by_the_patch_matrix_only() -> None:
    state = official_state()
    train, evaluation = (
        official.load("ucofia", state, variant=name).scores(*model_inputs())
        for name in ("train", "eval")
    )
    assert torch.equal(train["frame_sentence"], evaluation["frame_sentence"])
    assert not torch.allclose(train["patch_word"], evaluation["patch_word"])
    state["local_mat_weight1"] = torch.eye(64)
    same = official.load("ucofia", state, variant="train").scores(*model_inputs())
    assert torch.equal(same["patch_word"], evaluation["patch_word"])


def test_mean_pooling_is_read_from_a_state_without_temporal_encoder() -> None:
    state = {
        name: tensor
        for name, tensor in official_state().items()
        if not name.startswith(("transformerClip", "frame_position_embeddings"))
    }
    assert official.load("ucofia", state, temporal="meanP").model.config.temporal == "meanP"
    with pytest.raises(CheckpointError, match="frame_position_embeddings"):
        official.load("ucofia", state)


def test_half_precision_states_load() -> None:
    state = {name: tensor.half() for name, tensor in official_state().items()}
    assert official.load("ucofia", state).scores(*model_inputs())["fused"].dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("blip", {}, "expected one of clip4clip, drl, ts2net, ucofia, xclip"),
        ("ucofia", {"variant": "test"}, "expected one of eval, train"),
        ("ucofia", {"temporal": "gru"}, "meanP"),
        ("ucofia", {"words": 3}, "max_words"),
        ("ucofia", {"max_words": WORDS + 1}, f"are for {WORDS}"),
        ("ucofia", {"max_frames": FRAMES - 1}, f"are for {FRAMES}"),
    ],
)
def test_wrong_requests_are_named(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, CheckpointError), match=message):
        official.load(kind, official_state(), **options)


def test_inputs_must_have_the_trained_sizes() -> None:
    ids, words, pixels, frames = model_inputs()
    with pytest.raises(ConfigError, match="exactly 6 words and 4 frames"):
        official.load("ucofia", official_state()).scores(ids[:, :5], words[:, :5], pixels, frames)


def test_noise_of_size_zero_selects_hard() -> None:
    """Noise that is all zeros moves nothing, so the stochastic path must give the hard choice."""
    model, given = official.load("ucofia", official_state()), model_inputs()
    still = model.scores(*given, noise=torch.zeros(2 * FRAMES, 5, 9))
    assert torch.allclose(still["patch_word"], model.scores(*given)["patch_word"], atol=1e-5)


# Importing a file.


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_import_gives_a_directory_that_loads(tmp_path: Path, suffix: str) -> None:
    state = official_state()
    source, vocabulary, out = (
        tmp_path / f"pytorch_model{suffix}",
        tmp_path / "clip",
        tmp_path / "model",
    )
    (save_file if suffix == ".safetensors" else torch.save)(state, source)
    tiny_tokenizer().save(vocabulary)
    state = official_state(vocab_size=tiny_tokenizer().vocab_size)
    (save_file if suffix == ".safetensors" else torch.save)(state, source)
    imported = official.import_checkpoint(source, out, tokenizer=vocabulary, variant="train")
    loaded = models.load(out)
    assert loaded.fingerprint == imported.fingerprint
    assert "published ucofia checkpoint" in loaded.card["source"]
    ids, words, pixels, frames = model_inputs()
    ids = ids.clamp(max=tiny_tokenizer().vocab_size - 1)
    direct = official.load("ucofia", state, variant="train").scores(ids, words, pixels, frames)
    again = official.OfficialModel(loaded).scores(ids, words, pixels, frames)
    assert torch.equal(direct["fused"], again["fused"])


def test_import_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    save_file(official_state(), source)
    model = official.import_checkpoint(source, tmp_path / "out")
    assert "tokenizer.json" in model.card["note"]
    assert (tmp_path / "out" / "model.safetensors").exists()
    with pytest.raises(CheckpointError, match="tokenizer"):
        model.encode_text(["a car"])


def test_import_refuses_a_foreign_tokenizer(tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    save_file(official_state(vocab_size=600), source)
    tiny_tokenizer().save(tmp_path)
    with pytest.raises(CheckpointError, match="600"):
        official.import_checkpoint(source, tmp_path / "out", tokenizer=tmp_path)


class _Touch:
    """Unpickling this with a trusting reader creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_pickled_code_never_runs(tmp_path: Path) -> None:
    source, mark = tmp_path / "evil.bin", tmp_path / "mark"
    torch.save({"clip.logit_scale": _Touch(mark)}, source)
    with pytest.raises(CheckpointError, match="more in it than tensors"):
        official.import_checkpoint(source, tmp_path / "out")
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "something else than a dictionary of tensors"),
        ({"epoch": 3}, "something else than a dictionary of tensors"),
        ({"bomb": torch.zeros(1).expand(10**11)}, "memory"),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    source = tmp_path / "other.pt"
    torch.save(content, source)
    with pytest.raises(CheckpointError, match=message):
        official.import_checkpoint(source, tmp_path / "out")


def test_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no checkpoint at"):
        official.import_checkpoint(tmp_path / "none.bin", tmp_path / "out")
    for name in ("text.bin", "text.safetensors"):
        (tmp_path / name).write_text("nothing of the kind")
        with pytest.raises(CheckpointError, match=name):
            official.import_checkpoint(tmp_path / name, tmp_path / "out")


def test_the_guard_lets_nothing_out(tmp_path: Path) -> None:
    allowed = tmp_path / "out.safetensors"
    hook = unpickle.guard(str(allowed))
    refused = [
        ("socket.connect", (None, ("localhost", 1))), ("subprocess.Popen", ()), ("os.system", ("ls",)),
        ("os.remove", ("x",)), ("ctypes.dlopen", ("libc",)), ("open", (str(tmp_path / "other"), "wb", 0)),
        ("open", (str(tmp_path / "other"), None, os.O_RDWR)),
    ]  # fmt: skip
    for event, arguments in refused:
        with pytest.raises(PermissionError):
            hook(event, arguments)
    hook("open", (str(allowed), "wb", 0))
    hook("open", (str(tmp_path / "other"), "rb", os.O_RDONLY))


def test_a_directory_without_tokenizer_loads_and_encodes_token_ids(tmp_path: Path) -> None:
    source = tmp_path / "model.safetensors"
    save_file(official_state(), source)
    imported = official.import_checkpoint(source, tmp_path / "out")
    loaded = models.load(tmp_path / "out")
    given = model_inputs()
    wanted, found = (
        official.OfficialModel(model).scores(*given)["fused"] for model in (imported, loaded)
    )
    assert torch.equal(found, wanted)
    assert loaded.tokenizer is None


def test_strings_score_as_published_in_published_mode(tmp_path: Path) -> None:
    """Padded words take part there, so encode_text must compute them."""
    vocabulary = tiny_tokenizer()
    model = official.load("ucofia", official_state(vocab_size=vocabulary.vocab_size)).model
    model.tokenizer = vocabulary
    tokens = vocabulary.encode(["a"], WORDS)
    assert not tokens.mask.all()
    wanted = model.text_features(torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask))
    torch.testing.assert_close(model.encode_text(["a"]).words, wanted.words)


def test_the_width_of_the_mlps_is_read_from_the_state() -> None:
    """A ratio of 2 instead of CLIP's 4, in the text tower alone."""
    state = official_state()
    for name, tensor in state.items():
        if name.startswith("clip.transformer.resblocks.") and ".mlp.c_" in name:
            narrow = tensor[:128] if "c_fc" in name else tensor
            state[name] = narrow[..., :128].clone() if name.endswith("c_proj.weight") else narrow
    values = clip_values(state)
    assert values["text_config"]["intermediate_size"] == 128
    assert values["vision_config"]["intermediate_size"] == 256
    assert official.load("ucofia", state, max_words=WORDS, max_frames=FRAMES)


def test_towers_without_heads_of_64_are_named_in_one_line() -> None:
    state = official_state()
    state["clip.token_embedding.weight"] = torch.zeros(530, 100)
    with pytest.raises(CheckpointError, match="100 wide, which is no multiple of 64") as error:
        clip_values(state)
    assert "\n" not in str(error.value)
