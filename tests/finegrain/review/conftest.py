"""Negatives for reviews: a plain one at will, and texts that break pages."""

from collections.abc import Callable

import pytest

from finereel.finegrain.types import Change, Negative

HOSTILE = (
    '<img src=x onerror="alert(1)"> & </script><script>alert(2)</script> <!-- ',
    "=SUM(A1:A9) +1 -1 @cmd",
    "bell \a escape \x1b[31m nul \x00 tab \t",
    "\u202eright to left override\u202c \u2028 \u2029",
    "\u0643\u0644\u0628 \u064a\u062c\u0631\u064a",
    "\u72d7\u5728\u8dd1 \u0915\u0941\u0924\u094d\u0924\u093e \U0001f415",
    "@@DATA@@ {{ }} ${x} `",
    "a long one " * 3000,
)


@pytest.fixture
def negative() -> Callable[..., Negative]:
    """Make a row: `negative("a dog runs", "dog", "cat")`."""

    def made(
        caption: str,
        source: str,
        replacement: str,
        pos: Change = "noun",
        name: str = "n",
        video: str = "v",
    ) -> Negative:
        start = caption.index(source)
        end = start + len(source)
        changed = caption[:start] + replacement + caption[end:]
        return Negative(
            name,
            video,
            f"{video}#0",
            caption,
            changed,
            pos,
            start,
            end,
            source,
            replacement,
            "test",
        )

    return made


@pytest.fixture
def hostile(negative: Callable[..., Negative]) -> list[Negative]:
    """Rows whose captions hold what breaks pages, files and screens; all with the same id."""
    marked = negative("a <b>dog</b> end", "<b>dog</b>", "<img src=x onerror=alert(3)>")
    return [marked, *(negative(f"{text} dog end", "dog", "cat") for text in HOSTILE)]
