"""Every experiment end to end on a handful of drawn clips: trained, chosen, evaluated, written; and
not done twice.
"""

from pathlib import Path

import pytest
from research.benchmark_sets import BenchmarkOptions

from finereel.errors import ConfigError
from research import EXPERIMENTS, ExperimentRequest, run_experiment


def request_for(name: str, work: Path, **more: object) -> ExperimentRequest:
    return ExperimentRequest(
        name,
        "reelworld-tokens",
        BenchmarkOptions(work, debug=True),
        (1, 2),
        1,
        f"command {name}",
        **more,
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_granularity_writes_a_page_and_goes_on_from_what_is_there(work: Path) -> None:
    seen: list[tuple[int, int]] = []
    text = run_experiment(
        request_for("granularity", work), lambda done, total: seen.append((done, total))
    )
    assert seen == [(number, 6) for number in range(1, 7)]
    for expected in (
        "# Granularity: reelworld-tokens",
        "    command granularity",
        "## Text to video",
        "## Run card",
    ):
        assert expected in text
    assert text.count("| reference |") == 2
    written = {path: path.stat().st_mtime_ns for path in work.rglob("record.json")}
    assert len(written) == 6
    assert run_experiment(request_for("granularity", work)) == text
    assert {path: path.stat().st_mtime_ns for path in work.rglob("record.json")} == written


def test_some_rows_alone_are_compared_with_the_reference(work: Path) -> None:
    text = run_experiment(request_for("granularity", work, rows=("+ frame-sentence",)))
    assert text.count("| + frame-sentence |") == 2
    assert text.count("| video-sentence |") == 2
    assert "| ucofia |" not in text
    with pytest.raises(ConfigError, match="unknown row 'ucofia-x'"):
        run_experiment(request_for("granularity", work, rows=("ucofia-x",)))


def test_normalization_says_its_protocols(work: Path) -> None:
    text = run_experiment(request_for("normalization", work))
    assert "| transductive |" in text
    assert "| learned weights |" in text


def test_seeds_give_other_towers(work: Path) -> None:
    run_experiment(request_for("granularity", work))
    first, second = (
        (
            work / "reelworld-tokens" / "towers" / f"seed-{seed}" / "best" / "model.safetensors"
        ).read_bytes()
        for seed in (1, 2)
    )
    assert first != second


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aggregation", "peers", "sizes", "checks"])
def test_the_other_experiments_have_their_debug_twin(name: str, work: Path) -> None:
    text = run_experiment(request_for(name, work))
    assert text.count("| ucofia |") == 2


def test_an_unknown_experiment_is_refused(work: Path) -> None:
    trained = {"granularity", "aggregation", "peers", "sizes", "checks"}
    assert trained | {"normalization", "robustness"} == set(EXPERIMENTS)
    with pytest.raises(ConfigError, match="unknown experiment"):
        run_experiment(request_for("size", work))
