"""Places in object stores: names, objects, conditions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.io.storage.places import StorePath, place_of

NAMES = st.text("abc-_0", min_size=1, max_size=5)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_a_name_within_a_place_has_it_as_parent(parts: list[str], name: str) -> None:
    place = StorePath("s3://" + "/".join(parts))
    assert (place / name).parent == place
    assert (place / name).name == name
    assert place_of(Path(str(place))) == place_of(str(place)) == place


@pytest.mark.parametrize("address", ["s3://", "s3:///", "ftp://a/b", "s3://a/../b", "bucket/a"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected an address such as s3://"):
        StorePath(address)


def test_paths_stay_paths() -> None:
    assert place_of("/videos/s3:/a") == Path("/videos/s3:/a")


def test_only_one_creates_and_only_the_last_reader_replaces() -> None:
    place = StorePath("memory://conditions/one.json")
    first = place.create(b"1")
    assert first is not None
    assert place.create(b"2") is None
    second = place.replace(b"3", first)
    assert second is not None
    assert place.replace(b"4", first) is None
    assert place.read() == (b"3", second)


def test_entries_are_those_below_a_place() -> None:
    place = StorePath("memory://entries/a")
    (place / "b/c").write_bytes(b"12")
    (place / "d").write_bytes(b"1")
    (place.parent / "ab").write_bytes(b"1")
    assert place.entries() == {"b/c": 2, "d": 1}
    assert place.read_all() == [b"12", b"1"]
    place.remove_all()
    assert place.entries() == {}
    assert (place.parent / "ab").exists()


def test_a_stamp_changes_with_the_object() -> None:
    place = StorePath("memory://stamps/a")
    assert place.stamp() == 0
    place.write_bytes(b"1")
    before = place.stamp()
    place.write_bytes(b"2")
    assert 0 != before != place.stamp()
    place.unlink()
    assert place.stamp() == 0
    with pytest.raises(FileNotFoundError):
        place.read_bytes()
