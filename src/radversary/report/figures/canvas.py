"""The style of all figures: palette, fonts, and SVG for embedding in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, RULE = "#16242d", "#5a6a74", "#d7dee2"
BEFORE, AFTER, DEFENDED = "#0072b2", "#d55e00", "#009e73"
SERIES = (DEFENDED, "#cc79a7", "#56b4e9", "#e69f00", BEFORE, "#7d6b9e")
"""Okabe and Ito (2008), told apart by readers of every colour vision; markers and dashes differ as well."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ((0, ()), (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.5, 1.5)))
WIDTH = 4.5
FONT = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif"

DARK = ("#e6ecef", "#9fb0ba", "#2d3b44")
"""Ink, muted and rule where the page is dark."""
SCHEMES = (f":root{{color-scheme:light dark;--ink:{INK};--muted:{MUTED};--rule:{RULE}}}"
           f"@media(prefers-color-scheme:dark){{:root{{--ink:{DARK[0]};--muted:{DARK[1]};--rule:{DARK[2]}}}}}")
"""Colours of a figure that is a document of its own."""

LOOK: dict[str, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": 10.5, "axes.labelsize": 10.5, "xtick.labelsize": 10,
    "ytick.labelsize": 10, "legend.fontsize": 10, "svg.fonttype": "none", "text.parse_math": False,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": RULE, "xtick.color": RULE, "ytick.color": RULE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": RULE, "grid.linewidth": 0.6, "axes.axisbelow": True, "lines.linewidth": 1.7,
    "lines.markersize": 5, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "hatch.linewidth": 0.6, "axes.unicode_minus": True, "path.simplify": True,
}


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: File name without its suffix; unique in a report.
        title: One line above it.
        svg: The figure as an SVG document.
        text: What it shows, for readers who cannot see it.
    """

    name: str
    title: str
    svg: str
    text: str

    @property
    def inline(self) -> Markup:
        """The figure as an element of a page: own ids, colours of the page's light or dark scheme."""
        body = self.svg[self.svg.index("<svg"):]
        body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        for colour, variable in ((INK, "--ink"), (MUTED, "--muted"), (RULE, "--rule")):
            body = body.replace(colour, f"var({variable})")
        head = f'<svg role="img" aria-label="{escape(self.text)}" '
        body = re.sub(r'\s(width|height)="[\d.]+pt"', "", body.replace("<svg ", head, 1), count=2)
        return Markup(body)  # noqa: S704 - matplotlib escapes the texts it writes

    @property
    def standalone(self) -> str:
        """The figure as a document of its own, in the light or dark scheme of the page that shows it."""
        body = self.svg
        for colour, name in ((INK, "ink"), (MUTED, "muted"), (RULE, "rule")):
            body = body.replace(colour, f"var(--{name})")
        body = re.sub(r'(<svg [^>]*?)width="[\d.]+pt" height="[\d.]+pt"', r"\1", body, count=1)
        return re.sub(r"(<svg [^>]*>)", rf"\1<style>{SCHEMES}</style>", body, count=1)


def draw(name: str, title: str, text: str, paint: Callable[[Any], None], *, height: float = 3.0) -> Drawing:
    """Draw one pair of axes as SVG, the same bytes for the same figures.

    Args:
        name: File name without its suffix.
        title: One line above the figure.
        text: What it shows, in a sentence.
        paint: Draws on the axes it is given.
        height: Inches; the width is the same for all figures.

    Returns:
        The drawing.
    """
    return draw_figure(name, title, text, lambda figure: paint(figure.add_subplot()), height=height)


def draw_figure(name: str, title: str, text: str, paint: Callable[[Figure], None], *, height: float = 3.0,
                width: float = WIDTH) -> Drawing:
    """Draw a figure of several axes, or of none, as :func:`draw` draws one.

    Args:
        name: File name without its suffix.
        title: One line above the figure.
        text: What it shows, in a sentence.
        paint: Draws on the figure it is given.
        height: Inches.
        width: Inches.

    Returns:
        The drawing.
    """
    from matplotlib import rc_context  # imported where it is used: half a second, which an audit's workers spare
    from matplotlib.figure import Figure

    with rc_context({**LOOK, "svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return Drawing(name, title, _tidy(buffer.getvalue()), text)


def legend_below(axes: Any, handles: Iterable[Any], labels: Iterable[str], *, columns: int = 2) -> None:  # noqa: ANN401
    """Put a legend under the axes; a label's leading underscore, which matplotlib hides, is shown."""
    shown = ["\N{ZERO WIDTH SPACE}" + label if label.startswith("_") else label for label in labels]
    axes.figure.legend(list(handles), shown, loc="outside lower center", ncols=columns, handlelength=2.4,
                       columnspacing=1.4)


def percent_axis(axis: Any) -> None:  # noqa: ANN401
    """Label an axis of shares in per cent, from 0 to 100."""
    from matplotlib.ticker import MultipleLocator, PercentFormatter

    axis.set_major_locator(MultipleLocator(0.2))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _tidy(svg: str) -> str:
    """Remove metadata and path comments, and set the page's fonts."""
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("'DejaVu Sans'", FONT)
