"""Logs of other programs: what is read, what is refused in a sentence."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from radversary.core.errors import InputError
from radversary.service.monitoring.overview import overview_of_log
from radversary.service.monitoring.own_logs import read_log


def log(count=600, *, late=0.0, seed=0):
    rng = np.random.default_rng(seed)
    p_values = rng.random(count)
    p_values[count // 2:] *= 1 - late
    return pd.DataFrame({"time": pd.date_range("2026-01-01", periods=count, freq="h", tz="UTC"), "p_value": p_values,
                         "prediction": rng.choice(["Normal", "Mass"], count), "confidence": rng.random(count),
                         "group": rng.choice(["PA", "AP"], count)})


def as_csv(frame):
    return frame.to_csv(index=False).encode()


def as_parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def test_a_log_reads_the_same_as_csv_and_parquet():
    pd.testing.assert_frame_equal(read_log(as_csv(log())), read_log(as_parquet(log())), check_dtype=False)


def test_seconds_are_times_and_rows_are_put_in_order():
    found = read_log(b"time,p_value\n20,0.2\n10.5,0.1\n15,\n")
    assert found["time"].tolist() == [10.5, 15.0, 20.0]
    assert found["number"].tolist() == [1, 2, 3]
    assert np.isnan(found["p_value"][1])


@pytest.mark.parametrize(("content", "said"), [
    (b"time,p_valu\n1,0.5\n", "no column 'p_value'; did you mean 'p_valu'"),
    (b"time,p_value,confidnce\n1,0.5,0.1\n", "unknown column of a log 'confidnce'; did you mean 'confidence'"),
    (b"time,p_value\n1,1.5\n", "row 1 has a p_value outside 0 to 1"),
    (b"time,p_value\n1,0.5\n2,high\n", "row 2 has no number in its column 'p_value'"),
    (b"time,p_value\nyesterday,0.5\n", "row 1 has no time that can be read"),
    (b"time,p_value\n", "1 to 200000 rows, this one 0"), (b"PAR1 and nothing else", "neither a CSV table"),
    (b"\xff\xfe\x00", "neither a CSV table"), (b"time,p_value\n1,0.5,7,8\n2,3\n", "log")])
def test_what_is_no_log_is_refused_in_a_sentence(content, said):
    with pytest.raises(InputError, match=said):
        read_log(content)


@pytest.mark.slow
def test_a_steady_log_raises_nothing_and_one_that_changes_does():
    steady, changed = (overview_of_log(read_log(as_csv(log(late=late))), guard="", alpha=0.05, bound=0.07)
                       for late in (0.0, 0.8))
    assert (steady.drift.drifted_at, steady.drift.exceeded_at) == (0, 0)
    assert 100 < changed.drift.drifted_at < 250
    assert changed.drift.exceeded_at
    assert (steady.films, steady.drift.counted) == (600, 400)
    assert steady.drift.reference == "the first films of the log (n=200)"
    assert [item.group for item in steady.groups] == ["AP", "PA"]
    assert steady.latency.p50.value is None


@pytest.mark.slow
def test_a_log_is_shown_by_the_api(client, guard):
    shown = client.post(f"/v1/guards/{guard}/streams", content=as_csv(log()))
    assert shown.status_code == 200, shown.text
    assert shown.json()["promised"] == 0.1
    refused = client.post(f"/v1/guards/{guard}/streams", content=b"time,p_valu\n1,0.5\n")
    assert (refused.status_code, "did you mean" in refused.json()["detail"]) == (422, True)
    assert client.post(f"/v1/guards/{'0' * 24}/streams", content=as_csv(log())).status_code == 404
