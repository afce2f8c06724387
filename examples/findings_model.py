"""Make a model of chest findings as torchxrayvision keeps them: weights, card, and a table of held-out films.

The network is a ResNet-18 of one channel for values in [-1024, 1024], with 18 outputs in torchxrayvision's order;
outputs of which there were too few patients are never trained and bear no name. It is made to be audited, not used.

Run: RADVERSARY_WEIGHTS=FOLDER python examples/findings_model.py --out MODEL FILMS [FILMS …]
FILMS are folders with a labels.csv in NIH's form; a thousand films take five minutes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor, nn

from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.operating_points import OPERATING_POINTS
from radversary.classifiers.pretrained import imagenet_start
from radversary.core.errors import MissingPartError
from radversary.core.types import Task
from radversary.data.nih import NihChestXray14
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.splits import split_by_patient
from radversary.training.classifier.losses import positive_weights, task_loss

OUTPUTS = ("Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis", "Effusion",
           "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia", "Lung Lesion", "Fracture",
           "Lung Opacity", "Enlarged Cardiomediastinum")
"""torchxrayvision's order of findings."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRACTIONS = (0.5, 0.15, 0.35)
SIZE, BATCH = 96, 32


def films_of(folders: list[Path], out: Path) -> tuple[PreparedImages, pd.DataFrame]:
    """Read the films of all folders, each once, divide their patients, and return them with NIH's rows."""
    tables = [pd.read_csv(folder / "labels.csv", dtype=str).assign(folder=str(folder)) for folder in folders]
    # A film that lies in several folders belongs to the last: to the smaller selection, which its figures are told by.
    rows = pd.concat(tables).drop_duplicates("Image Index", keep="last")
    parts = []
    for folder, own in rows.groupby("folder"):
        own.to_csv(path := out / f"{Path(str(folder)).name}.csv", index=False)
        parts.append(NihChestXray14(root=str(folder), labels=path, policy="multilabel").table(out))
    table = replace(parts[0], frame=pd.concat([part.frame for part in parts], ignore_index=True))
    images = prepare_images(split_by_patient(table, fractions=FRACTIONS), size=SIZE, folder=out / "films")
    split = dict(zip(images.image_ids, images.table.frame["split"], strict=True))
    rows["split"] = rows["Image Index"].map(lambda name: split.get(Path(name).stem, ""))
    return images, rows[rows["split"] != ""]


