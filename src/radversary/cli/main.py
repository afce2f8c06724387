"""Entry point of the command line: verbs, help, and errors in one sentence."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, cast

import typer

from radversary import __version__
from radversary.cli import admin, data, detector, model, train
from radversary.cli.attack import attack
from radversary.cli.audit import audit
from radversary.cli.compare import compare
from radversary.cli.console import complain, say, tell_result
from radversary.cli.detect import detect
from radversary.cli.export import export
from radversary.cli.figures import figures
from radversary.cli.gate import gate
from radversary.cli.listing import list_parts
from radversary.cli.report import report
from radversary.cli.run import demo, run_plan
from radversary.cli.score import score
from radversary.cli.screen import screen
from radversary.cli.seal import seal
from radversary.cli.serve import serve, worker
from radversary.cli.verify import verify
from radversary.core.errors import RadversaryError, lacks_memory
from radversary.core.text import FAULT, shortened

REFUSED, NO_MEMORY, INTERNAL, STOPPED = 2, 3, 70, 130

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", add_completion=False, pretty_exceptions_enable=False,
    help="Adversarial validation for medical-imaging AI: how does an attack break a classifier of radiographs, is it "
             "detected, and what restores it?\n\nStart with `radversary demo`. Not a medical device.")
app.command("demo")(demo)
app.command("run")(run_plan)
app.command("audit")(audit)
app.command("attack")(attack)
app.command("detect")(detect)
app.command("screen")(screen)
app.command("report")(report)
app.command("compare")(compare)
app.command("score")(score)
app.command("gate")(gate)
app.command("seal")(seal)
app.command("verify")(verify)
app.command("export")(export)
app.command("figures")(figures)
app.command("serve")(serve)
app.command("worker")(worker)
app.command("list")(list_parts)
app.add_typer(data.app, name="data")
app.add_typer(model.app, name="model")
app.add_typer(train.app, name="train")
app.add_typer(detector.app, name="detector")
app.add_typer(admin.app, name="admin")


@app.callback(invoke_without_command=True)
def front(version: bool = typer.Option(default=False, help="Print the version and leave.")) -> None:  # noqa: FBT001
    """Handle options that stand before any verb."""
    if version:
        tell_result(f"radversary {__version__}")
        raise typer.Exit


def run() -> None:
    """Run the command line and exit; errors become one sentence and an exit code (docs/cli.md)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another encoding shows what it lacks as escapes
            stream.reconfigure(errors="backslashreplace")
    left = outcome()
    if left == STOPPED:
        say("stopped; the same command goes on where this one was")
    if left:
        sys.exit(left)


def outcome() -> int | None:
    """Run the verb that the command line names and return the exit code; None for 0.

    Raises:
        SystemExit: The reader of the output has closed it.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = note_warning  # type: ignore[assignment]
            return cast("int | None", app(standalone_mode=False))
    except Exception as error:
        if os.environ.get("RADVERSARY_DEBUG") and not isinstance(error, RadversaryError):
            raise
        return failed(error)
    except KeyboardInterrupt:
        return STOPPED


def failed(error: Exception) -> int:
    """Say in one sentence what went wrong, and return the exit code.

    Args:
        error: What was raised.
    """
    if isinstance(error, RadversaryError):
        complain("error", str(error))
        return REFUSED
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # Typer carries a Click of its own
        return misused(error)
    if lacks_memory(error):
        complain("error", "there is not enough memory for this; give fewer or smaller images, or a smaller batch_size")
        return NO_MEMORY
    if isinstance(error, RecursionError):
        complain("error", "something that was given is nested more deeply than can be followed")
        return REFUSED
    if isinstance(error, OSError) and error.filename is not None:
        complain("error", f"cannot use {shortened(os.fsdecode(error.filename), FAULT)}: {error.strerror}")
        return REFUSED
    complain("internal error", f"{type(error).__name__}: {error}; this is a mistake in radversary: set "
                               "RADVERSARY_DEBUG=1 to see where")
    return INTERNAL


def misused(error: Any) -> int:  # noqa: ANN401
    """Say what is wrong with a command line, and how the command is used."""
    if type(error).__name__ != "NoArgsIsHelpError":  # whose message, the help, was printed
        if error.ctx is not None:
            say(" ".join(error.ctx.get_usage().split()))
        complain("error", error.format_message())
    return int(error.exit_code)


def note_warning(message: Warning | str, *_where: Any) -> None:  # noqa: ANN401
    """Print a warning as a note; where it was raised is of no use to a person."""
    say(f"note: {message}")


if __name__ == "__main__":
    run()
