"""The attacks on the server: that they find nothing, and that they would."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from research.attacks import serving, serving_load
from research.attacks.serving import CANARY, Site, open_site
from research.serving import latency


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("attacked") / "site") as opened:
        yield opened


@pytest.mark.parametrize("name", list(serving.ATTACKS))
def test_the_server_withstands(site: Site, name: str) -> None:
    attack, _, few = serving.ATTACKS[name]
    for result in attack(site, min(few, 60), 1):
        assert (result.failed, result.failures) == (0, ())
        assert result.tried >= 1


@dataclass(frozen=True)
class Leaking(Site):
    """A server that gives everything to everybody, as a page."""

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-type": "text/html"}, CANARY.encode()


@pytest.mark.parametrize("name", ["traversal", "swaps", "origins", "markup"])
def test_a_server_that_does_not_is_found_out(site: Site, name: str) -> None:
    leaking = Leaking(site.server, site.folder, site.files)
    assert all(result.failed for result in serving.ATTACKS[name][0](leaking, 20, 1))


@pytest.mark.slow
def test_every_answer_is_that_of_one_commit(tmp_path: Path) -> None:
    report = serving_load.serving_load(tmp_path, 500, 10, 0.5, 0.3)
    assert (report.results[0].failed, report.results[0].failures) == (0, ())
    assert report.results[0].tried > 20
    assert "10 commits" in latency(report)
