"""A server is ready before it has imported what only screening and figures need."""

from __future__ import annotations

import subprocess
import sys

import pytest

READY = """
import sys
from pathlib import Path
import radversary.service.serving
from fastapi.testclient import TestClient
from radversary.service.app import make_app
from radversary.service.platform import Platform
from radversary.service.settings import Settings
platform = Platform.open(Settings(home=Path(sys.argv[1]), reserve=1))
_ = platform.engine
with TestClient(make_app(platform)) as client:
    print(client.get("/readyz").json()["status"])
    print(client.get("/v1/models").status_code, client.get("/sign-in").status_code)
print(*sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""
HEAVY = ("torch", "pandas", "scipy", "numpy", "sklearn", "matplotlib", "PIL")


@pytest.mark.slow
def test_a_server_is_ready_without_the_libraries_of_models_and_figures(tmp_path):
    done = subprocess.run([sys.executable, "-c", READY, str(tmp_path), *HEAVY], capture_output=True, text=True,
                          check=True)
    assert done.stdout.splitlines() == ["ready", "401 200", ""]
