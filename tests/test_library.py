"""The use-cases of a library, with a toy model and toy videos."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.config import ModelConfig
from finereel.errors import (
    ConfigError,
    LibraryBusyError,
    LibraryError,
    LibraryNotFoundError,
    ModelMismatchError,
    NotAVideoError,
    QueryError,
)
from finereel.index import events
from finereel.index.events import AddReport, AddSettings
from finereel.index.store import ClipStore, writer_lock
from finereel.library import Library
from finereel.models.heads import HEADS
from finereel.text import train_tokenizer
from index.doubles import ToyModel, ToySource, word_frames, write_video
from tiny_models import tiny_peer


class World:
    """A folder of toy videos and the library made from it."""

    def __init__(self, root: Path) -> None:
        self.videos = root / "videos"
        self.videos.mkdir()
        self.model = ToyModel()
        self.source = ToySource()
        self.path = root / "library"
        self.library = Library.open(self.path, self.model, self.source)
        self.events: list[events.AddEvent] = []

    def write(self, name: str, *words: str) -> Path:
        return write_video(self.videos / f"{name}.toy", *words)

    def add(self, **settings: object) -> AddReport:
        self.events.clear()
        return self.library.add(
            [self.videos], on_event=self.events.append, settings=AddSettings(**settings)
        )  # type: ignore[arg-type]

    def best(self, word: str) -> str:
        return Path(self.library.search(word, 1)[0].video).name

    def names(self) -> list[str]:
        """Every file that can be found."""
        return sorted({Path(hit.video).name for hit in self.library.search("x", 1000)})


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.write("animals", "dog", "cat", "cow")
    world.write("vehicles", "car", "bus")
    world.write("sky", "kite")
    return world


def test_a_word_finds_its_clip(world: World) -> None:
    report = world.add()
    assert (report.indexed, report.clips, report.failed) == (3, 6, 0)
    (hit,) = world.library.search("cat", 1)
    assert (Path(hit.video).name, hit.start, hit.end) == ("animals.toy", 2.0, 4.0)
    assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-4)
    assert hit.score == pytest.approx(100, abs=0.01)
    assert hit.best_frame in (2.0, 3.0, 4.0)
    assert hit.thumbnail.startswith(b"RIFF")


def test_hits_are_ordered_and_each_video_comes_as_often_as_asked(world: World) -> None:
    world.add()
    scores = [hit.score for hit in world.library.search("dog", 10)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert len(world.library.search("dog", 10, per_video=2)) == 5
    assert len(world.library.search("dog", 10, per_video=None)) == 6


def test_few_candidates_of_one_long_video_do_not_shorten_the_list(world: World) -> None:
    world.write("long", *["dog"] * 30)
    world.add()
    assert len(world.library.search("dog", 4, candidates=4)) == 4


def test_searching_every_candidate_equals_evaluating_every_row(world: World) -> None:
    for number in range(40):
        world.write(f"v{number:02d}", f"a{number}", f"b{number}")
    world.add()
    snapshot = ClipStore.open(next(world.path.glob("index-*"))).snapshot()
    everything = snapshot.take(snapshot.row_ids())
    for text in ("dog", "a7 b9", "nothing like it"):
        scores = world.model.score(world.model.encode_text([text]), everything.features).fused[0]
        order = torch.sort(scores, descending=True, stable=True).indices.tolist()
        expected = [
            (everything.paths[i], everything.rows["start"][i].as_py(), float(scores[i]))
            for i in order
        ]
        hits = world.library.search(text, 1000, candidates=None, per_video=None)
        assert [(hit.video, hit.start, hit.score) for hit in hits] == expected


def test_unchanged_files_cost_no_decoding_and_no_hashing(world: World) -> None:
    world.add()
    world.source.hashed.clear()
    world.source.decoded.clear()
    report = world.add()
    assert (report.unchanged, report.indexed) == (3, 0)
    assert world.source.hashed == []
    assert world.source.decoded == []


def test_a_touched_file_is_hashed_but_not_encoded_again(world: World) -> None:
    world.add()
    os.utime(world.videos / "sky.toy", ns=(1, 1))
    world.source.decoded.clear()
    assert world.add().unchanged == 3
    assert world.source.decoded == []
    world.source.hashed.clear()
    world.add()
    assert world.source.hashed == []


def test_a_renamed_file_keeps_its_clips(world: World) -> None:
    world.add()
    before = world.library.search("kite", 1)[0].clip_id
    (world.videos / "sky.toy").rename(world.videos / "heaven.toy")
    report = world.add()
    assert (report.renamed, report.indexed, report.missing) == (1, 0, 0)
    (hit,) = world.library.search("kite", 1)
    assert Path(hit.video).name == "heaven.toy"
    assert hit.clip_id == before
    assert next(e for e in world.events if isinstance(e, events.FileRenamed)).old_path.endswith(
        "sky.toy"
    )


def test_a_moved_folder_is_recognised_file_by_file(world: World) -> None:
    world.add()
    encoded = world.model.encoded
    moved = world.videos.rename(world.videos.with_name("moved"))
    report = world.library.add([moved])
    assert (report.renamed, report.indexed) == (3, 0)
    assert world.model.encoded == encoded
    assert world.library.status().videos == 3


def test_the_same_content_at_several_paths_is_encoded_once_and_one_result(world: World) -> None:
    shutil.copy(world.videos / "sky.toy", world.videos / "before.toy")
    report = world.add()
    shutil.copy(world.videos / "sky.toy", world.videos / "twin.toy")
    again = world.add()
    assert (report.indexed, report.copied, again.copied, again.indexed) == (3, 1, 1, 0)
    assert world.model.encoded == 6
    hits = world.library.search("kite", 3, per_video=None)
    assert Path(hits[0].video).name == "before.toy"
    assert [Path(path).name for path in hits[0].copies] == ["sky.toy", "twin.toy"]
    assert len({(hit.video, hit.start) for hit in hits}) == 3
    assert all(Path(hit.video).name not in ("sky.toy", "twin.toy") for hit in hits)
    (world.videos / "before.toy").unlink()
    world.add()
    again_found = world.library.search("kite", 1)[0]
    assert (Path(again_found.video).name, len(again_found.copies)) == ("sky.toy", 1)


@pytest.mark.parametrize("text", ["", " \n", "\x00", "\u200b"])
def test_a_query_that_asks_nothing_is_refused(world: World, text: str) -> None:
    world.add()
    with pytest.raises(QueryError):
        world.library.search(text)
    with pytest.raises(QueryError):
        world.library.describe(world.videos / "sky.toy", ["a kite", text])


def test_what_the_model_does_not_read_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add()
    world.model.tokenizer = train_tokenizer(["a kite"], 514)  # type: ignore[attr-defined]
    world.model.config = ModelConfig(max_words=8)  # type: ignore[attr-defined]
    world.library.search("a kite flies over the sea")
    assert world.library.reading("a kite flies over the sea").cut == ("flies", "over", "the", "sea")
    assert "over the sea" in caplog.text


def test_a_rename_and_a_copy_in_one_run(world: World) -> None:
    world.add()
    shutil.copy(world.videos / "sky.toy", world.videos / "a.toy")
    (world.videos / "sky.toy").rename(world.videos / "b.toy")
    report = world.add()
    assert (report.renamed, report.copied, report.indexed, report.missing) == (1, 1, 0, 0)


def test_a_file_that_returns_at_the_old_path_of_a_renamed_one(world: World) -> None:
    world.add()
    (world.videos / "sky.toy").rename(world.videos / "other.toy")
    world.add()
    shutil.copy(world.videos / "other.toy", world.videos / "sky.toy")
    world.add()
    assert world.library.status().videos == 4
    assert world.library.doctor() == []


def test_changed_content_replaces_the_old_clips(world: World) -> None:
    world.add()
    world.write("animals", "yak")
    report = world.add()
    assert (report.indexed, report.clips) == (1, 1)
    assert world.library.status().clips == 4
    assert world.best("yak") == "animals.toy"
    assert world.library.search("cat", 1)[0].score < 99


def test_a_vanished_file_is_hidden_kept_and_comes_back(world: World) -> None:
    world.add()
    encoded = world.model.encoded
    away = (world.videos / "sky.toy").rename(world.path.parent / "away.toy")
    assert world.add().missing == 1
    assert "sky.toy" not in world.names()
    status = world.library.status()
    assert (status.videos, status.clips, status.missing) == (2, 5, 1)
    assert [Path(problem.path).name for problem in world.library.doctor()] == ["sky.toy"]
    assert world.add().missing == 0
    away.rename(world.videos / "sky.toy")
    world.add()
    assert world.best("kite") == "sky.toy"
    assert world.model.encoded == encoded


def test_a_whole_folder_that_vanished_is_marked_not_refused(world: World) -> None:
    world.add()
    shutil.rmtree(world.videos)
    assert world.library.add([world.videos]).missing == 3
    assert world.library.status().videos == 0
    with pytest.raises(NotAVideoError):
        world.library.add([world.videos.with_name("never-there")])


def test_adding_one_file_says_nothing_about_the_others(world: World) -> None:
    world.add()
    (world.videos / "sky.toy").unlink()
    assert world.library.add([world.videos / "animals.toy"]).missing == 0


def test_bad_files_are_listed_and_stop_nothing(world: World) -> None:
    (world.videos / "bad.toy").write_text("! nonsense\n")
    (world.videos / "cut.toy").write_text("2 bird\n! cut off\n")
    (world.videos / "loop.toy").symlink_to(world.videos / "loop.toy")
    report = world.library.add([world.videos, world.videos / "loop.toy"])
    assert (report.indexed, report.failed) == (4, 2)
    problems = {Path(problem.path).name: problem.error for problem in world.library.doctor()}
    assert set(problems) == {"bad.toy", "cut.toy", "loop.toy"}
    assert "nonsense" in problems["bad.toy"]
    assert problems["cut.toy"] == "partly read: cut off"
    assert world.best("bird") == "cut.toy"
    assert world.library.status().failed == 2


def test_a_bad_file_is_tried_again_only_when_it_changed_or_when_asked(world: World) -> None:
    bad = world.videos / "bad.toy"
    bad.write_text("! nonsense\n")
    world.add()
    world.source.decoded.clear()
    assert (world.add().known_bad, world.source.decoded) == (1, [])
    world.add(retry_failed=True)
    assert world.source.decoded == ["bad.toy"]
    world.write("bad", "owl")
    assert world.add().indexed == 1
    assert world.library.doctor() == []
    bad.unlink()
    assert world.add().missing == 1


def test_a_video_that_becomes_broken_loses_its_clips(world: World) -> None:
    world.add()
    (world.videos / "sky.toy").write_text("! broken now\n")
    assert world.add().failed == 1
    assert "sky.toy" not in world.names()
    assert world.library.status().videos == 2


def test_a_bad_file_that_is_gone_is_forgotten(world: World) -> None:
    bad = world.videos / "bad.toy"
    bad.write_text("! nonsense\n")
    world.add()
    bad.unlink()
    world.add()
    assert world.library.doctor() == []


def test_features_that_are_not_finite_fail_the_file_not_the_run(world: World) -> None:
    encode = world.model.encode_video
    world.model.encode_video = lambda clips: replace(  # type: ignore[method-assign]
        (features := encode(clips)), frames=features.frames * (torch.inf if len(clips) == 3 else 1)
    )
    report = world.add()
    assert (report.indexed, report.failed) == (2, 1)
    assert "not finite" in world.library.doctor()[0].error


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'quo"te', "new\nline", "-dash", "日本", "x" * 200, "semi;--"]
)
def test_odd_names_are_found_renamed_and_removed(world: World, name: str) -> None:
    path = world.write(name, "gnu")
    world.add()
    assert world.library.search("gnu", 1)[0].video == str(path)
    path = path.rename(path.with_name("plain.toy"))
    assert world.add().renamed == 1
    path.rename(path.with_name(f"{name}.toy"))
    assert world.add().renamed == 1
    assert world.library.remove([world.videos / f"{name}.toy"]) == 1


def test_names_that_are_not_utf8(world: World) -> None:
    path = os.fsdecode(os.fsencode(world.videos) + b"/caf\xe9.toy")
    shutil.copy(write_video(world.videos / "x.toy", "gnu"), path)
    (world.videos / "x.toy").unlink()
    (world.videos / "bad.toy").write_text("! nonsense\n")
    os.rename(world.videos / "bad.toy", path + ".bad.toy")  # noqa: PTH104
    world.add()
    assert world.library.search("gnu", 1)[0].video == path
    assert [problem.path for problem in world.library.doctor()] == [path + ".bad.toy"]
    assert world.add().known_bad == 1


def test_remove_forgets_files_and_folders(world: World) -> None:
    (world.videos / "bad.toy").write_text("! nonsense\n")
    world.write("sub/one", "elk")
    world.add()
    assert world.library.remove([world.videos / "sky.toy"]) == 1
    assert world.library.remove([world.videos / "sub"]) == 1
    assert world.library.remove([world.videos / "su"]) == 0
    assert world.names() == ["animals.toy", "vehicles.toy"]
    assert world.library.remove([world.videos]) == 2
    assert world.library.doctor() == []
    assert world.library.search("dog") == []


def test_describe_ranks_captions_for_known_and_new_videos(world: World) -> None:
    world.add()
    captions = ["bus", "cat", "moon"]
    known = world.library.describe(world.videos / "animals.toy", captions)
    assert (known[0].caption, known[0].index) == ("cat", 1)
    assert known[0].score == pytest.approx(sum(known[0].parts.values()), abs=1e-4)
    fresh = write_video(world.path.parent / "new.toy", "moon")
    assert next(hit.caption for hit in world.library.describe(fresh, captions)) == "moon"
    assert world.library.status().videos == 3
    with pytest.raises(ConfigError, match="at least one caption"):
        world.library.describe(fresh, [])


def test_a_bank_corrects_hubs_and_new_clips_get_theirs(world: World) -> None:
    world.add()
    plain = {hit.clip_id: hit for hit in world.library.search("dog", 10, per_video=None)}
    protocol = world.library.fit_normalization(["dog", "cat", "bus", "kite", "car"])
    assert protocol.startswith("bank:")
    assert world.library.status().normalization == protocol
    hits = world.library.search("dog", 10, per_video=None)
    assert any(hit.score != pytest.approx(plain[hit.clip_id].score, abs=0.01) for hit in hits)
    assert all(hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-4) for hit in hits)
    world.write("late", "dog")
    shutil.copy(world.videos / "sky.toy", world.videos / "twin.toy")
    world.add()
    hits = world.library.search("dog", 10)
    late = {Path(hit.video).name: hit.score for hit in hits}
    # The late clip is the dog clip of animals.toy once more, so its half-step bias is that clip's.
    assert late["late.toy"] == pytest.approx(late["animals.toy"], abs=0.05)
    assert [Path(path).name for hit in hits for path in hit.copies] == ["twin.toy"]
    world.library.remove_normalization()
    assert world.library.status().normalization == "none"
    assert world.library.search("dog", 1)[0].score == pytest.approx(100, abs=0.01)


def test_a_bank_covers_clips_that_were_hidden_when_it_was_fitted(world: World) -> None:
    world.add()
    away = (world.videos / "sky.toy").rename(world.path.parent / "away.toy")
    world.add()
    world.library.fit_normalization(["dog", "kite"])
    away.rename(world.videos / "sky.toy")
    world.add()
    assert "sky.toy" in world.names()


def test_another_model_is_refused_with_what_to_do(world: World) -> None:
    world.add()
    other = Library.open(world.path, ToyModel(seed=1), world.source)
    for use in (lambda: other.search("dog"), lambda: other.add([world.videos])):
        with pytest.raises(
            ModelMismatchError, match=r"finereel rebuild --library .* --model toy-1"
        ):
            use()


def test_another_model_is_named_whatever_else_fails_in_its_search(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    monkeypatch.setattr(ToyModel, "encode_text", lambda *_: 1 / 0)
    other = Library.open(world.path, ToyModel(seed=1), world.source)
    with pytest.raises(ModelMismatchError):
        other.search("dog")
    with pytest.raises(ZeroDivisionError):
        world.library.search("dog")


def test_rebuild_replaces_the_features_and_keeps_the_rest(world: World) -> None:
    (world.videos / "bad.toy").write_text("! nonsense\n")
    world.add()
    world.library.fit_normalization(["dog", "kite"])
    reader = Library.open(world.path, world.model, world.source)
    reader.search("dog")
    world.library.rebuild(ToyModel(seed=1))
    status = world.library.status()
    assert (status.model, status.videos, status.failed) == ("toy-1", 3, 1)
    assert status.normalization.startswith("bank:")
    assert world.best("cat") == "animals.toy"
    assert len(list(world.path.glob("index-*"))) == 1
    with pytest.raises(ModelMismatchError):
        reader.search("dog")


def test_no_library_is_an_error_except_for_add(world: World) -> None:
    for use in (
        lambda: world.library.search("dog"),
        lambda: world.library.status(),
        lambda: world.library.doctor(),
        lambda: world.library.remove([world.videos]),
        lambda: world.library.fit_normalization(["dog"]),
        lambda: world.library.describe(world.videos / "sky.toy", ["dog"]),
    ):
        with pytest.raises(LibraryNotFoundError, match="finereel index"):
            use()
    assert not world.path.exists()


def test_an_empty_library_answers_with_nothing(world: World) -> None:
    (world.videos / "bad.toy").write_text("! nonsense\n")
    world.library.add([world.videos / "bad.toy"])
    assert world.library.search("dog") == []
    assert world.library.status().clips == 0


def test_a_second_writer_is_told_who_writes(world: World) -> None:
    world.add()
    with writer_lock(world.path), pytest.raises(LibraryBusyError, match=str(os.getpid())):
        world.add()
    with writer_lock(world.path):
        assert world.best("dog") == "animals.toy"


def test_a_reader_sees_new_commits_and_never_less_than_before(world: World) -> None:
    world.add()
    reader = Library.open(world.path, world.model, world.source)
    assert len(reader.search("x", 100)) == 3
    seen = []

    def look(event: events.AddEvent) -> None:
        if isinstance(event, events.FileIndexed):
            seen.append(len(reader.search("x", 100)))

    for number in range(6):
        world.write(f"more{number}", f"w{number}")
    world.library.add([world.videos], on_event=look, settings=AddSettings(commit_clips=2))
    assert seen == [5, 5, 7, 7, 9, 9]


def test_a_search_ends_while_another_thread_forgets_the_state_that_it_asks(world: World) -> None:
    """Another thread may do so at any moment: here it always does."""

    class ForgetfulLibrary(Library):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, None if name == "_cached" else value)

    write_video(world.videos / "a.toy", "dog")
    world.library.add([world.videos])
    library = ForgetfulLibrary.open(world.library.path, ToyModel(), ToySource())
    assert library.search("dog") == world.library.search("dog")
    assert library.answer("dog").hits == library.search("dog")


def test_a_library_where_a_file_is_in_the_way(world: World) -> None:
    world.path.write_text("not a folder")
    with pytest.raises(LibraryError, match="could not be made"):
        world.add()


def test_events_tell_the_story(world: World) -> None:
    (world.videos / "bad.toy").write_text("! nonsense\n")
    world.add()
    kinds = [type(event).__name__ for event in world.events]
    assert kinds[0] == "Planned"
    assert kinds.count("FileStarted") == 4
    assert kinds.count("FileIndexed") == 3
    assert kinds.count("FileFailed") == 1


def test_many_small_commits_are_compacted(world: World) -> None:
    for number in range(80):
        world.write(f"v{number}", f"w{number}")
    world.add(commit_clips=1)
    table = ClipStore.open(next(world.path.glob("index-*"))).snapshot().table
    assert table.stats()["fragment_stats"]["num_fragments"] < 40
    assert world.best("w77") == "v77.toy"


def test_a_bug_in_the_model_is_raised_not_journalled(world: World) -> None:
    world.model.encode_video = lambda clips: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        world.add()
    world.model = world.library._model = ToyModel()
    assert world.add().indexed == 3


def test_a_full_disk_is_a_typed_error_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    world.write("late", "gnu")

    def refuse(self: object, data: object) -> None:
        raise OSError(28, "No space left on device")

    from lancedb.table import LanceTable

    with monkeypatch.context() as patch:
        patch.setattr(LanceTable, "add", refuse)
        with pytest.raises(LibraryError, match=r"No space left.*run the same command again"):
            world.add()
    assert world.best("dog") == "animals.toy"
    assert world.add().indexed == 1


@pytest.mark.parametrize("head", HEADS)
def test_a_library_of_any_head_searches(tmp_path: Path, head: str) -> None:
    """Stored features give the scores of fresh ones, within half precision, whatever the head
    reads.
    """
    model = tiny_peer(head)
    write_video(tmp_path / "videos" / "a.toy", "dog", "cat", "cow")
    write_video(tmp_path / "videos" / "b.toy", "car")
    library = Library.open(tmp_path / "library", model, ToySource())
    assert library.add([tmp_path / "videos"]).clips == 4
    hits = Library.open(tmp_path / "library", model).search("a small blue fish", 4, per_video=None)
    found = sorted(hit.score for hit in hits)
    clips = model.encode_video([word_frames(word) for word in ("dog", "cat", "cow", "car")])
    wanted = sorted(model.score(model.encode_text(["a small blue fish"]), clips).fused[0].tolist())
    assert found == pytest.approx(wanted, abs=0.05)
    assert {tuple(hit.parts) for hit in hits} == {tuple(model.head.weights)}


def test_clips_are_looked_up_by_their_ids(world: World) -> None:
    world.add()
    hits = world.library.search("x", 6, per_video=None)
    ids = [hit.clip_id for hit in hits]
    found = world.library.clips([ids[2], ids[0], ids[2]])
    assert [hit.clip_id for hit in found] == [ids[2], ids[0]]
    assert [(hit.video, hit.start, hit.end) for hit in found] == [
        (hits[place].video, hits[place].start, hits[place].end) for place in (2, 0)
    ]
    with pytest.raises(QueryError, match="the library has no clip 'nowhere'"):
        world.library.clips([ids[0], "nowhere"])


def test_facts_of_files_come_from_the_library_or_the_file(world: World) -> None:
    world.add()
    (hit,) = world.library.search("cat", 1)
    beside = write_video(world.videos.parent / "beside.toy", "owl")
    facts = world.library.facts([hit.video, str(beside), str(beside.with_name("gone.toy"))])
    known, probed, gone = facts.values()
    assert known.known
    assert known.duration == 6.0
    assert probed.known
    assert not gone.known
