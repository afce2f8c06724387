"""Tables from a name to a class, which is imported on use.

Names never derive from class names, importing one part does not import all, and third parties join
through entry points of the same group.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from radversary.core.declared import Declared, declared
from radversary.core.errors import MissingPartError, PlanError, UnknownNameError
from radversary.core.text import first_fault, quoted

LARGEST = 1_000_000
"""The largest number among a part's hyper-parameters, seeds apart."""

PLACE: Final = re.compile(r"[\w.]+:\w+")
"""Where a part is defined."""

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """A family of interchangeable parts.

    Args:
        kind: What the parts are, in the singular, for error texts.
        entries: Name to ``"module:attribute"``.
        group: Entry-point group through which other packages add names.
        declared: Name to what a part declares, where its source does not tell it.

    Example:
        >>> shapes = Registry[object]("number", {"fraction": "fractions:Fraction"}, group="example.numbers")
        >>> shapes.create("fraction", numerator=1, denominator=2)
        Fraction(1, 2)
    """

    def __init__(self, kind: str, entries: Mapping[str, str], *, group: str,
                 declared: Mapping[str, Declared] = MappingProxyType({})) -> None:
        self.kind, self.group, self._declared = kind, group, declared
        self._own = dict(entries)

    def table(self) -> dict[str, str]:
        """Return all names with the place where each is defined, those of other packages included."""
        added = {point.name: point.value for point in entry_points(group=self.group)}
        return {**added, **self._own}

    def add(self, name: str, part: type[Part] | str) -> None:
        """Add a name in this process alone, such as in a notebook or a script.

        Worker processes do not know it; what a package names by an entry point they do.

        Args:
            name: The new name.
            part: A class defined at the top level of its module, or ``"module:attribute"``, imported when it is first
                used.

        Raises:
            PlanError: The name is taken by another part, or this is neither a class nor such a text.
        """
        place = part if isinstance(part, str) else f"{part.__module__}:{part.__qualname__}"
        if not PLACE.fullmatch(place):
            raise PlanError(f"{self.kind} {name!r}: expected a class at the head of its module or a text "
                            f"'module:attribute', got {place!r}")
        taken = self.table().get(name, place)
        if taken != place:
            raise PlanError(f"{self.kind} {name!r} is {taken} already; choose another name")
        self._own[name] = place

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self.table())

    def get(self, name: str) -> type[Part]:
        """Import and return the class of ``name``.

        Args:
            name: A registered name.

        Returns:
            The class or factory.

        Raises:
            UnknownNameError: No such name; the text gives the nearest.
            MissingPartError: It cannot be imported; a library that it needs, or the part itself, is not there.
        """
        place = self._place(name)
        module, _, attribute = place.partition(":")
        try:
            return cast("type[Part]", getattr(importlib.import_module(module), attribute))
        except (ImportError, AttributeError) as error:
            raise MissingPartError(f"{self.kind} {name!r} ({place}) cannot be imported: {error}") from error

    def declared(self, name: str) -> Declared:
        """Return what the part called ``name`` says of itself, read from its source where that tells.

        Raises:
            UnknownNameError: No such name.
            MissingPartError: Its source does not tell, and it cannot be imported.
        """
        place = self._place(name)
        if (found := declared(place)) is not None:
            return found
        if name in self._declared:
            return self._declared[name]
        return Declared(summary=(self.get(name).__doc__ or "").strip().partition("\n")[0])

    def check(self, name: str, parameters: Iterable[str] = ()) -> None:
        """Refuse an unknown name or parameter, as :meth:`create` does, without importing the part.

        What its source does not tell is not refused here.

        Args:
            name: A name.
            parameters: Names of hyper-parameters.

        Raises:
            UnknownNameError: No such name, or no such parameter.
        """
        found = declared(self._place(name))
        if found is None or found.parameters is None:
            return
        for parameter in parameters:
            if parameter not in found.parameters:
                raise UnknownNameError(f"parameter of {self.kind} {name!r}", parameter, found.parameters)

    def create(self, name: str, /, **parameters: Any) -> Part:  # noqa: ANN401
        """Build the part called ``name``.

        Args:
            name: A registered name.
            parameters: Its hyper-parameters.

        Returns:
            The part.

        Raises:
            UnknownNameError: No such name, or no such parameter.
            PlanError: A parameter has a value that the part refuses.
        """
        part = self.get(name)
        accepted = inspect.signature(part).parameters
        for parameter in parameters:
            if parameter not in accepted:
                raise UnknownNameError(f"parameter of {self.kind} {name!r}", parameter, accepted)
        for parameter, value in parameters.items():
            if fault := out_of_range(parameter, value):
                raise PlanError(f"{self.kind} {name!r}: {parameter}: {fault} (got {quoted(value)})")
        try:
            return TypeAdapter(part).validate_python(parameters) if is_dataclass(part) else part(**parameters)
        except ValidationError as error:
            raise PlanError(f"{self.kind} {name!r}: {first_fault(error)}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise PlanError(f"{self.kind} {name!r} cannot be built: {error}") from error

    def _place(self, name: str) -> str:
        """Return where the part called ``name`` is defined."""
        table = self._own if name in self._own else self.table()  # entry points are files that take time to read
        if name not in table:
            raise UnknownNameError(self.kind, name, table)
        return table[name]


def out_of_range(name: str, value: object) -> str:
    """Say why a number is none that a part can have; nothing where it can.

    Numbers of steps, images or pixels beyond :data:`LARGEST` are refused, as they only take time and memory.

    Args:
        name: The parameter's name; one that ends with ``seed`` is a seed.
        value: Its value.

    Example:
        >>> out_of_range("steps", 10**12), out_of_range("seed", -1), out_of_range("steps", 100)
        ('at most 1000000', 'a seed is a whole number from 0 to below 2^63', '')
    """
    if name.endswith("seed"):
        fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63)
        return "" if fits else "a seed is a whole number from 0 to below 2^63"
    return f"at most {LARGEST}" if isinstance(value, int | float) and abs(value) > LARGEST else ""
