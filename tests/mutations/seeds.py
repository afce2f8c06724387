"""Sound inputs of every kind, as small as the project can make them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import programs_on_disk
from late import Late
from radversary.auditing.cells import Condition
from radversary.auditing.plan import AuditPlan
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs
from radversary.calibration.drift import DriftMonitor
from radversary.classifiers.files import load_classifier, save_classifier
from radversary.classifiers.keras_model import keras_on_torch
from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.types import Estimate
from radversary.data.phantoms import Phantoms, write_phantoms
from radversary.data.prepared import PreparedImages
from radversary.defenses.restoration import Restoration, RestorerCard, build_restorer, save_restoration
from radversary.guard_evaluation.families.result import FAMILIES, FamiliesResult, FamilyFigures, FamilyRow
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.guard_evaluation.run import evaluate_guard
from radversary.screening.bundle import load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.screening.views import named_views
from radversary.storage.json_files import write_json
from radversary.study.model_plan import ModelPlan
from radversary.study.placing import note_input
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare
from tiny_onnx import export, tiny_network, with_card

nets = Late("monai.networks.nets")

SIZE = 32
DETECTORS = ("integrity", "shallow", "neighbours", "consistency", "shift", "energy", "mahalanobis", "lid", "squeezing")
FOURIER = {"generator": "fourier", "count": 3, "style_size": 32}
AUDIT: dict[str, Any] = {
    "name": "tiny",
    "seed": 7,
    "bootstrap": 100,
    "batch_size": 8,
    "gallery": 1,
    "false_alarms": 0.2,
    "attacks": [
        {"label": "style", "name": "style-transfer", "strengths": [0.3, 1.0], "options": FOURIER},
        {"label": "noise", "name": "noise", "strengths": [0.1]},
        {"label": "fgsm", "name": "fgsm", "strengths": [0.03], "knowledge": ["oblivious", "adaptive"]},
    ],
    "defences": [{"label": "jpeg", "transforms": [{"name": "jpeg", "options": {"quality": 50}}]}],
}
STUDY: dict[str, Any] = {
    **AUDIT,
    "data": {
        "source": {"name": "phantoms", "options": {"count": 60, "size": 48}},
        "size": 48,
        "balance": True,
        "fractions": [0.6, 0.2, 0.2],
        "classes": ["Normal", "Pneumonia", "Pneumothorax"],
    },
    "models": {
        "victim": {
            "training": {
                "architecture": "resnet18",
                "start": "random",
                "batch_size": 8,
                "precision": "float32",
                "phases": [
                    {"name": "frozen", "trunk": "frozen", "epochs": 1, "learning_rate": 0.001},
                    {"name": "all", "trunk": "trained", "epochs": 2, "learning_rate": 0.0001},
                ],
            },
            "augmentation": {"name": "augmix"},
        },
        "hardened": {
            "training": {"architecture": "resnet18", "start": "victim", "batch_size": 8},
            "adversarial": {
                "attacks": [
                    {"label": "train", "name": "style-transfer", "options": {**FOURIER, "styles": "train"}, "copies": 1}
                ],
                "share": 0.5,
            },
        },
    },
    "restorers": {
        "hgd": {
            "denoiser": {"width": 4, "epochs": 1, "guidance": {"features": 1}},
            "attacks": [{"label": "n", "name": "noise", "options": {"deviation": 0.1}}],
        }
    },
    "defences": [
        *AUDIT["defences"],
        {"label": "hardened", "model": "hardened"},
        {"label": "hgd", "transforms": ["hgd"]},
    ],
}
NETWORK: dict[str, Any] = {
    "_target_": "DenseNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 3,
    "init_features": 4,
    "growth_rate": 4,
    "block_config": [1, 1],
}
BUNDLE: dict[str, Any] = {
    "name": "tiny",
    "version": "0.1.0",
    "license": "Apache-2.0",
    "network_data_format": {
        "inputs": {
            "image": {"type": "image", "num_channels": 1, "spatial_shape": [SIZE, SIZE], "value_range": [0, 1],
                      "channel_def": {"0": "image"}}
        },
        "outputs": {
            "pred": {"type": "image", "format": "labels", "num_channels": 3,
                     "channel_def": {"0": "a", "1": "b", "2": "c"}}
        },
    },
}
WATCH: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "bootstrap": 100,
    "batch_size": 16,
    "gallery": 1,
    "attacks": [{"label": "noise", "name": "noise", "strengths": [0.05, 0.3]}],
}


class Small(nn.Module):
    """An architecture with two maps, a few hundred weights in all."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Linear(32, classes))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(inputs))


