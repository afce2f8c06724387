"""MONAI bundles, compared with what MONAI itself makes of the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from late import Late
from programs_on_disk import exported, scripted
from radversary.classifiers.monai_bundle import MonaiBundles, load_bundle
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.classifiers.registry import load
from radversary.core.errors import InputError, ModelError, UnknownNameError, UnsafeModelError
from radversary.core.types import Task

nets = Late("monai.networks.nets")

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 24, 40
"""An upright image; MONAI gives its network 40 rows of 24."""

NETWORK = {"spatial_dims": 2, "in_channels": 1, "out_channels": 3, "init_features": 4, "growth_rate": 4,
           "block_config": [1, 1], "norm": "instance"}
READ = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": ["image"]}]
SCALE = {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 0, "a_max": 255, "b_min": -1, "b_max": 1,
         "clip": True}
NORMALISE = {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 0.1, "divisor": 0.4}
METADATA: dict[str, Any] = {"name": "breast", "version": "0.1.0", "license": "Apache-2.0", "network_data_format": {
    "inputs": {"image": {"type": "image", "modality": "XR", "num_channels": 1, "spatial_shape": [WIDTH, HEIGHT],
                         "value_range": [0, 1], "channel_def": {"0": "image"}}},
    "outputs": {"pred": {"type": "image", "format": "labels", "num_channels": 3, "channel_def": {
        "0": "fatty", "2": "dense", "1": "scattered"}}}}}


def network():
    torch.manual_seed(0)
    return nets.DenseNet(**{**NETWORK, "block_config": (1, 1)}).eval()


def bundle(folder: Path, *, metadata: Any = METADATA, inference: Any = None, weights: str = "model.safetensors",
           **changes: Any) -> Path:
    """Write a bundle; ``changes`` go into its configuration for inference."""
    for name in ("configs", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = {"network_def": {"_target_": "monai.networks.nets.DenseNet", **NETWORK},
              "preprocessing": {"_target_": "Compose", "transforms": [*READ, SCALE, NORMALISE]}, **changes}
    if metadata is not None:
        (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "inference.json").write_text(json.dumps(config if inference is None else inference))
    if weights == "model.safetensors":
        save_file(network().state_dict(), folder / "models" / weights)
    elif weights == "model.pt2":
        exported(network(), folder / "models" / weights, images=torch.rand(2, 1, WIDTH, HEIGHT))
    elif weights in ("model.ts", "model.pt"):
        scripted(network(), folder / "models" / weights)
    return folder


def told(inputs: Any = None, outputs: Any = None) -> Any:
    """Metadata with other words on input or output."""
    content = json.loads(json.dumps(METADATA))
    content["network_data_format"]["inputs"]["image"].update(inputs or {})
    content["network_data_format"]["outputs"]["pred"].update(outputs or {})
    return content


def film(folder: Path) -> tuple[Path, torch.Tensor]:
    """An image as a file, and as a classifier is given it."""
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "film.png")
    return folder / "film.png", torch.from_numpy(pixels / np.float32(255))[None, None]


@pytest.mark.parametrize("weights", ["model.safetensors", "model.ts", "model.pt", "model.pt2"])
@pytest.mark.parametrize("turns", [1, 0])
def test_logits_are_those_of_monais_own_pipeline(weights, turns, tmp_path):
    transforms = [*READ, *([] if turns else [{"_target_": "Transposed", "keys": "image", "indices": [0, 2, 1]}]),
                  SCALE, NORMALISE]
    shape = [WIDTH, HEIGHT] if turns else [HEIGHT, WIDTH]
    folder = bundle(tmp_path / "bundle", weights=weights, metadata=told({"spatial_shape": shape}),
                    preprocessing={"_target_": "Compose", "transforms": transforms})
    if weights == "model.pt2":
        exported(network(), folder / "models" / weights, images=torch.rand(2, 1, *shape))
    path, image = film(tmp_path)
    import monai.transforms as parts
    made = [getattr(parts, one["_target_"])(**{key: value for key, value in one.items() if key != "_target_"})
            for one in transforms]
    expected = network()(parts.Compose(made)({"image": str(path)})["image"][None].as_tensor())
    classifier = load(folder)
    assert classifier.card.sides == (HEIGHT, WIDTH)
    torch.testing.assert_close(classifier.logits(image), expected, rtol=1e-4, atol=1e-5)
    check_answers(classifier)
    check_gradients(classifier, "a test")
    assert load(classifier.reference).fingerprint() == classifier.fingerprint()


def test_the_card_says_what_the_metadata_say(tmp_path):
    card = load(bundle(tmp_path)).card
    assert (card.name, card.licence, card.source) == ("breast", "Apache-2.0", "MONAI bundle breast 0.1.0")
    assert (card.classes, card.task) == (("fatty", "scattered", "dense"), Task.MULTICLASS)
    assert (card.input_range, card.mean, card.std, card.channels) == ((-1, 1), (0.1,), (0.4,), 1)
    assert card.architecture == "MONAI DenseNet"


def test_yaml_references_and_activations_are_read(tmp_path):
    folder = bundle(tmp_path, weights="model.ts")
    config = {"classes": 3, "transforms": [*READ, SCALE], "preprocessing": {"_target_": "Compose",
                                                                          "transforms": "@transforms"},
              "postprocessing": {"_target_": "Compose", "transforms": [
                  {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}]}}
    (folder / "configs" / "inference.json").unlink()
    (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(config))
    card = load(folder).card
    assert (card.task, card.output) == (Task.MULTILABEL, "logits")


def test_one_channel_is_a_finding_that_is_there_or_not(tmp_path):
    folder = bundle(tmp_path, metadata=told(outputs={"num_channels": 1, "channel_def": {"0": "pneumonia"}}),
                    network_def={"_target_": "DenseNet", **NETWORK, "out_channels": 1})
    torch.manual_seed(0)
    one = nets.DenseNet(**{**NETWORK, "block_config": (1, 1), "out_channels": 1})
    save_file(one.state_dict(), folder / "models" / "model.safetensors")
    classifier = load(folder)
    assert classifier.card.classes == ("no pneumonia", "pneumonia")
    assert classifier.logits(torch.rand(2, 1, HEIGHT, WIDTH)).shape == (2, 2)


def test_a_card_of_ours_decides_and_says_so(tmp_path):
    folder = bundle(tmp_path, preprocessing="$monai.transforms.Compose([])", metadata=None)
    fields = {"name": "mine", "architecture": "x", "classes": ["a", "b", "c"], "size": [WIDTH, HEIGHT], "mean": [0.0],
              "std": [1.0], "notes": "seen"}
    (folder / "card.json").write_text(json.dumps(fields))
    classifier = load(folder)
    assert classifier.card.notes == "seen; its card.json decides; what the bundle declares of its input was not read"
    image = torch.rand(2, 1, WIDTH, HEIGHT)
    torch.testing.assert_close(classifier.logits(image), network()(image))


@pytest.mark.parametrize(("transform", "named"), [
    ({"_target_": "ScaleIntensityd"}, r"by ScaleIntensity\("), ({"_target_": "NormalizeIntensityd"}, "by NormalizeInt"),
    ({"_target_": "ScaleIntensityRanged", "a_min": -1024, "a_max": 1024}, r"ScaleIntensityRange\('a_max': 1024"),
    ({"_target_": "Rotate90d"}, "by Rotate90"), ({"_target_": "scripts.own.Mine"}, "by Mine"),
    ({"_target_": "Resized", "spatial_size": [8, 8], "mode": "trilinear"}, "by Resize"),
    ({"_target_": "LoadImaged", "reader": "$monai.data.PILReader()"}, "expression"),
    ({"_target_": "CenterSpatialCropd", "roi_size": [7, 7]}, "by CenterSpatialCrop")])
def test_transforms_that_no_card_can_express_are_refused_by_name(transform, named, tmp_path):
    transforms = [*READ, {"keys": "image", **transform}]
    with pytest.raises(ModelError, match=f"{named}.*card.json in the bundle's folder"):
        load(bundle(tmp_path, preprocessing={"_target_": "Compose", "transforms": transforms}))


def test_transforms_of_other_keys_and_disabled_ones_are_passed_over(tmp_path):
    others = [{"_target_": "Rotate90d", "keys": "label"},
              {"_target_": "Rotate90d", "keys": "image", "_disabled_": True},
              {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32", "device": "@device"}]
    load(bundle(tmp_path, preprocessing={"_target_": "Compose", "transforms": [*READ, SCALE, *others]}))


def test_resizing_cropping_and_repeating_are_fields_of_the_card(tmp_path):
    transforms = [*READ, {"_target_": "Resized", "keys": "image", "spatial_size": [32, 28], "mode": "bilinear"},
                  {"_target_": "CenterSpatialCropd", "keys": "image", "roi_size": [28, 24]},
                  {"_target_": "RepeatChanneld", "keys": "image", "repeats": 3}, SCALE]
    folder = bundle(tmp_path, preprocessing={"_target_": "Compose", "transforms": transforms},
                    network_def={"_target_": "DenseNet", **NETWORK, "in_channels": 3},
                    metadata=told({"num_channels": 3, "spatial_shape": [28, 24]}))
    save_file(nets.DenseNet(**{**NETWORK, "block_config": (1, 1), "in_channels": 3}).state_dict(),
              folder / "models" / "model.safetensors")
    card = load(folder).card
    assert (card.sides, card.network_sides, card.channels, card.mean) == ((28, 32), (24, 28), 1, (0.0,) * 3)
    assert card.interpolation == "bilinear"


@pytest.mark.parametrize(("metadata", "said"), [
    (None, r"without configs/metadata\.json, so its classes and size are unknown"), ({}, "does not say what inputs"),
    (told({"spatial_shape": [8, 8, 8]}), "reads volumes .* and volumes are not read yet"),
    (told({"spatial_shape": ["16*n", "16*n"]}), "gives the shape"), (told({"num_channels": 2}), "2 channels, expected"),
    (told({"spatial_shape": [HEIGHT, HEIGHT]}), None), (told(outputs={"format": "segmentation"}), "segments images"),
    (told(outputs={"channel_def": {}}), "names 0 classes"), (told(outputs={"num_channels": 4}), "names 3 classes"),
    ([1], "is not a configuration of a MONAI bundle")])
def test_metadata_that_do_not_say_enough_are_one_sentence(metadata, said, tmp_path):
    folder = bundle(tmp_path, metadata=metadata)
    if said is None:  # another size is a fact, not a fault, where nothing contradicts it
        assert load(folder).card.sides == (HEIGHT, HEIGHT)
        return
    with pytest.raises(InputError, match=said):
        load(folder)


def test_a_size_that_transforms_contradict_is_one_sentence(tmp_path):
    resize = {"_target_": "Resized", "keys": "image", "spatial_size": [8, 8]}
    with pytest.raises(ModelError, match="contradicts itself: by its metadata its network sees 40 x 24 pixels"):
        load(bundle(tmp_path, preprocessing={"_target_": "Compose", "transforms": [*READ, resize]}))


@pytest.mark.parametrize(("definition", "said"), [
    ({"_target_": "monai.networks.nets.UNet"}, r"unknown network \(_target_\).*'monai.networks.nets.UNet'"),
    ({"_target_": "os.system", "command": "true"}, "unknown network"),
    ({"_target_": "scripts.DenseNet"}, "unknown network"),
    ({"_target_": "DenseNet", **NETWORK, "out_channels": "$print(1)"}, "has the expression"),
    ({"_target_": "DenseNet", **NETWORK, "out_channels": "@absent"}, "has the expression '@absent'"),
    ({"_target_": "DenseNet", **NETWORK, "spatial_dims": 3}, "for volumes"),
    ({"_target_": "DenseNet", **NETWORK, "growth_rate": 10**9}, "expected a plain number"),
    ({"_target_": "DenseNet", **NETWORK, "act": {"_target_": "os.system"}}, "expected a plain number"),
    ({"_target_": "DenseNet", "spatial_dims": 2}, "cannot be built"),
    ({"_target_": "DenseNet", **NETWORK, "growth_rate": 8}, "does not hold the weights of DenseNet: layer"),
    ("$DenseNet()", "has the expression"), (None, "defines no network")])
def test_networks_come_from_a_list_with_plain_arguments(definition, said, tmp_path):
    with pytest.raises((ModelError, UnknownNameError), match=said):
        load(bundle(tmp_path, network_def=definition))


def test_pickled_weights_are_refused_and_absent_ones_named(tmp_path):
    folder = bundle(tmp_path, weights="none")
    with pytest.raises(ModelError, match=r"expected one of models/model\.pt2, models/model\.ts"):
        load(folder)
    torch.save(network().state_dict(), folder / "models" / "model.pt")
    with pytest.raises(UnsafeModelError, match="which can run code when it is loaded"):
        load(folder)


def test_a_bundle_is_recognised_by_its_configurations(tmp_path):
    assert MonaiBundles().recognises(str(bundle(tmp_path / "bundle")))
    assert not any(MonaiBundles().recognises(text) for text in (str(tmp_path), "http://host/bundle", "a\0b"))


def test_the_fingerprint_changes_with_the_definition(tmp_path):
    before = load_bundle(bundle(tmp_path)).fingerprint()
    changed = [{**SCALE, "b_min": 0}, NORMALISE]
    after = load_bundle(bundle(tmp_path, preprocessing={"transforms": [*READ, *changed]})).fingerprint()
    assert before != after
    assert load_bundle(bundle(tmp_path)).fingerprint() == before
