from __future__ import annotations

import hashlib
import time
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision_layout import features

from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.pretrained import PLACE, find_imagenet, imagenet_start
from radversary.core.errors import MissingPartError, ModelError, UnknownNameError


@pytest.fixture(autouse=True)
def _no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PLACE, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random weights of a ResNet-18 in torchvision's layout, with ImageNet's head."""
    trunk = build_network("resnet18", classes=2).trunk.state_dict()
    state = {key: value.contiguous() for key, value in trunk.items()}
    save_file({**state, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)},
              tmp_path / "resnet18_imagenet_random.safetensors")
    return tmp_path


@pytest.mark.parametrize(("architecture", "weights_count"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_trunk_has_the_published_number_of_weights(architecture, weights_count):
    """Torchvision's counts, its 1000-class head included."""
    with torch.device("meta"):
        network = NETWORKS.create(architecture, classes=3)
    width = network.head[0].in_features
    assert sum(value.numel() for value in network.trunk.parameters()) + 1000 * (width + 1) == weights_count
    assert [type(layer).__name__ for layer in network.head] == ["Linear", "ReLU", "Dropout", "Linear"]
    assert (network.head[0].out_features, network.head[2].p, network.head[3].out_features) == (128, 0.5, 3)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_features_equal_torchvisions_arithmetic_on_real_weights(architecture, weights):
    network = build_network(architecture, classes=3).eval()
    network.trunk.load_state_dict(imagenet_start(architecture, weights=weights))
    stored = load_file(weights / f"{architecture}_imagenet_pqf.safetensors")
    stored = {key: value.float() for key, value in stored.items()}
    inputs = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.trunk(inputs), features(inputs, stored), atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (build_network("resnet18", classes=2, seed=seed).head[0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_grey_and_repeated_grey_are_the_same():
    network = build_network("resnet18", classes=2).eval()
    grey = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


def test_unknown_architecture():
    for ask in (lambda: build_network("resnet81", classes=2), lambda: imagenet_start("resnet81")):
        with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
            ask()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["argument", "environment", "file"])
def test_finds_local_weights_and_records_their_hash(folder, monkeypatch, how):
    file = folder / "resnet18_imagenet_random.safetensors"
    (folder / "resnet18_imagenet_random.pq.safetensors").write_bytes(b"another encoding")
    if how == "environment":
        monkeypatch.setenv(PLACE, str(folder))
    found = find_imagenet("resnet18", weights={"argument": folder, "file": file}.get(how))
    assert found.path == file
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.sha256 in str(found)


@pytest.mark.slow
def test_half_precision_without_counters_fits_strictly(folder):
    file = folder / "resnet18_imagenet_random.safetensors"
    state = {key: value.half() for key, value in load_file(file).items() if "num_batches" not in key}
    save_file(state, file)
    start = imagenet_start("resnet18", weights=folder)
    assert {value.dtype for value in start.values() if value.is_floating_point()} == {torch.float32}
    build_network("resnet18", classes=2).trunk.load_state_dict(start, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "text"), [
    ({"extra": torch.zeros(1)}, "'extra' is left over"),
    ({"conv1.weight": torch.zeros(64, 1, 7, 7)}, r"'conv1.weight' has shape \(64, 1, 7, 7\)"),
    ({"bn1.bias": None}, "'bn1.bias' is missing"),
])
def test_misfits_are_one_sentence(folder, change, text):
    file = folder / "resnet18_imagenet_random.safetensors"
    state = {**load_file(file), **change}
    save_file({key: value for key, value in state.items() if value is not None}, file)
    with pytest.raises(ModelError, match=text):
        imagenet_start("resnet18", weights=folder)


@pytest.mark.slow
def test_a_wrong_hash_beside_the_file(folder):
    file = folder / "resnet18_imagenet_random.safetensors"
    (folder / f"{file.name}.sha256").write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    imagenet_start("resnet18", weights=folder)
    (folder / f"{file.name}.sha256").write_text("0" * 64)
    with pytest.raises(ModelError, match="damaged or was changed"):
        imagenet_start("resnet18", weights=folder)


def test_not_a_safetensors_file(tmp_path):
    (tmp_path / "resnet18_imagenet.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        imagenet_start("resnet18", weights=tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A Hub that gives a file, named by its hash in the cache as the real client does."""
    file = folder / "resnet18_imagenet_random.safetensors"
    blob = folder / hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(blob)
    link = folder / "snapshot.safetensors"
    link.symlink_to(blob)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(link))
    return blob


@pytest.mark.slow
def test_downloads_from_the_hub_and_checks_its_hash(hub):
    found = find_imagenet("resnet18")
    assert (found.origin, found.sha256) == ("hf.co/timm/resnet18.tv_in1k", hub.name)
    hub.write_bytes(hub.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="damaged or was changed"):
        find_imagenet("resnet18")


def test_offline_fails_at_once_and_names_both_ways(monkeypatch, tmp_path):
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", offline)
    monkeypatch.setenv(PLACE, str(tmp_path))
    begin = time.monotonic()
    with pytest.raises(MissingPartError, match=f"set {PLACE} to it, or .*Hugging Face Hub: timm/resnet50"):
        imagenet_start("resnet50")
    assert time.monotonic() - begin < 5


def test_an_explicit_folder_is_not_second_guessed(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_: pytest.fail("went to the Hub"))
    with pytest.raises(MissingPartError, match=r"holds no resnet50_imagenet\*.safetensors"):
        imagenet_start("resnet50", weights=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["densenet121", "small-cnn", "vgg"])
def test_networks_of_another_kind_take_any_size_and_have_a_trunk_to_freeze(architecture):
    network = build_network(architecture, classes=3).eval()
    for size in (48, 64):
        features = network.trunk(torch.rand(2, 3, size, size))
        assert features.shape == (2, network.head[0].in_features)
    assert network(torch.rand(1, 1, 48, 48)).shape == (1, 3)
