"""What is done to a toy library while its disk fails or its process dies, and what must hold
afterwards.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from finereel.index.events import AddSettings
from finereel.index.manifest import read_manifest
from finereel.index.opening import open_store
from finereel.index.store import writer_lock
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

CAPTIONS = ["dog1", "cat2", "cow3 dog0", "yak"]
QUERIES = ("dog1", "cat2 cow3", "yak1")
SETTINGS = AddSettings(commit_clips=2)
REOPEN_SECONDS = 2.0
TOLERANCE = 1e-4
"""Of a score of up to 100 in single precision, whose sums depend on how many clips were encoded
together.
"""
MODELS = {model.fingerprint: model for model in (ToyModel(), ToyModel(seed=1))}


@dataclass(frozen=True)
class State:
    """What a library answers: its model, the score of every clip per query, and what
    `doctor` says.
    """

    model: str
    scores: dict[str, dict[str, float]]
    problems: tuple[str, ...]
    twice: int

    @property
    def clips(self) -> set[str]:
        return set(self.scores[QUERIES[0]])


def fill(place: Path) -> None:
    """Six videos, one damaged and one read in part, indexed, with a fitted normalisation."""
    videos = place / "videos"
    for number in range(6):
        write_video(videos / f"v{number}.toy", f"dog{number}", f"cat{number}")
    (videos / "bad.toy").write_text("! nonsense\n")
    (videos / "part.toy").write_text("2 yak0\n! cut off\n")
    library = opened(place)
    library.add([videos], settings=SETTINGS)
    library.fit_normalization(CAPTIONS)


def opened(place: Path, seed: int = 0) -> Library:
    return Library.open(place / "library", ToyModel(seed), ToySource())


def _first(place: Path) -> None:
    opened(place).add([place / "videos"], settings=SETTINGS)


def _nothing(place: Path) -> None:
    shutil.rmtree(place / "library")


def _change_videos(place: Path) -> None:
    videos = place / "videos"
    (videos / "v0.toy").rename(videos / "moved.toy")
    shutil.copyfile(videos / "v1.toy", videos / "copy.toy")
    write_video(videos / "v2.toy", "cow2", "cow3", "cow4")
    (videos / "v3.toy").unlink()
    os.utime(videos / "v4.toy", (1, 1))
    write_video(videos / "new.toy", "yak1")
    (videos / "worse.toy").write_text("! worse\n")
    (videos / "part2.toy").write_text("2 yak2\n! cut off too\n")
    write_video(videos / "bad.toy", "healed")


def _mixed(place: Path) -> None:
    opened(place).add([place / "videos"], settings=SETTINGS)


def _remove(place: Path) -> None:
    opened(place).remove([place / "videos" / name for name in ("v0.toy", "v1.toy", "bad.toy")])


def _normalise(place: Path) -> None:
    opened(place).fit_normalization(CAPTIONS[:2], strength=0.5)


def _plain(place: Path) -> None:
    opened(place).remove_normalization()


def _tidy(place: Path) -> None:
    with writer_lock(place / "library"):
        store = open_store(place / "library")
        assert store is not None
        store.prepare()
        store.tidy(force=True)


def _rebuild(place: Path) -> None:
    opened(place).rebuild(ToyModel(seed=1), settings=SETTINGS)


def _no_preparation(place: Path) -> None:
    del place


@dataclass(frozen=True)
class Scenario:
    """prepare: changes of the place before; act: what is disturbed; steps: whether it makes more
    than one commit.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path], None]
    steps: bool = False


SCENARIOS: dict[str, Scenario] = {
    "first add": Scenario(_nothing, _first, steps=True),
    "mixed add": Scenario(_change_videos, _mixed, steps=True),
    "remove": Scenario(
        _no_preparation, _remove, steps=True
    ),  # clips, then what is known of failed files
    "normalise": Scenario(_no_preparation, _normalise),
    "normalise off": Scenario(_no_preparation, _plain),
    "tidy": Scenario(_no_preparation, _tidy),
    "rebuild": Scenario(_no_preparation, _rebuild),
}


