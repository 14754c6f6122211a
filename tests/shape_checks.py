"""Check types and shapes of the package under test, and the shapes only where a signature has some.

The import hook of jaxtyping wraps every function in a shape scope, which costs ten times the check
of the types. A function whose annotations have no shapes needs no scope: beartype alone makes the
same check of its arguments and its result.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

_with_scope = jaxtyping.jaxtyped
_by_beartype = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def install() -> None:
    """Replace jaxtyping's decorator for every module that is imported from now on."""
    jaxtyping.jaxtyped = _checked  # type: ignore[assignment]


def _checked(fn: Any = None, *, typechecker: Any = None) -> Any:
    if fn is None:
        return lambda given: _checked(given, typechecker=typechecker)
    scoped = _with_scope(typechecker=typechecker)
    if inspect.isclass(fn):
        made = vars(fn).get("__init__")
        if not dataclasses.is_dataclass(fn) or not inspect.isfunction(made):
            return scoped(fn)
        fn.__init__ = _from_first_call(made, scoped)
        return fn
    return _from_first_call(fn, scoped) if inspect.isfunction(fn) else scoped(fn)


def _from_first_call(fn: Callable[..., Any], scoped: Callable[..., Any]) -> Any:
    """`fn` with its checks, which are made when it is first called: a test calls few of the
    functions that it imports.
    """
    checks: Callable[..., Any] | None = None

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal checks
        if checks is None:
            checks = scoped(fn) if _has_shapes(fn) else _by_type(fn, scoped)
        return checks(*args, **kwargs)

    return call


def _by_type(fn: Callable[..., Any], scoped: Callable[..., Any]) -> Any:
    try:
        return _by_beartype(fn)
    except Exception:  # beartype refuses the signature as it stands; jaxtyping mends some of these
        return scoped(fn)


def _has_shapes(fn: Callable[..., Any]) -> bool:
    """Whether an annotation has a shape, or cannot be resolved and may have one."""
    try:
        hints = typing.get_type_hints(fn, include_extras=True)
    except Exception:
        return True
    return any(_is_shape(hint) for hint in hints.values())


def _is_shape(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(_is_shape(part) for part in typing.get_args(hint))
