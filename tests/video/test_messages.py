"""Nothing the child says is believed unchecked."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.video import messages

headers = st.dictionaries(
    st.text(max_size=10), st.none() | st.integers() | st.floats(allow_nan=False) | st.text()
)


@given(headers)
def test_a_header_survives_the_wire(header: messages.Header) -> None:
    assert messages.read(io.BytesIO(messages.encode(header))) == header


def test_names_that_are_not_text_survive() -> None:
    assert messages.read(io.BytesIO(messages.encode({"path": "caf\udce9\n.mp4"}))) == {
        "path": "caf\udce9\n.mp4"
    }


def test_the_end_of_the_stream_is_none() -> None:
    assert messages.read(io.BytesIO(b"")) is None


@pytest.mark.parametrize("raw", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\1\0"])
def test_impossible_lengths_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="a header is 1 to 65536 bytes"):
        messages.decode_length(raw)


@pytest.mark.parametrize("raw", [b"[]", b"1", b"{", b"\xff\xff"])
def test_only_objects_are_headers(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (three libraries' words)
        messages.decode(raw)


def test_an_endless_header_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        messages.encode({"reason": "x" * 2**17})
