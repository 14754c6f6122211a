"""From a released checkpoint to the table of a paper: the commands of the guide, line by line, each
in a process of its own, on made weights and small clips in the layout of MSR-VTT.
"""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from finereel.data import load
from finereel.data.frames import FrameSettings, FrameStore
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record
from finereel.normalization import DIRECTIONS
from finereel.reelworld.export import VideoFormat, write
from places import ROOT
from support.processes import printed
from test_plain_clip import make_clip
from tiny_models import official_state, tiny_tokenizer

GUIDE = ROOT / "docs" / "guide" / "published-checkpoints.md"
COMMANDS = [
    shlex.split(line)[1:]
    for line in re.findall(
        r"^ {4}(finereel .*)$", GUIDE.read_text("utf-8").split("table of a paper")[1], re.M
    )
]
TRAIN, TEST = 6, 10
RUNS = ("ucofia", "ucofia-sinkhorn", "clip", "internvideo2", "clip4clip")


def write_msrvtt(folder: Path, captions: list[str]) -> None:
    """Annotations in the files and columns of the authors; the first videos are to train on."""
    names = [f"video{number}" for number in range(len(captions))]
    sentences = [
        {"video_id": name, "caption": text, "sen_id": number}
        for number, (name, text) in enumerate(zip(names, captions, strict=True))
    ]
    (folder / "MSRVTT_data.json").write_text(json.dumps({"videos": [], "sentences": sentences}))
    (folder / "MSRVTT_train.9k.csv").write_text("\n".join(["video_id", *names[:TRAIN], ""]))
    rows = [
        f'ret{number},msr{number},{name},"{captions[number]}"'
        for number, name in enumerate(names)
        if number >= TRAIN
    ]
    heading = "key,vid_key,video_id,sentence"
    (folder / "MSRVTT_JSFUSION_test.csv").write_text("\n".join([heading, *rows, ""]))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the guide names, after all its commands."""
    folder = tmp_path_factory.mktemp("paper")
    write(folder / "drawn", TRAIN + TEST, 4, "test", VideoFormat(64, 8))
    lines = (folder / "drawn" / "captions.jsonl").read_text("utf-8").splitlines()
    scenes = [json.loads(line) for line in lines]
    (folder / "MSRVTT" / "videos").mkdir(parents=True)
    for number, scene in enumerate(scenes):
        video = folder / "MSRVTT" / "videos" / f"video{number}.mp4"
        (folder / "drawn" / scene["video"]).rename(video)
    captions = [scene["caption"] for scene in scenes]
    write_msrvtt(folder / "MSRVTT", captions)

    clip = make_clip(folder / "openai" / "clip-vit-base-patch32")
    sizes = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
    CLIPImageProcessorPil(**sizes).save_pretrained(clip)
    CLIPTokenizer.from_pretrained(clip).save_pretrained(clip)
    state = official_state(vocab_size=tiny_tokenizer().vocab_size, scorer="B")
    state["clip.visual.conv1.weight"] = state["clip.visual.conv1.weight"].repeat(1, 1, 2, 2)
    torch.save(state, folder / "ucofia_msrvtt.bin")
    rng = np.random.default_rng(0)
    np.savez(
        folder / "internvideo2.npz",
        texts=np.array(captions[TRAIN:]),
        text_vectors=rng.standard_normal((TEST, 8)).astype(np.float32),
        videos=np.array([f"video{TRAIN + number}" for number in range(TEST)]),
        video_vectors=rng.standard_normal((TEST, 12, 8)).astype(np.float32),
    )
    np.save(folder / "clip4clip.npy", rng.standard_normal((TEST, TEST)))
    said = [printed(folder, *command) for command in COMMANDS]
    (folder / "compared.txt").write_text(said[-2], "utf-8")
    return folder


@pytest.fixture(scope="module")
def records(here: Path) -> dict[str, RunRecord]:
    return {run: load_record(here / "runs" / run) for run in RUNS}


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def matrix_of(record: RunRecord) -> np.ndarray:
    assert record.scores is not None
    return record.scores["text_to_video"].matrix


def test_every_run_is_a_full_record_of_the_same_queries(records: dict[str, RunRecord]) -> None:
    assert len(COMMANDS) == 1 + len(RUNS) + 2
    assert {record.dataset.split_hash for record in records.values()} == {
        records["ucofia"].dataset.split_hash
    }
    assert {record.dataset.coverage for record in records.values()} == {f"{TEST}/{TEST}"}
    assert records["ucofia"].model.head == "ucofia"
    assert set(records["ucofia"].results["text_to_video"]) > {"patch_word", "fused"}
    assert {records[run].model.head for run in ("clip", "internvideo2")} == {"cosine"}


def test_published_settings_are_applied_as_given(records: dict[str, RunRecord]) -> None:
    applied, plain = records["ucofia-sinkhorn"], records["ucofia"]
    for way in DIRECTIONS:
        choice = applied.normalization["choices"][way]
        assert choice["settings"] == {"temperature": 1.0, "strength": 1.0}
        assert choice["reason"] == "given"
        assert applied.row(way)["protocol"].startswith("bank:sinkhorn msrvtt/train_9k ")
        assert plain.row(way)["protocol"] == "none"
    assert not np.allclose(matrix_of(applied), matrix_of(plain))


def test_sentence_transformers_scores_are_cosines_of_the_weights_on_disk(
    here: Path, records: dict[str, RunRecord]
) -> None:
    """By transformers alone: texts and 12 frames of each video, as the directory says to read them."""
    clip = here / "openai" / "clip-vit-base-patch32"
    model, tokenizer = CLIPModel.from_pretrained(clip).eval(), CLIPTokenizer.from_pretrained(clip)
    pictures = CLIPImageProcessorPil.from_pretrained(clip)
    split = load("msrvtt", here / "MSRVTT").split("test")
    read = FrameStore(here / "MSRVTT" / "videos", here / "cache", FrameSettings(12, 224))
    clips = read.read(split.videos)
    with torch.no_grad():
        words = tokenizer([one.text for one in split.captions], padding=True, return_tensors="pt")
        texts = model.get_text_features(**words).pooler_output.numpy()
        frames = [
            model.get_image_features(
                **pictures(images=list(video[mask]), return_tensors="pt")
            ).pooler_output.numpy()
            for video, mask in zip(clips.frames, clips.frame_mask, strict=True)
        ]
    videos = np.stack([unit(vectors).mean(0) for vectors in frames])
    np.testing.assert_allclose(matrix_of(records["clip"]), unit(texts) @ unit(videos).T, atol=1e-5)


def test_vectors_and_matrices_of_other_programs_arrive(
    here: Path, records: dict[str, RunRecord]
) -> None:
    theirs = np.load(here / "clip4clip.npy")
    np.testing.assert_allclose(matrix_of(records["clip4clip"]), theirs, rtol=1e-6)
    stored = np.load(here / "internvideo2.npz")
    videos = unit(unit(stored["video_vectors"]).mean(1))
    np.testing.assert_allclose(
        matrix_of(records["internvideo2"]), unit(stored["text_vectors"]) @ videos.T, atol=1e-6
    )


def test_the_comparison_has_a_verdict_for_each_and_tells_of_protocols(here: Path) -> None:
    compared = (here / "compared.txt").read_text("utf-8")
    for name in ("UCoFiA", "CLIP B/32", "InternVideo2", "CLIP4Clip"):
        lines = [line for line in compared.splitlines() if f" {name}  " in line]
        assert [line.split()[0] for line in lines] == list(DIRECTIONS), compared
    assert compared.count("not distinguishable") == 8
    assert "the difference is also that of the protocols" in compared


def test_the_latex_table_holds_the_numbers_of_the_records(
    here: Path, records: dict[str, RunRecord]
) -> None:
    text = (here / "table.tex").read_text("utf-8")
    assert text.startswith(r"\begin{tabular}{")
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")
    assert not re.search(r"(?<!\\)[%_#$]", text)
    head, body = text.split("\\midrule\n")
    columns = head.splitlines()[-1].removesuffix(r" \\").split(" & ")
    rows = [
        dict(zip(columns, line.removesuffix(r" \\").split(" & "), strict=True))
        for line in body.split("\\bottomrule")[0].splitlines()
    ]
    expected = [(record, way) for record in records.values() for way in DIRECTIONS]
    assert len(rows) == len(expected)
    for row, (record, way) in zip(rows, expected, strict=True):
        found = record.row(way)
        low, high = found["intervals"]["R@1"]
        assert row["run"] == record.name
        assert row["direction"] == way.replace("_", r"\_")
        assert row["R@1"] == f"{found['R@1']:.1f}"
        assert row["MnR"] == f"{found['MnR']:.1f}"
        assert row["R@1 interval"] == f"{low:.1f} to {high:.1f}"
        assert row["protocol"] == found["protocol"].replace("_", r"\_")
        assert row["coverage"] == f"{TEST}/{TEST}"
