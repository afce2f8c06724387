"""A program that told Pillow to be lenient does not make damaged films readable."""

import sys
import threading
from pathlib import Path

import pytest
import torch
from PIL import ImageFile

from radversary.core.errors import UnreadableImageError
from radversary.data.reading import read_image
from radversary.imaging.png import decode_png, encode_png
from radversary.imaging.strict import whole_files

DAMAGED = encode_png(torch.rand(1, 64, 64))[:600]


@pytest.fixture(params=[True, False])
def lenient(request, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", request.param)
    return request.param


def test_truncated_files_are_refused_and_the_setting_is_left(tmp_path: Path, lenient):
    path = tmp_path / "film.png"
    path.write_bytes(DAMAGED)
    with pytest.raises(UnreadableImageError):
        decode_png(DAMAGED)
    with pytest.raises(UnreadableImageError, match="truncated"):
        read_image(path)
    assert lenient == ImageFile.LOAD_TRUNCATED_IMAGES


def test_it_holds_until_the_last_reader_is_out(lenient):
    inside, done = threading.Event(), threading.Event()

    def reader() -> None:
        with whole_files():
            inside.set()
            done.wait()

    thread = threading.Thread(target=reader)
    with whole_files():
        thread.start()
        inside.wait()
    held = ImageFile.LOAD_TRUNCATED_IMAGES
    done.set()
    thread.join()
    assert not held
    assert lenient == ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.slow
def test_the_pdf_leaves_the_setting_as_it_was(monkeypatch):
    pytest.importorskip("weasyprint")
    from radversary.report.pdf import imported

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:  # imported anew below
        monkeypatch.delitem(sys.modules, name)
    imported()
    assert "weasyprint.images" in sys.modules
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
