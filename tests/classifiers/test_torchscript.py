"""TorchScript that does more than compute is refused, and what is wrong with a file is a sentence."""

from __future__ import annotations

import zipfile

import pytest
import torch
from torch import nn

from programs_on_disk import SIDE, repacked, scripted, small, traced, write_card
from radversary.classifiers import archives
from radversary.classifiers.archives import kind_of, read_archive
from radversary.classifiers.registry import CLASSIFIERS, load
from radversary.core.errors import ModelError, UnsafeModelError
from radversary.storage.checksums import sha256_file
from random_parts import smooth_images


class Saves(nn.Module):
    def forward(self, images: torch.Tensor):
        torch.save([images], "/tmp/radversary-must-not-be-written")
        return images.flatten(1)[:, :3]


class Reads(nn.Module):
    def forward(self, images: torch.Tensor):
        return images.flatten(1)[:, :3] + torch.from_file("/etc/hostname", False, 3)


class Prints(nn.Module):
    def forward(self, images: torch.Tensor):
        print("patient")
        return images.flatten(1)[:, :3]


class Seeds(nn.Module):
    def forward(self, images: torch.Tensor):
        torch.manual_seed(0)
        return images.flatten(1)[:, :3]


class Restored(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = small()

    @torch.jit.export
    def __getstate__(self):
        return self.small.head.bias

    @torch.jit.export
    def __setstate__(self, state: torch.Tensor):
        self.small.head.bias.copy_(state)

    def forward(self, images: torch.Tensor):
        return self.small(images)


class Two(nn.Module):
    def forward(self, images: torch.Tensor, other: torch.Tensor):
        return images.flatten(1)[:, :3] + other


@pytest.fixture
def script(tmp_path):
    return scripted(small(), tmp_path / "model.pt")


@pytest.mark.parametrize(("network", "named"), [
    (Saves, "calls aten::save"), (Reads, "calls aten::from_file"), (Prints, "calls prim::Print"),
    (Seeds, "calls aten::manual_seed"), (Restored, "has __setstate__")])
def test_what_does_more_than_compute_is_refused_by_name(network, named, tmp_path):
    with pytest.raises(UnsafeModelError, match=named):
        load(scripted(network().eval(), tmp_path / "model.pt"))


def test_operators_of_others_are_refused_before_anything_is_loaded(script):
    def change(members):
        name = next(name for name in members if name.endswith(("Small.py", "programs_on_disk.py")))
        members[name] = members[name].replace(b"torch.relu(", b"ops.mine.relu(")

    with pytest.raises(UnsafeModelError, match="calls mine::relu"):
        load(repacked(script, change))


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("__torch__.torch.classes.x", "Y"), ("torch", "load")])
def test_objects_of_compiled_code_and_of_python_are_refused(module, name, script):
    def change(members):
        before = members["data.pkl"]
        members["data.pkl"] = before.replace(b"c__torch__", f"c{module}\n{name}\nc__torch__".encode(), 1)
        assert members["data.pkl"] != before

    with pytest.raises(UnsafeModelError, match=f"makes '{module} {name}' as it is loaded"):
        load(repacked(script, change))


def test_pickles_are_told_from_torchscript_by_what_is_in_them(script, tmp_path):
    for name, content in (("state.pt", small().state_dict()), ("whole.pth", small())):
        torch.save(content, tmp_path / name)
        assert kind_of(write_card(tmp_path / name)) == "other"
        with pytest.raises(UnsafeModelError, match="which can run code when it is loaded"):
            load(tmp_path / name)
    assert kind_of(script) == "script"
    assert [name for name in ("code", "exported", "folder", "torchscript")
            if CLASSIFIERS.create(name).recognises(str(script))] == ["torchscript"]
    (tmp_path / "model.ts").write_bytes((tmp_path / "state.pt").read_bytes())
    with pytest.raises(ModelError, match=r"no file that torch\.jit\.save saved"):
        load(tmp_path / "model.ts")


@pytest.mark.slow
def test_a_network_saved_in_training_mode_is_put_into_evaluation_mode_where_that_is_possible(script, tmp_path):
    expected = load(script).logits(smooth_images(3, SIDE))
    assert torch.equal(load(scripted(small(training=True), tmp_path / "training.pt")).logits(smooth_images(3, SIDE)),
                       expected)
    with pytest.raises(ModelError, match=r"answers one image in more than one way.* call eval\(\)"):
        load(traced(small(training=True), tmp_path / "traced.pt"))


@pytest.mark.parametrize(("network", "said"), [
    (Two(), r"takes 2 inputs \(images, other\), expected the images alone"),
    (small().half(), "has weights in float16, expected float32"),
    (small().double(), "has weights in float64, expected float32"),
    (nn.Sequential(nn.Conv3d(1, 1, 1)), "fails on 4 images of 32 x 32 pixels: RuntimeError: Given groups=1")])
def test_what_does_not_fit_is_one_sentence(network, said, tmp_path):
    with pytest.raises(ModelError, match=said) as refusal:
        load(scripted(network.eval(), tmp_path / "model.pt"))
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
def test_the_hash_of_the_card_is_that_of_the_file(script):
    assert load(write_card(script, sha256=sha256_file(script))).card.sha256 == sha256_file(script)
    with pytest.raises(ModelError, match=f"its sha256 is {sha256_file(script)}, the card says {'0' * 64}"):
        load(write_card(script, sha256="0" * 64))
    script.with_name("model.card.json").unlink()
    with pytest.raises(ModelError, match="has no card"):
        load(script)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.99])
def test_a_file_that_ends_early_is_one_sentence(share, script, tmp_path):
    content = script.read_bytes()
    cut = write_card(tmp_path / "cut.ts")
    cut.write_bytes(content[:int(share * len(content))])
    with pytest.raises(ModelError) as refusal:
        load(cut)
    assert "\n" not in str(refusal.value)


def test_a_changed_byte_is_one_sentence(script):
    content = bytearray(script.read_bytes())
    with zipfile.ZipFile(script) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("data/0"))
    content[info.header_offset + 200] ^= 255
    script.write_bytes(content)
    with pytest.raises(ModelError, match="is damaged: Bad CRC-32"):
        load(script)


def test_source_that_cannot_be_read_is_one_sentence(script):
    def change(members):
        members.update({name: b"def (" for name in members if name.endswith(".py")})

    with pytest.raises(ModelError, match=r"is damaged: code/\S+ cannot be read"):
        load(repacked(script, change))


@pytest.mark.slow
def test_an_archive_that_unpacks_to_far_more_is_refused_unread(script, monkeypatch):
    repacked(script, lambda members: members.update({"data/bomb": bytes(2**27)}), zipfile.ZIP_DEFLATED)
    assert script.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(UnsafeModelError, match=r"would unpack to \d+ in \d+ members; a model grows at most 50 times"):
        load(script)


def test_an_archive_beyond_the_limit_is_refused(script, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 1000)
    with pytest.raises(ModelError, match="more than the 1000 that"):
        read_archive(script)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(script):
    with zipfile.ZipFile(script, "a") as archive:
        archive.writestr(archive.namelist()[0].upper(), b"other")
    with pytest.raises(UnsafeModelError, match="has two members called"):
        load(script)
