"""The page of the API is executed as it stands: curl and Python, against a server with a worker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "platform-api.md").read_text(encoding="utf-8")


def block(language, holds):
    """The block of the page in a language that holds a word."""
    (found,) = [code for code in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
                if holds in code]
    return found


@pytest.fixture
def place(live, worker, key, shelf, tmp_path):
    """A folder with the model, and an environment with address and key."""
    folder = tmp_path / "place"
    shutil.copytree(shelf / "model", folder / "model")
    shutil.make_archive(str(folder / "model"), "zip", shelf, "model")
    return folder, {**os.environ, "RADVERSARY_URL": live, "RADVERSARY_KEY": key()}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_walk_with_curl(place):
    folder, environment = place
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block("bash", "uploads/model.zip")], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "event: job" in done.stdout
    assert '"system":"none"' in done.stdout
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.slow
def test_the_walk_in_python(place):
    folder, environment = place
    done = subprocess.run([sys.executable, "-c", block("python", "Client(")], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "job done" in done.stdout
    assert (folder / "report.html").is_file()
