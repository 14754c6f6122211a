"""Batches of pairs: every video once an epoch, the same at every call, and every process its own
rows.
"""

import numpy as np
import pytest

from finereel.data.base import Caption, ClipArrays, Split
from finereel.errors import ConfigError
from finereel.training.pairs import PairBatches, PairSettings
from tiny_models import tiny_tokenizer

VIDEOS = tuple(f"v{number}" for number in range(10))
SPLIT = Split(
    "train",
    VIDEOS,
    tuple(
        Caption(f"{v}#{k}", v, f"a car number {k}")
        for v in VIDEOS
        for k in range(int(v[1]) % 3 + 1)
    ),
)


class Numbered:
    """The tokens of clip v3 are all 3."""

    @property
    def description(self) -> dict[str, str]:
        return {"source": "test"}

    def problems(self, videos: object) -> dict[str, str]:
        return {}

    def read(self, videos: list[str]) -> ClipArrays:
        numbers = np.array([int(video[1:]) for video in videos], dtype=np.float32)
        frames = np.broadcast_to(numbers[:, None, None, None], (len(videos), 2, 3, 4)).copy()
        return ClipArrays(frames, np.ones((len(videos), 2), dtype=bool))


def batches(**settings: object) -> PairBatches:
    return PairBatches(
        SPLIT,
        Numbered(),
        tiny_tokenizer(),
        PairSettings(**{"batch_size": 4, "max_words": 6} | settings),
    )


def test_an_epoch_of_videos_holds_no_video_twice() -> None:
    made = batches(batch_size=5)
    assert made.steps_per_epoch == 2
    seen = [caption.video_id for step in range(2) for caption in made.captions_at(step)]
    assert sorted(seen) == sorted(VIDEOS)


def test_an_epoch_of_captions_holds_every_caption_once() -> None:
    made = batches(batch_size=2, unit="captions")
    seen = [
        caption.id for step in range(made.steps_per_epoch) for caption in made.captions_at(step)
    ]
    assert len(set(seen)) == len(seen) == len(SPLIT.captions) // 2 * 2


def test_every_caption_of_a_video_has_its_turn() -> None:
    made = batches(batch_size=10)
    drawn = {caption.id for step in range(60) for caption in made.captions_at(step)}
    assert drawn == {caption.id for caption in SPLIT.captions}


def test_a_step_is_the_same_at_every_call_and_epochs_differ() -> None:
    made, again = batches(seed=3), batches(seed=3)
    assert made.captions_at(7) == again.captions_at(7)
    assert made.captions_at(0) != made.captions_at(made.steps_per_epoch)
    assert made.captions_at(0) != batches(seed=4).captions_at(0)


def test_processes_share_the_rows_of_the_batch_of_one() -> None:
    whole = batches(batch_size=4).captions_at(1)
    parts = [batches(batch_size=4, rank=rank, world=2).captions_at(1) for rank in range(2)]
    assert whole == parts[0] + parts[1]


def test_row_i_of_the_clips_belongs_to_row_i_of_the_texts() -> None:
    made = batches()
    batch, chosen = made.batch_at(2), made.captions_at(2)
    assert batch.frames[:, 0, 0, 0].tolist() == [int(caption.video_id[1:]) for caption in chosen]
    expected = made.tokenizer.encode([caption.text for caption in chosen], 6)
    assert np.array_equal(batch.input_ids.numpy(), expected.ids[:, : batch.input_ids.shape[1]])
    assert bool(batch.text_mask.any(0).all())  # cut to the longest


def test_word_dropout_loses_words_and_keeps_their_order_start_and_end() -> None:
    whole, less = batches(max_words=12), batches(max_words=12, word_dropout=0.5)
    lengths = []
    for step in range(4):
        full, dropped = whole.batch_at(step), less.batch_at(step)
        rows = zip(
            full.input_ids.tolist(), dropped.input_ids.tolist(), dropped.text_mask, strict=True
        )
        for row, shorter, real in rows:
            words, rest = [w for w in row if w], shorter[: int(real.sum())]
            assert rest[0] == words[0]
            assert rest[-1] == words[-1]
            assert not any(shorter[len(rest) :])
            remaining = iter(words)
            assert all(word in remaining for word in rest)  # a subsequence
            lengths.append(len(rest) / len(words))
    assert 0.4 < sum(lengths) / len(lengths) < 0.8
    assert bool((less.batch_at(1).input_ids == less.batch_at(1).input_ids).all())


def test_frame_dropout_leaves_every_clip_a_frame() -> None:
    made = batches(frame_dropout=0.9)
    masks = np.concatenate([made.batch_at(step).frame_mask.numpy() for step in range(20)])
    assert masks.any(1).all()
    assert 0.5 <= masks.mean() < 0.7  # of two frames, the better drawn one stays in any case
    assert np.array_equal(masks[:4], made.batch_at(0).frame_mask.numpy())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 11}, "lower the batch size"),
        ({"batch_size": 4, "world": 3}, "evenly over 3"),
        ({"batch_size": 1}, "at least 2 rows"),
        ({"unit": "words"}, "unknown unit"),
        ({"word_dropout": 1.0}, "share from 0"),
        ({"frame_dropout": -0.1}, "share from 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        batches(**settings)
