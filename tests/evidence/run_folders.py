"""Run folders to seal: one of few files, and one with tables, pictures, paths and ids in every place they may stand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from audit_factory import audit_result, changed

from radversary.auditing.packed import Characteristic, Readings, SystemReadings, packed
from radversary.auditing.result import AuditResult
from radversary.auditing.subgroups import Subgroups, SubgroupTable, SubgroupTest, SubgroupValue
from radversary.core.types import Estimate
from radversary.evidence.seal import seal
from radversary.report.html import write_report
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import write_json
from radversary.storage.tables import write_table

PATIENTS = ("MRN-0041-Müller", "00081734", "image:case 7/film_b", "Ruiz, Ana")
IMAGES = ("MRN-0041-Müller/film 1", "00081734_002", "case 7/film_b", "Ana_Ruiz.01")
OTHER_PATIENT = "MRN-9999-Okafor"
SITES = ("St Mary Ward 7", "Charité")
SOURCES = ("films of Dr. Lee", "images")
"""The second is a word of every report, and so is replaced only where it stands as a source."""
PLACES = ("/srv/st-mary/films", "/home/dr_lee", "http://pacs.st-mary.org:8042/read")


def small_run(folder: Path) -> Path:
    """A folder with a result, a table, a picture, a card, weights, prepared images, a cache and a lock."""
    result = audit_result(folder / "elsewhere", images=0)
    predictions = write_table(folder / "predictions.parquet", pd.DataFrame({"image_id": ["a1b2"], "p": [0.5]}))
    changed(result, provenance={"predictions sha256": sha256_file(predictions), "victim sha256": "ab" * 32,
                                "images sha256": "cd" * 32}).save(folder / "result.json")
    for name, content in {"report.html": b"<p>", "plan.yaml": b"seed: 1\n", "figures/a.svg": b"<svg/>",
                          "figures/gallery/b.png": b"\x89PNG", "models/victim/card.json": b"{}",
                          "models/victim/model.safetensors": b"weights", "data/prepared/images.npy": b"pixels",
                          "units/ab/c.parquet": b"unit", ".lock": b"1"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def naming_run(folder: Path) -> AuditResult:
    """Write a run folder that names patients wherever one may, and return its result."""
    result = audit_result(folder, images=len(IMAGES))
    rows = pd.DataFrame({"image_id": IMAGES, "patient_id": PATIENTS, "attack": "clean", "strength": 0.0,
                         "label": "Normal", "predicted": [f"see {name}" for name in IMAGES], "p_Normal": 0.5})
    for name in ("predictions", "detections", "outcomes"):
        write_table(folder / f"{name}.parquet", rows if name == "predictions" else rows.drop(columns="patient_id"))
    gallery = tuple(renamed(folder, image, name) for image, name in zip(result.gallery, IMAGES, strict=True))
    data = result.data.model_copy(update={
        "source": f"image-folder (root={Path(PLACES[0]).name}, size=48), 48 px; patients divided",
        "left_out": (f"cannot read {PLACES[0]}/{OTHER_PATIENT}.dcm: it is no image",),
        "warnings": (f"patients {PATIENTS[0]} and {PATIENTS[1]} are alike", f"read from {PLACES[0]}/{IMAGES[1]}.png",
                     f"films of {SITES[0]} and {SITES[1]} are darker; images are few")})
    result = with_sites(result.model_copy(update={"data": data}))
    made = changed(result, gallery=gallery, provenance={
        **result.provenance, "predictions sha256": sha256_file(folder / "predictions.parquet"),
        "victim sha256": "ab" * 32, "command": f"radversary audit --model {PLACES[1]}/m.onnx --seed 7"},
        model={**result.model, "notes": f"trained in {PLACES[1]}, asked at {PLACES[2]}; not on {IMAGES[3]}"})
    made.save(folder / "result.json")
    write_json(folder / "environment.json", {"python": "3.11", "command": ["radversary", "audit", "--root", PLACES[0]]})
    write_json(folder / "measurement.json", {IMAGES[2]: [f"of {PATIENTS[3]}", 1.5]})
    write_json(folder / "models" / "victim" / "card.json", {"notes": f"not on {IMAGES[0]}"})
    (folder / "figures" / "own.svg").write_text(f"<svg>{IMAGES[0]}</svg>", encoding="utf-8")
    (folder / "notes.txt").write_text(IMAGES[0], encoding="utf-8")
    (folder / "plan.yaml").write_text(f"data:\n  source:\n    name: image-folder\n    options:\n"
                                      f"      root: {PLACES[0]}\n      size: 48\n"
                                      f"models:\n  victim: {PLACES[1]}/m.onnx\n", encoding="utf-8")
    (folder / "data" / "prepared").mkdir(parents=True)
    (folder / "data" / "prepared" / "table.csv").write_text(
        f"image_id,path,patient_id\nx-ray-77,{PLACES[0]}/x-ray-77.png,{OTHER_PATIENT}\n", encoding="utf-8")
    write_report(folder)
    return made


def with_sites(result: AuditResult) -> AuditResult:
    """The result with sites and sources wherever a result may hold them."""
    known = {"site": (*SITES, "unknown"), "source": SOURCES, "sex": ("F", "M")}
    of = packed([0, 1, 0, 1])
    tables = tuple(SubgroupTable(name=kind, values=tuple(SubgroupValue(value=value, images=40, patients=20)
                                                         for value in values)) for kind, values in known.items())
    tests = tuple(SubgroupTest(characteristic=kind, defence="none", moment="clean", best=values[0], worst=values[1],
                               gap=Estimate(0.2, 0.1, 0.3, 80), p_value=0.01, adjusted=0.02, differs=True)
                  for kind, values in known.items())
    readings = Readings(
        images=4, labels=of, patients=packed(range(4)), pictures=packed(range(4)),
        characteristics={kind: Characteristic(values=values, of=of) for kind, values in known.items()},
        read=(SystemReadings(defence="none", condition="clean@0", images=packed(range(4)), read=of),))
    data = result.data.model_copy(update={"characteristics": {
        **result.data.characteristics, **{kind: dict.fromkeys(values, 2) for kind, values in known.items()}}})
    return result.model_copy(update={"data": data, "readings": readings,
                                     "subgroups": Subgroups(tables=tables, tests=tests)})


def renamed(folder: Path, image, name: str):
    """A gallery image of another id, whose pictures are named by it."""
    kinds = ("original", "attacked", "difference", "defended", "evidence")
    files = {kind: getattr(image, kind) for kind in kinds if getattr(image, kind)}
    moved = {}
    for kind, old in files.items():
        moved[kind] = f"figures/gallery/{name.replace('/', '_')}-{kind}.png"
        (folder / moved[kind]).parent.mkdir(parents=True, exist_ok=True)
        if (folder / old).exists():
            (folder / old).rename(folder / moved[kind])
    return image.model_copy(update={"image_id": name, "restored": {}, **moved})


def sealed(folder: Path, key=None) -> Path:
    """A small run, sealed."""
    seal(small_run(folder), key)
    return folder
