"""Under test the package checks its types everywhere, and its shapes where a signature has some."""

from dataclasses import dataclass

import numpy as np
import pytest
from beartype import beartype
from jaxtyping import Float, TypeCheckError, jaxtyped

from finereel.cli.output import clock


@dataclass(frozen=True)
class Named:
    """A data type without shapes."""

    name: str


@dataclass(frozen=True)
class Pair:
    """A data type with shapes that must agree."""

    left: Float[np.ndarray, " T"]
    right: Float[np.ndarray, " T"]


def checked(given):  # type: ignore[no-untyped-def]
    """What the import hook does to a class or a function of the package."""
    return jaxtyped(typechecker=beartype)(given)


def first(left: Float[np.ndarray, " T"], right: Float[np.ndarray, " T"]) -> float:
    return float(left[0] + right[0])


def text_of(number: int) -> str:
    return number  # type: ignore[return-value]


def unknown(value: "Missing") -> int:  # type: ignore[name-defined]  # noqa: F821
    return 1


def test_a_function_of_the_package_refuses_another_type() -> None:
    with pytest.raises(TypeCheckError):
        clock("seven")  # type: ignore[arg-type]


def test_arguments_results_and_fields_are_checked_without_shapes() -> None:
    for call in (
        lambda: checked(text_of)("7"),
        lambda: checked(text_of)(7),
        lambda: checked(Named)(7),
    ):
        with pytest.raises(TypeCheckError):
            call()


def test_shapes_that_disagree_are_refused() -> None:
    three, four = np.zeros(3), np.zeros(4)
    assert checked(first)(three, three) == 0.0
    for call in (lambda: checked(first)(three, four), lambda: checked(Pair)(three, four)):
        with pytest.raises(TypeCheckError):
            call()


def test_an_annotation_that_cannot_be_resolved_is_no_error() -> None:
    assert checked(unknown)("anything") == 1
