"""The repository stays small: what is large is made by a command or lies elsewhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 300_000
"""Bytes of any file but those that the package ships."""

SHIPPED = ("src/radversary/stylization/weights/",)
EXAMPLE = ("docs/report-example/",)
"""A report as it is written, which people are to see before they install anything; replaced, never added to."""

ALL = 14_000_000
RESULTS = 1_500_000


@pytest.fixture(scope="module")
def sizes() -> dict[str, int]:
    """Bytes of each file that git tracks."""
    if not (ROOT / ".git").exists():
        pytest.skip("no repository: this is an installed copy")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return {name: (ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_no_file_is_large(sizes):
    assert not {name: size for name, size in sizes.items() if size > LARGEST and not name.startswith(SHIPPED + EXAMPLE)}


def test_the_whole_and_the_results_keep_within_their_budgets(sizes):
    assert sum(sizes.values()) < ALL
    assert sum(size for name, size in sizes.items() if name.startswith("docs/results/")) < RESULTS
