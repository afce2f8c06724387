"""The report as a PDF of one file: pages of paper from the same template, with the result attached.

WeasyPrint, the extra ``pdf``, lays the pages out; this is the only file that imports it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup
from PIL import ImageFile

from radversary.core.errors import MissingPartError
from radversary.execution.progress import working
from radversary.report.figures import Drawing, draw_figures
from radversary.report.html import load_result, page_of
from radversary.report.result_view import ResultView
from radversary.storage.files import write_whole

if TYPE_CHECKING:
    from radversary.report.regulatory.mapping import RegulatoryMap
    from radversary.scoring.profile import Profile

VARIANT: Final = "pdf/a-3u"
"""ISO 19005-3, level U: what is seen can be searched, and files of any kind may be attached."""
REMEDY: Final = ("it needs WeasyPrint and the system's Pango: pip install 'radversary[pdf]', and on Debian "
                 "apt-get install libpango-1.0-0 libpangoft2-1.0-0")
STEPS: Final = logging.getLogger("weasyprint.progress")
"""WeasyPrint's logger of its own steps."""
VARIABLE = re.compile(r"var\((--[\w-]+)\)")


def write_pdf(folder: str | Path, profile: Profile | None = None, *,
              regulations: RegulatoryMap | None = None) -> Path:
    """Write ``report.pdf`` of a run folder, whole or not at all.

    Args:
        folder: A run folder with ``result.json``, which is attached to the document.
        profile: What its score is made of; the newest shipped one where None.
        regulations: The regulatory map; None takes the one that is shipped.

    Returns:
        The document's path.

    Raises:
        InputError: The folder has no result, or one that cannot be read.
        MissingPartError: WeasyPrint, or a library of the system that it needs, is missing.
        StorageError: Writing failed.
    """
    folder = Path(folder)
    weasyprint = imported()
    view = ResultView(load_result(folder))
    figures = {name: [printed(drawing) for drawing in group] for name, group in draw_figures(view).items()}
    page = page_of(view, folder, figures, profile, regulations, paged=True)
    result = weasyprint.Attachment(string=(folder / "result.json").read_bytes(), name="result.json",
                                   description="The audit's result", relationship="Source")
    document = weasyprint.HTML(string=page, url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=["data"]))
    with laying_out():
        return write_whole(folder / "report.pdf", lambda part: document.write_pdf(
            part, attachments=[result], pdf_variant=VARIANT, pdf_tags=True))


@contextmanager
def laying_out() -> Iterator[None]:
    """Report the progress of WeasyPrint by the pages that its own logger names; how many there will be is not known."""
    with working("Laying out pages") as advance:
        handler = Pages(advance)
        STEPS.addHandler(handler)
        STEPS.setLevel(logging.INFO)
        try:
            yield
        finally:
            STEPS.removeHandler(handler)


class Pages(logging.Handler):
    """Calls a function for each page that WeasyPrint lays out.

    Args:
        advance: The function.
    """

    def __init__(self, advance: Callable[[], None]) -> None:
        super().__init__()
        self.advance = advance

    def emit(self, record: logging.LogRecord) -> None:
        """Call the function where a record names a page."""
        if "Page" in record.msg:
            self.advance()


def imported() -> Any:  # noqa: ANN401
    """Return WeasyPrint.

    Raises:
        MissingPartError: It, or a library of the system that it needs, is missing.
    """
    truncated = ImageFile.LOAD_TRUNCATED_IMAGES  # WeasyPrint sets it, for the whole process
    try:
        import weasyprint
        import weasyprint.urls
    except ImportError as error:
        raise MissingPartError(f"a PDF was asked for; {REMEDY}") from error
    except OSError as error:  # Pango is loaded when WeasyPrint is imported
        raise MissingPartError(f"WeasyPrint cannot load a library of the system; {REMEDY}") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)  # it warns of CSS that only screens need
    return weasyprint


def printed(drawing: Drawing) -> Drawing:
    """Return a figure for paper: WeasyPrint's figures know no variables of the page, so ink colours stay."""
    return Printed(**vars(drawing))


class Printed(Drawing):
    """A figure whose colours are those of paper."""

    @property
    def inline(self) -> Markup:
        """The figure as an element of a page, its colours written out."""
        colours = paper()
        text = VARIABLE.sub(lambda found: colours.get(found[1], "#000"), str(super().inline))
        return Markup(text)  # noqa: S704 - as it was


@cache
def paper() -> Mapping[str, str]:
    """Return the colours of printed pages by variable, from the stylesheet.

    Example:
        >>> paper()["--paper"]
        '#fff'
    """
    style = files("radversary.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    block = style[style.index("@media print"):]
    root = block[block.index(":root {"):block.index("}")]
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", root))
