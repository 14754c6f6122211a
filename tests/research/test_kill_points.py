"""The attack by SIGKILL: it runs, and it notices a library that does not stand it."""

from pathlib import Path

import pytest
from research.attacks import kill_points
from research.attacks.library_scenarios import SCENARIOS
from research.attacks.write_points import COUNT, FAIL_ONE, KILL_BEFORE, Job, build, running, sample

UNSAFE = """
from finereel.io import atomic
atomic.write_file = lambda path, content: path.write_bytes(
    content.encode() if isinstance(content, str) else content
)
"""


@pytest.mark.slow
def test_a_handful_of_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_points, "SCENARIOS", {"rebuild": SCENARIOS["rebuild"]})
    [result] = kill_points.kill_points(tmp_path, 4, 0)
    assert result.failed == 0
    assert result.tried in (0, 4)  # 0 where there is no C compiler


@pytest.mark.slow
def test_a_file_that_is_not_replaced_as_a_whole_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip("no C compiler")
    (tmp_path / "unsafe").mkdir()
    (tmp_path / "unsafe" / "sitecustomize.py").write_text(UNSAFE)
    monkeypatch.syspath_prepend(str(tmp_path / "unsafe"))
    with running(library, tmp_path) as runner:
        points = runner.ask(Job("normalise", COUNT, 0))["points"]
        answers = (runner.ask(Job("normalise", KILL_BEFORE, nth)) for nth in range(1, points + 1))
        assert any("damaged" in answer["wrong"] for answer in answers)


def test_jobs_are_drawn_alike_and_again_where_there_are_few() -> None:
    jobs = [Job("remove", FAIL_ONE, nth, 28) for nth in range(10)]
    assert sorted(job.nth for job in sample(jobs, 10, 0)) == list(range(10))
    assert len(sample(jobs, 25, 0)) == 25
    assert sample(jobs, 4, 1) == sample(jobs, 4, 1) != sample(jobs, 4, 2)
    assert str(jobs[3]) == "remove: call 3 fails once with No space left on device"
