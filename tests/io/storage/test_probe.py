"""A store that does not honour conditional writes is refused."""

import pytest

from finereel.errors import ObjectStoreError
from finereel.io.storage.places import StorePath
from finereel.io.storage.probe import require_conditions
from support.object_store import careless, known


def test_a_store_that_ignores_conditions_is_refused() -> None:
    place = StorePath("s3://careless/library")
    with careless() as url, known(url):
        for _ in range(2):  # it is not remembered as sound
            with pytest.raises(ObjectStoreError, match="If-None-Match") as caught:
                require_conditions(place)
    assert "expected a store that honours conditional writes" in str(caught.value)


def test_a_sound_store_keeps_nothing_of_the_probe() -> None:
    place = StorePath("memory://sound/library")
    require_conditions(place)
    assert place.entries() == {}
