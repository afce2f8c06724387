"""The terminal's tables say what each figure rests on."""

from __future__ import annotations

import io

from audit_factory import changed
from rich.console import Console
from test_headline_choice import HALF, WHOLE, audit

from radversary.cli.tables import accuracy_table


def printed(result):
    console = Console(file=io.StringIO(), width=200)
    console.print(accuracy_table(result))
    return console.file.getvalue()


def test_a_figure_of_fewer_images_says_its_own_n():
    row = next(line for line in printed(audit(HALF)).splitlines() if "half" in line)
    assert row.count("(n=500)") == 2
    assert "(n=" not in printed(audit(WHOLE))


def test_an_oracle_is_marked_as_one():
    assert "jpeg (oracle)" in printed(changed(audit(WHOLE), oracles=("jpeg",)))
    assert "(oracle)" not in printed(audit(WHOLE))
