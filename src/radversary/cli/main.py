"""The command line's front door: verbs, help, and errors in one sentence."""

from __future__ import annotations

import os
import sys

import typer
from rich.markup import escape

from radversary import __version__
from radversary.cli import data, detector, train
from radversary.cli.attack import attack
from radversary.cli.audit import audit
from radversary.cli.compare import compare
from radversary.cli.console import NOTES, tell_result
from radversary.cli.detect import detect
from radversary.cli.figures import figures
from radversary.cli.listing import list_parts
from radversary.cli.report import report
from radversary.cli.run import demo, run_plan
from radversary.cli.screen import screen
from radversary.core.errors import RadversaryError

STOPPED, INTERNAL = 130, 70

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", add_completion=False, pretty_exceptions_enable=False,
    help="Adversarial validation for medical-imaging AI: how does an attack break a classifier of radiographs, is it "
         "noticed, and what restores it?\n\nStart with `radversary demo`. Not a medical device.")
app.command("demo")(demo)
app.command("run")(run_plan)
app.command("audit")(audit)
app.command("attack")(attack)
app.command("detect")(detect)
app.command("screen")(screen)
app.command("report")(report)
app.command("compare")(compare)
app.command("figures")(figures)
app.command("list")(list_parts)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.add_typer(detector.app, name="detector")


@app.callback(invoke_without_command=True)
def front(version: bool = typer.Option(default=False, help="Print the version and leave.")) -> None:  # noqa: FBT001
    """Handle options that stand before any verb."""
    if version:
        tell_result(f"radversary {__version__}")
        raise typer.Exit


def run() -> None:
    """Run the command line; a known error becomes one sentence and exit code 2."""
    try:
        app()
    except RadversaryError as error:
        NOTES.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except Exception as error:  # the last resort: exit code 1 would read as an alarm of `detect`
        if os.environ.get("RADVERSARY_DEBUG"):
            raise
        NOTES.print(f"[bold red]internal error:[/] {escape(f'{type(error).__name__}: {error}')}; this is a mistake in "
                    "radversary: set RADVERSARY_DEBUG=1 to see where", soft_wrap=True)
        sys.exit(INTERNAL)
    except (KeyboardInterrupt, SystemExit) as left:
        # Typer turns Ctrl-C inside a verb into this exit code, without a word.
        if isinstance(left, SystemExit) and left.code != STOPPED:
            raise
        NOTES.print("stopped; the same command goes on where this one was")
        sys.exit(STOPPED)


if __name__ == "__main__":
    run()