def register() -> None:
    """Make the architecture known by name; it stays so."""
    NETWORKS._own.setdefault("small", f"{__name__}:Small")


class Seeds:
    """Folders of sound inputs, each made when it is first asked for.

    Args:
        root: Where.
    """

    def __init__(self, root: Path) -> None:
        register()
        self.root = root

    @cached_property
    def data(self) -> Path:
        """A folder that prepare wrote: prepared images, report, phantoms."""
        folder = self.root / "data"
        plan = DataPlan.model_validate(
            {"source": {"name": "phantoms", "options": {"count": 120, "size": SIZE}}, "size": SIZE}
        )
        prepare(plan, folder, seed=1)
        return folder

    @cached_property
    def prepared(self) -> Path:
        return self.data / "prepared"

    @cached_property
    def images(self) -> PreparedImages:
        return PreparedImages.load(self.prepared)

    @cached_property
    def model(self) -> Path:
        """A model's folder with the notes that a study leaves in it."""
        folder = self.root / "model"
        network = build_network("small", classes=3, seed=1)
        save_classifier(
            wrap(
                network, classes=("Normal", "Pneumonia", "Pneumothorax"), size=SIZE, name="small", architecture="small"
            ),
            folder,
        )
        note_input(ModelPlan.model_validate({"input": [{"name": "jpeg", "options": {"quality": 90}}]}), folder)
        write_json(folder / "training_images.json", {"file_sha256": ["0" * 64]})
        write_json(folder / "curves.json", {"train_loss": [1.0, 0.5], "val_loss": [1.0, 0.6]})
        write_json(folder / "inputs.json", "0" * 64)
        write_json(folder / "training.json", {"plan": {"phases": [{"name": "all"}]}, "card": {}, "images": {}})
        return folder

    @cached_property
    def victim(self) -> TorchClassifier:
        return load_classifier(self.model)

    @cached_property
    def onnx(self) -> Path:
        """A model in an ONNX file and its card."""
        folder = self.root / "onnx"
        folder.mkdir(parents=True)
        export(tiny_network(), folder / "victim.onnx")
        return folder

    @cached_property
    def keras(self) -> Path:
        """A model in a Keras 3 archive and its card."""
        folder = self.root / "keras"
        folder.mkdir(parents=True)
        layers = keras_on_torch(folder).layers
        model = keras_on_torch(folder).Sequential([layers.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(3)])
        model.save(folder / "victim.keras")
        with_card(folder / "victim.keras", size=SIZE)
        return folder

    @cached_property
    def exported(self) -> Path:
        """An exported program and its card."""
        folder = self.root / "exported"
        folder.mkdir(parents=True)
        programs_on_disk.exported(programs_on_disk.small(), folder / "victim.pt2")
        return folder

    @cached_property
    def scripted(self) -> Path:
        """A TorchScript file and its card."""
        folder = self.root / "scripted"
        folder.mkdir(parents=True)
        programs_on_disk.scripted(programs_on_disk.small(), folder / "victim.ts")
        return folder

    @cached_property
    def bundle(self) -> Path:
        """A bundle of MONAI with a small network."""
        folder = self.root / "bundle"
        for name in ("configs", "models"):
            (folder / name).mkdir(parents=True)
        write_json(folder / "configs" / "metadata.json", BUNDLE)
        write_json(folder / "configs" / "inference.json", {"network_def": NETWORK, "preprocessing": {
            "_target_": "Compose", "transforms": [{"_target_": "LoadImaged", "keys": "image"}]}})
        network = nets.DenseNet(**{name: value for name, value in NETWORK.items() if name != "_target_"})
        save_file(network.state_dict(), folder / "models" / "model.safetensors")
        return folder

    @cached_property
    def served(self) -> Path:
        """A model behind an address where nobody answers."""
        folder = self.root / "served"
        folder.mkdir(parents=True)
        write_json(folder / "lungs.http.json", {
            "url": "http://127.0.0.1:9/v2/models/lungs", "timeout": 1, "retries": 0,
            "card": {"classes": ["Normal", "Sick"], "size": SIZE, "task": "binary", "thresholds": [0.3]}})
        return folder

    @cached_property
    def sources(self) -> Path:
        """One folder, table, archive or array of each kind that is recognised."""
        folder = self.root / "sources"
        folder.mkdir()
        for kind in ("listed", "findings", "classes"):
            for place in range(6):
                path = folder / kind / ("AB"[place % 2] if kind == "classes" else "") / f"{place}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((40, 40), 40 * place, np.uint8)).save(path)
        lines = [json.dumps({"file_name": f"{place}.png", "label": "AB"[place % 2], "patient_id": f"p{place}"})
                 for place in range(6)]
        (folder / "listed" / "metadata.jsonl").write_text("\n".join(lines) + "\n")
        rows = [f"{place}.png,p{place},{place % 2},{('1', '0', '-1', '')[place % 4]}" for place in range(6)]
        (folder / "findings" / "labels.csv").write_text("\n".join(["path,PatientID,Edema,Mass", *rows]) + "\n")
        with ZipFile(folder / "classes.zip", "w") as opened:
            for path in sorted((folder / "classes").rglob("*.png")):
                opened.write(path, path.relative_to(folder).as_posix())
        parts = {f"{part}_images": np.zeros((4, 8, 8), np.uint8) for part in ("train", "val", "test")}
        labels = {f"{part}_labels": np.eye(4, 2, dtype=np.uint8) for part in ("train", "val", "test")}
        np.savez(folder / "arrays.npz", **parts, **labels)
        return folder

    @cached_property
    def restorer(self) -> Path:
        folder = self.root / "restorer"
        card = RestorerCard(name="unet", architecture="unet", options={"width": 1})
        save_restoration(Restoration(build_restorer(card), card), folder)
        return folder

    @cached_property
    def guard(self) -> Path:
        """A calibrated guard with a view, and the state of a drift monitor."""
        folder, clean = self.root / "guard", self.images.tensor(self.images.rows("train"))
        fitted = fit_guard(
            self.victim, clean[:24], names=DETECTORS, views=named_views(["canonical", str(self.restorer)])
        )
        others = clean[24:]
        ready = fitted.calibrate(
            others,
            [f"p{row}" for row in range(len(others))],
            [("PA", "AP")[row % 2] for row in range(len(others))],
            alpha=0.2,
        )
        save_guard(ready, folder)
        monitor = DriftMonitor(ready.calibrated().final)
        monitor.update([0.0, 1.0], ["a", "b"], ["PA", "AP"])
        write_json(folder / "monitor.json", monitor.state())
        return folder

    @cached_property
    def ungrouped(self) -> Path:
        """A guard that knows no groups, for evaluations."""
        folder, rows = self.root / "ungrouped", self.images.rows("train")
        fitted = fit_guard(
            self.victim, self.images.tensor(self.images.rows("validation")), names=("energy", "neighbours")
        )
        save_guard(
            fitted.calibrate(self.images.tensor(rows), [self.images.patients[row] for row in rows], alpha=0.2), folder
        )
        return folder

    @cached_property
    def inputs(self) -> AuditInputs:
        _, report = prepare(
            DataPlan.model_validate(
                json.loads(
                    json.dumps({"source": {"name": "phantoms", "options": {"count": 120, "size": SIZE}}, "size": SIZE})
                )
            ),
            self.data,
            seed=1,
        )
        return AuditInputs(
            classifiers={"victim": self.victim},
            images=self.images,
            report=report,
            source="phantoms",
            curves={
                "victim": {
                    "train_loss": (1.0, 0.5, 0.4),
                    "val_loss": (1.0, 0.7, 0.6),
                    "train_accuracy": (0.3, 0.5, 0.6),
                    "val_accuracy": (0.3, 0.4, 0.6),
                }
            },
            document=yaml.safe_dump(STUDY, sort_keys=False),
        )

    @cached_property
    def run(self) -> Path:
        folder = self.root / "run"
        run_audit(AuditPlan.model_validate(AUDIT), self.inputs, folder)
        return folder

    @cached_property
    def watch(self) -> Path:
        folder = self.root / "watch"
        evaluate_guard(GuardEvaluationPlan.model_validate(WATCH), load_guard(self.ungrouped), self.images, folder)
        figures = FamilyFigures(auroc=Estimate(0.9, 0.8, 1.0, 20), tpr_at_fpr_5=Estimate(0.5, 0.3, 0.7, 20))
        row = FamilyRow(
            family="noise",
            condition=Condition(attack="noise", strength=0.1, measure="deviation"),
            in_family=figures,
            out_of_family=figures,
        )
        FamiliesResult(
            name="tiny",
            model=self.victim.card.as_text(),
            families={"noise": ("noise",)},
            taught_clean=9,
            taught_attacked={"noise": 9},
            images=20,
            patients=10,
            rows=(row,),
            identity=Estimate(0.5, 0.4, 0.6, 20),
            warnings=("few",),
            provenance={},
        ).save(folder / FAMILIES)
        return folder

    @cached_property
    def plans(self) -> Path:
        folder = self.root / "plans"
        folder.mkdir()
        for name, content in (("audit", AUDIT), ("study", STUDY), ("watch", WATCH)):
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        (folder / "option.yaml").write_text(yaml.safe_dump(FOURIER))
        return folder

    @cached_property
    def films(self) -> Path:
        """Images of each kind, tables of them, and the note of attacked ones."""
        folder = self.root / "films"
        folder.mkdir()
        grey = np.uint8(120 + 60 * np.sin(np.arange(40 * 40).reshape(40, 40) / 7))
        Image.fromarray(grey).save(folder / "eight.png")
        Image.fromarray(grey.astype(np.uint16) * 200).save(folder / "sixteen.png")
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(folder / "colour.png")
        Image.fromarray(grey).convert("P").save(folder / "palette.png")
        Image.fromarray(grey).save(folder / "film.jpg")
        write_dicom(folder / "film.dcm", grey.astype(np.uint16) * 16)
        write_json(folder / "attacked.json", ["0" * 64])
        names = ["eight.png", "sixteen.png", "colour.png", "film.jpg", "palette.png", "film.dcm"]
        lines = [
            f"{name},{'ab'[place % 2]},p{place},PA,F,{50 + place},{('train', 'test')[place % 2]},0"
            for place, name in enumerate(names)
        ]
        (folder / "films.csv").write_text(
            "\n".join(["path,label,patient_id,view,sex,age,split,rotation", *lines]) + "\n"
        )
        return folder

    @cached_property
    def nih(self) -> Path:
        """NIH's table, with two films."""
        folder = self.root / "nih"
        (folder / "images").mkdir(parents=True)
        lines = ["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"]
        for number in range(6):
            name = f"0000000{number}_000.png"
            Image.fromarray(np.full((40, 40), 40 * number, np.uint8)).save(folder / "images" / name)
            lines.append(f"{name},{('No Finding', 'Pneumonia', 'Pneumothorax')[number % 3]},0,{number},058Y,F,PA")
        (folder / "Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
        return folder

    @cached_property
    def phantoms(self) -> Path:
        folder = self.root / "phantoms"
        write_phantoms(Phantoms(count=3, size=32, seed=1), folder)
        return folder

    @cached_property
    def study(self) -> Path:
        """Notes of a study under way."""
        folder = self.root / "study"
        folder.mkdir()
        write_json(folder / "timings.json", {"seconds": {"audit": 1.5}, "counted": {"audit": "0" * 64}})
        write_json(folder / "attacked-copies.json", {"key": "0" * 64, "done": 3})
        np.save(folder / "attacked-copies.npy", np.zeros((4, 1, 1, 8, 8), np.uint8))
        write_json(folder / "done.json", {"train_loss": [1.0], "val_loss": [1.0]})
        torch.save({"state_dict": {"weight": torch.ones(2, 2), "bias": torch.ones(2)}}, folder / "last.ckpt")
        return folder


def write_dicom(path: Path, codes: np.ndarray) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID, film.SOPInstanceUID = CTImageStorage, "1.2.3"
    film.Rows, film.Columns = codes.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 12, 11
    film.WindowCenter, film.WindowWidth, film.RescaleSlope, film.RescaleIntercept = 2000, 3000, 1, 0
    film.PatientID, film.ViewPosition, film.PatientAge, film.PatientSex = "p1", "PA", "058Y", "F"
    film.PixelData = codes.tobytes()
    film["PixelData"].VR = "OW"
    film.save_as(path, enforce_file_format=True)
