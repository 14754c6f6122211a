"""The lease: one holder, who may die, and who learns that it was passed over."""

import threading
from collections.abc import Callable

import pytest

from finereel.errors import LibraryBusyError
from finereel.io.storage import lease
from finereel.io.storage.lease import leased
from finereel.io.storage.places import StorePath


def elsewhere(act: Callable[[], None]) -> BaseException | None:
    """What `act` raises in another thread."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except FinereelErrors as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


FinereelErrors = (LibraryBusyError,)


def take(place: StorePath) -> None:
    with leased(place, patience=0.0):
        return


def test_one_holder_at_a_time() -> None:
    place = StorePath("memory://leases/one")
    with leased(place):
        take(place)  # the same thread goes on
        error = elsewhere(lambda: take(place))
        assert error is not None
        assert "is being changed by process" in str(error)
    assert elsewhere(lambda: take(place)) is None


def test_a_dead_holder_is_passed_over_and_learns_it(monkeypatch: pytest.MonkeyPatch) -> None:
    place = StorePath("memory://leases/dead")
    with leased(place) as hold:
        monkeypatch.setattr(lease, "LEASE_SECONDS", -1.0)
        assert elsewhere(lambda: take(place)) is None
        with pytest.raises(LibraryBusyError, match="another one took over"):
            hold.require()
    take(place)


def test_a_lease_that_is_renewed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    place = StorePath("memory://leases/renewed")
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.6)
    with leased(place) as hold:
        waited = threading.Event()
        waited.wait(1.0)
        assert elsewhere(lambda: take(place)) is not None
        hold.require()
