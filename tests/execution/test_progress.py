from __future__ import annotations

import pytest

from radversary.execution.progress import track


def test_yields_all_and_writes_nothing_to_a_pipe(capfd):
    assert list(track(iter(range(3)), "working", total=3)) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")


def test_items_are_drawn_one_at_a_time():
    drawn = []
    bar = track((drawn.append(item) or item for item in range(3)), "working")
    next(bar)
    assert drawn == [0]
    bar.close()


def test_errors_inside_the_loop_pass():
    def work() -> None:
        for _ in track([1], "working"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