def state(place: Path) -> State | None:
    """What the library at `place` answers now; None where there is none yet."""
    if open_store(place / "library") is None:
        return None
    manifest = read_manifest(place / "library")
    model = MODELS[manifest.model.fingerprint] if manifest else ToyModel()
    library = Library.open(place / "library", model, ToySource())
    found = {text: library.search(text, 1000, candidates=None, per_video=None) for text in QUERIES}
    problems = sorted(f"{Path(problem.path).name}: {problem.error}" for problem in library.doctor())
    return State(
        model.name,
        {text: {hit.clip_id: hit.score for hit in hits} for text, hits in found.items()},
        tuple(problems),
        sum(len(hits) - len({hit.clip_id for hit in hits}) for hits in found.values()),
    )


def as_json(value: State | None) -> Any:
    return None if value is None else asdict(value)


def from_json(value: Any) -> State | None:
    return None if value is None else State(**{**value, "problems": tuple(value["problems"])})


def verdict(place: Path, scenario: Scenario, before: State | None, after: State) -> str:
    """What is wrong with the library after the disturbance, and after the same command ran again;
    empty for nothing.
    """
    began = time.process_time()  # not the clock, which also counts what else the machine does
    now = state(place)
    seconds = time.process_time() - began
    wrong = compare(now, before, after, scenario.steps)
    if seconds > REOPEN_SECONDS:
        wrong = wrong or f"reopening took {seconds:.1f} s"
    scenario.act(place)
    again = state(place)
    return wrong or (
        "" if same(again, after) else f"after the same command again: {difference(again, after)}"
    )


def compare(now: State | None, before: State | None, after: State, steps: bool) -> str:
    """How `now` differs from every state that the library may be in; empty when it does not.

    What doctor says of the library's own files is true of the moment and goes with the next
    command.
    """
    if now is not None:
        now = replace(
            now, problems=tuple(problem for problem in now.problems if ".toy: " in problem)
        )
    if same(now, before) or same(now, after):
        return ""
    if not steps:
        return (
            f"neither the state before ({difference(now, before)}) nor after "
            f"({difference(now, after)})"
        )
    if now is None:
        return "the library is gone"
    if now.twice:
        return f"{now.twice} clips doubled"
    old = before.clips if before else set()
    if lost := (old & after.clips) - now.clips:
        return f"{len(lost)} clips lost"
    if strange := now.clips - old - after.clips:
        return f"{len(strange)} clips of nowhere"
    known = set(before.problems if before else ()) | set(after.problems)
    if unknown := set(now.problems) - known:
        return f"doctor says {sorted(unknown)}"
    if lacking := set(before.problems if before else ()) & set(after.problems) - set(now.problems):
        return f"doctor lacks {sorted(lacking)}"
    return next(filter(None, (_odd_score(text, now, before, after) for text in QUERIES)), "")


def _odd_score(text: str, now: State, before: State | None, after: State) -> str:
    for clip, score in now.scores[text].items():
        allowed = [
            known.scores[text][clip]
            for known in (before, after)
            if known and clip in known.scores[text]
        ]
        if not any(abs(score - value) < TOLERANCE for value in allowed):
            return f"{clip} scores {score:.6f}, expected one of {allowed}"
    return ""


def same(one: State | None, other: State | None) -> bool:
    return difference(one, other) == ""


def difference(one: State | None, other: State | None) -> str:
    """The first difference, in words."""
    if one is None or other is None:
        return "" if one is other else "one of them does not exist"
    if one.model != other.model:
        return f"model {one.model}, not {other.model}"
    if one.problems != other.problems:
        return f"doctor: {sorted(set(one.problems) ^ set(other.problems))}"
    if one.clips != other.clips:
        return f"clips: {len(one.clips - other.clips)} more, {len(other.clips - one.clips)} fewer"
    gaps = [
        abs(score - other.scores[text][clip])
        for text in QUERIES
        for clip, score in one.scores[text].items()
    ]
    return f"scores differ by {max(gaps):.6f}" if max(gaps, default=0.0) > TOLERANCE else ""
