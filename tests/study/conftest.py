from __future__ import annotations

import pytest

from radversary.classifiers.networks import NETWORKS


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._own, "tiny", "random_parts:TinyNetwork")
