"""Models that a person's own Python code makes, named as ``my_model.py:victim`` or ``package.module:attribute``.

Importing code runs it. That is the purpose here, and why only a person who names the code, on a command line or in a
call, gets it imported: what plans, bundles and model folders name is refused where it is such a reference
(:func:`names_code`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from torch import nn

from radversary.classifiers.base import Classifier
from radversary.classifiers.places import REFERENCE
from radversary.classifiers.places import names_code as names_code
from radversary.core.errors import ModelError, RadversaryError, UnknownNameError
from radversary.core.text import FAULT, sentence

WRAPPED: Final = ("wrap(network, classes=[\"Normal\", \"Pneumonia\"], size=224, channels=1), with wrap from "
                  "radversary.classifiers")
"""How a network gets its card."""


class ImportedModels:
    """A model that one's own Python code makes: ``my_model.py:build`` or ``package.module:build``."""

    def recognises(self, reference: str) -> bool:
        """Return whether the reference names Python code."""
        return names_code(reference)

    def load(self, reference: str) -> Classifier:
        """Import the code and return its classifier; a function or class is called without arguments.

        The file's folder and the working folder are appended to ``sys.path`` and stay there, so that the code can
        import what lies beside it, also later.

        Raises:
            ModelError: The code is not there, ends with an error, or gives no classifier.
            UnknownNameError: The module has no such attribute.
        """
        found = REFERENCE.fullmatch(reference)
        if found is None:
            raise ModelError(f"{reference} names no model in that file; add the name of a classifier, or of a function "
                             f"that returns one, such as {reference}:build")
        _append(Path(found["code"]).resolve().parent, Path.cwd())
        module = _file(Path(found["code"])) if found["code"].endswith(".py") else _module(found["code"])
        return _classifier(_attribute(module, found["attribute"], found["code"]), reference)


def _file(path: Path) -> ModuleType:
    """Import a file under a name of its own, so that it replaces no module of the same name."""
    if not path.is_file():
        raise ModelError(f"there is no file {path} to import a model from")
    name = f"{path.stem}_{sha256(str(path.resolve()).encode(errors='replace')).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    with _errors_of(f"importing {path}"):
        spec.loader.exec_module(module)
    return module


def _module(name: str) -> ModuleType:
    importlib.invalidate_caches()
    with _errors_of(f"importing {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and f"{name}.".startswith(f"{error.name}."):
                raise ModelError(f"there is no model at {name}, and no module {error.name!r} to import one from, in "
                                 "the working folder or installed") from error
            raise


def _append(*folders: Path) -> None:
    # At the end, so that a file there which bears the name of a library does not replace it for everybody else.
    sys.path.extend(str(folder) for folder in dict.fromkeys(folders) if str(folder) not in sys.path)


def _attribute(module: ModuleType, name: str, code: str) -> Any:  # noqa: ANN401
    if not hasattr(module, name):
        raise UnknownNameError(f"attribute of {code}", name, (known for known in vars(module) if known[0] != "_"))
    return getattr(module, name)


def _classifier(made: Any, reference: str) -> Classifier:  # noqa: ANN401
    if callable(made) and not isinstance(made, nn.Module):
        with _errors_of(f"calling {reference} without arguments"):
            made = made()
    if isinstance(made, Classifier):
        return made
    kind = type(made).__name__
    if isinstance(made, nn.Module):
        raise ModelError(f"{reference} gives a {kind} without a card, so its classes, size and channels are unknown; "
                         f"give {WRAPPED}")
    raise ModelError(f"{reference} gives a {kind}, expected a classifier: a torch.nn.Module as {WRAPPED}")


@contextmanager
def _errors_of(doing: str) -> Iterator[None]:
    """Turn whatever a person's code raises into one sentence with its line."""
    try:
        yield
    except RadversaryError:
        raise
    except (Exception, SystemExit) as error:
        reason = sentence(str(error), FAULT)
        raise ModelError(f"{doing} ended with {type(error).__name__}: {reason}{_line(error)}") from error


def _line(error: BaseException) -> str:
    """Say in which line of the person's own code an error arose; nothing where it is none of theirs."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename != __file__ and frame.filename[0] != "<" and "site-packages" not in frame.filename]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
