"""What the scripts that carry out experiments share: the command on the page is the one that was
typed; clean ends.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from research.options import OnDone, benchmark_options, benchmark_parser, carry_out, typed_command

from finereel.errors import ConfigError
from finereel.io.signals import Stopped

TYPED = [
    "peers",
    "--benchmark",
    "msrvtt-features",
    "--features",
    "FEATURES",
    "--seeds",
    "4",
    "5",
    "--out",
    "docs/results",
]


@pytest.fixture(autouse=True)
def default_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_command_on_the_page_says_what_was_typed() -> None:
    given = benchmark_parser("", "experiment", ("peers",)).parse_args(TYPED)
    assert typed_command("research.scripts.x", "peers", given) == " ".join(
        ["python", "-m", "research.scripts.x", *TYPED]
    )
    own = typed_command("research.scripts.x", "peers", given, ('--rows "+ word"',))
    assert own == " ".join(
        ["python", "-m", "research.scripts.x", *TYPED[:5], '--rows "+ word"', *TYPED[5:]]
    )


def test_the_bed_gets_its_options() -> None:
    given = benchmark_parser("", "experiment", ("peers",)).parse_args(
        ["peers", "--debug", "--annotations", "a"]
    )
    options = benchmark_options(given, (("x", Path("x.jsonl")),))
    assert (options.work, options.features, options.annotations) == (
        Path("runs/out/experiments"),
        None,
        Path("a"),
    )
    assert (options.debug, options.negatives) == (True, (("x", Path("x.jsonl")),))


def done(on_done: OnDone) -> str:
    on_done(1, 1)
    return "# Page\n"


def test_a_page_is_written_or_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out("peers", tmp_path / "new", "peers-benchmark", done)
    assert (tmp_path / "new" / "peers-benchmark.md").read_text() == "# Page\n"
    assert capsys.readouterr().out == f"{tmp_path / 'new' / 'peers-benchmark.md'}\n"
    carry_out("peers", None, "peers-benchmark", done)
    assert capsys.readouterr().out == "# Page\n\n"


def raising(error: BaseException) -> Callable[[OnDone], str]:
    def work(on_done: OnDone) -> str:
        raise error

    return work


def terminated(on_done: OnDone) -> str:
    signal.raise_signal(signal.SIGTERM)
    return "not stopped"


@pytest.mark.parametrize(
    ("work", "status", "says"),
    [
        (raising(Stopped(7, signal.SIGTERM)), 143, "after step 7; the same command goes on"),
        (raising(Stopped(7, signal.SIGINT)), 130, "after step 7; the same command goes on"),
        (raising(KeyboardInterrupt()), 130, "stopped"),
        (raising(ConfigError("no such benchmark")), 1, "error: no such benchmark"),
        (terminated, 143, "stopped by SIGTERM; the same command goes on"),
    ],
)
def test_an_end_is_one_message(
    capsys: pytest.CaptureFixture[str], work: Callable[[OnDone], str], status: int, says: str
) -> None:
    with pytest.raises(SystemExit) as end:
        carry_out("peers", None, "peers-benchmark", work)
    assert end.value.code == status
    told = capsys.readouterr()
    assert says in told.err
    assert not told.out
