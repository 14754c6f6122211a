"""Options of a command as the attributes of a frozen dataclass, in one place and in their order."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

Command = Callable[..., None]


def with_options(group: type) -> Callable[[Command], Command]:
    """What makes a command with a parameter `asked`, a `group`, one with an option for each of the
    group's attributes in its place.

    group: a dataclass whose attributes are `Annotated` with `typer.Option`; an attribute without a
    default is an option that must be given.
    """
    kinds = get_type_hints(group, include_extras=True)
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=kinds[field.name],
        )
        for field in fields(group)
    ]
    names = [option.name for option in options]

    def with_them(command: Command) -> Command:
        @functools.wraps(command)
        def taken(**given: Any) -> None:
            asked = group(**{name: given.pop(name) for name in names})
            command(asked=asked, **given)

        signature = inspect.signature(command)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += options if parameter.name == "asked" else [own]
        taken.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        hints = get_type_hints(command, include_extras=True)
        taken.__annotations__ = {
            parameter.name: kinds.get(parameter.name, hints.get(parameter.name))
            for parameter in parameters
        }
        return taken

    return with_them