def one_channel(start: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return ImageNet weights for grey values in [-1024, 1024]: one summed channel, constants in BatchNorm."""
    first = start["conv1.weight"].double()
    mean, std = (torch.tensor(figures, dtype=torch.float64).reshape(1, 3, 1, 1) for figures in (MEAN, STD))
    constant = (first * (0.5 - mean) / std).sum((1, 2, 3))
    return {**start, "conv1.weight": ((first / std).sum(1, keepdim=True) / 2048).float(),
            "bn1.running_mean": (start["bn1.running_mean"].double() - constant).float()}


def values(images: PreparedImages, rows: np.ndarray) -> Tensor:
    """Return films as the network takes them."""
    return images.tensor(rows) * 2048 - 1024


def trained(network: nn.Module, images: PreparedImages, labels: Tensor, epochs: int) -> nn.Module:
    """Train the named outputs on the films of the training part, each shifted and turned a little."""
    rows, stream = images.rows("train"), torch.Generator().manual_seed(0)
    weights = positive_weights(labels[torch.from_numpy(rows)]).clamp_max(10)
    steps = epochs * (len(rows) // BATCH)
    optimiser = torch.optim.Adam(network.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-4, total_steps=max(steps, 2))
    for epoch in range(epochs):
        network.train()
        for batch in torch.randperm(len(rows), generator=stream).split(BATCH):
            if len(batch) < BATCH:
                continue
            chosen = rows[batch.numpy()]
            answers = network(moved(values(images, chosen), stream))
            loss = task_loss(answers, labels[chosen], Task.MULTILABEL, weights=weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {epochs}: loss {loss.item():.3f}")
    return network.eval()


def moved(films: Tensor, stream: torch.Generator) -> Tensor:
    """Return films shifted by up to 5 %, turned by up to 6 degrees and scaled by up to 5 %."""
    draw = torch.rand(len(films), 4, generator=stream) * 2 - 1
    angle, scale = draw[:, 0] * 0.1, 1 + draw[:, 1] * 0.05
    grid = torch.stack([torch.stack([scale * angle.cos(), -angle.sin(), draw[:, 2] * 0.1], 1),
                        torch.stack([angle.sin(), scale * angle.cos(), draw[:, 3] * 0.1], 1)], 1)
    places = nn.functional.affine_grid(grid, list(films.shape), align_corners=False)
    return nn.functional.grid_sample(films, places, padding_mode="border", align_corners=False)


@torch.no_grad()
def probabilities(network: nn.Module, images: PreparedImages, rows: np.ndarray) -> np.ndarray:
    """Return the sigmoid of each output, (N, 18)."""
    parts = np.array_split(rows, -(-len(rows) // BATCH))
    return torch.cat([network(values(images, part)).sigmoid() for part in parts]).numpy()


def youden(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the point at which sensitivity and specificity together are greatest."""
    false, true, points = roc_curve(labels, scores)
    return float(np.clip(points[1:][np.argmax((true - false)[1:])], 0.01, 0.99))


def write(network: nn.Module, points: Tensor, named: list[str], out: Path) -> None:
    """Write weights and card as someone would who has a model of torchxrayvision's."""
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file({**state, OPERATING_POINTS: points}, out / "chest-findings.safetensors")
    card = {"name": "chest-findings", "architecture": "torchvision-resnet18", "task": "multilabel", "classes": named,
            "outputs": [name if name in named else "" for name in OUTPUTS], "output": "probabilities",
            "channels": 1, "size": SIZE, "input_range": [-1024, 1024],
            "trained_on": "NIH ChestX-ray14, a small selection; half of the patients",
            "notes": "op_threshs are Youden's points on the validation patients, so that 0.5 is the operating point"}
    (out / "chest-findings.card.json").write_text(json.dumps(card, indent=1), encoding="utf-8")


def asked() -> argparse.Namespace:
    """Return what the command line says."""
    words = argparse.ArgumentParser(description="Make a model of chest findings.")
    words.add_argument("folders", nargs="+", type=Path)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument("--epochs", type=int, default=10)
    words.add_argument("--patients", type=int, default=20, help="patients that a finding must have to be trained")
    return words.parse_args()


def started() -> nn.Module:
    """Return the network with ImageNet weights, where there are some."""
    torch.manual_seed(0)
    network = NETWORKS.create("torchvision-resnet18", classes=len(OUTPUTS), channels=1)
    try:
        network.load_state_dict(one_channel(imagenet_start("resnet18")), strict=False)
    except MissingPartError as error:
        print(f"from random weights: {error}")
    return network.to(memory_format=torch.channels_last)


def area(labels: np.ndarray, scores: np.ndarray) -> str:
    """Return the area under the curve in words, with the images that it rests on."""
    known = f"{roc_auc_score(labels, scores):.3f}" if 0 < labels.sum() < len(labels) else "-"
    return f"{known} ({labels.sum()} of {len(labels)})"


def main() -> None:
    """Train, choose operating points on validation films, write, and say how well held-out films are read."""
    given = asked()
    given.out.mkdir(parents=True, exist_ok=True)
    images, rows = films_of(given.folders, given.out)
    rows[rows["split"] != "train"].to_csv(given.out / "held-out.csv", index=False)
    own = dict(zip(images.classes, images.labels.T, strict=True))
    patients = {name: len({images.patients[row] for row in np.flatnonzero(own[name] == 1)}) for name in own}
    named = [name for name in OUTPUTS if patients.get(name, 0) >= given.patients]
    unknown = torch.full((len(images),), -1)
    labels = torch.stack([own[name] if name in named else unknown for name in OUTPUTS], 1)
    network = trained(started(), images, labels, given.epochs)

    points, validation, test = torch.full((len(OUTPUTS),), torch.nan), images.rows("validation"), images.rows("test")
    chosen, held = probabilities(network, images, validation), probabilities(network, images, test)
    last = rows[rows["folder"] == str(given.folders[-1])]["Image Index"].map(lambda name: Path(name).stem)
    within = np.isin(images.image_ids, last)[test]
    for name in named:
        place = OUTPUTS.index(name)
        points[place] = youden(labels[validation, place].numpy(), chosen[:, place])
        truth, scores = labels[test, place].numpy(), held[:, place]
        print(f"{name:20} point {points[place]:.3f}; AUROC held out {area(truth, scores)}, "
              f"of {given.folders[-1].name} {area(truth[within], scores[within])}")
    write(network, points, named, given.out)


if __name__ == "__main__":
    main()
