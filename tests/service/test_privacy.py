"""Names, ids and birth dates that films bring are in no log, no answer and no column of a database."""

from __future__ import annotations

import io
import logging
import zipfile

import pytest

from radversary.imaging.png import encode_png
from service.conftest import PLAN, ended

PLANTED = ("Mustermann", "MUSTERMANN", "PID74219", "19431224", "1943-12-24")

NAME = "MUSTERMANN-Erika-PID74219-19431224"


def dicom(seed):
    """A film as DICOM, with what identifies its patient."""
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    film.PatientName, film.PatientID, film.PatientBirthDate = "MUSTERMANN^ERIKA", "PID74219", "19431224"
    film.OtherPatientNames, film.PatientSex, film.PatientAge = "Mustermann", "F", "080Y"
    film.StudyDescription = "Thorax MUSTERMANN 19431224"
    film.Modality, film.PhotometricInterpretation, film.SamplesPerPixel = "DX", "MONOCHROME2", 1
    film.SOPClassUID, film.SOPInstanceUID = DigitalXRayImageStorageForPresentation, meta.MediaStorageSOPInstanceUID
    film.Rows = film.Columns = 64
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PixelData = np.random.default_rng(seed).integers(0, 4095, (64, 64), dtype=np.uint16).tobytes()
    out = io.BytesIO()
    film.save_as(out, enforce_file_format=True)
    return out.getvalue()


def films():
    """A zip of films whose names, tables and headers identify patients; some are broken."""
    import torch

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        rows = ["file,label,patient_id,patient_name,birth_date"]
        for number in range(12):
            name = f"{NAME}-{number}.{'dcm' if number % 2 else 'png'}"
            content = dicom(number) if number % 2 else encode_png(torch.rand(1, 64, 64, generator=torch.Generator(
                ).manual_seed(number)))
            archive.writestr(f"MUSTERMANN/{name}", content)
            rows.append(f"{name},{('Normal', 'Pneumonia')[number % 2]},PID74219-{number},Mustermann,1943-12-24")
        archive.writestr(f"MUSTERMANN/{NAME}-broken.png", b"\x89PNG\r\n\x1a\nbroken")
        rows.append(f"{NAME}-broken.png,Normal,PID74219-b,Mustermann,1943-12-24")
        rows.append(f"{NAME}-absent.png,Normal,PID74219-a,Mustermann,1943-12-24")
        archive.writestr("MUSTERMANN/labels.csv", "\n".join(rows) + "\n")
    return out.getvalue()


def found_in(text):
    return [word for word in PLANTED if word in text]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_identifies_a_patient_is_nowhere(client, worker, shelf, platform, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    answers = []
    client.event_hooks["response"].append(lambda answer: answers.append((str(answer.request.url), answer.read())))
    model = client.post("/v1/models", json={"name": "victim", "path": str(shelf / "model")}).json()["id"]
    path = client.post(f"/v1/uploads/{NAME}.zip", content=films()).json()["path"]
    made = client.post("/v1/datasets", json={"name": "films", "source": "csv", "options": {
        "path": f"{path}/labels.csv"}})
    assert made.status_code == 201, made.text
    client.post("/v1/datasets", json={"name": "films", "options": {"root": path}})
    client.post("/v1/datasets", json={"name": "films", "source": "folder", "options": {"root": path}})
    audit = client.post("/v1/audits", json={"model": model, "dataset": made.json()["id"], "plan": PLAN}).json()["id"]
    clean = client.post("/v1/datasets", json={"name": "clean", "source": "phantoms", "options": {
        "count": 120, "size": 48, "seed": 8}}).json()["id"]
    guard_job = client.post("/v1/guards", json={"model": model, "dataset": clean, "alpha": 0.2}).json()["id"]
    ended(client, audit, within=240)
    assert ended(client, guard_job, within=240)["state"] == "done"
    (guard,) = client.get("/v1/guards").json()["items"]
    for film in (dicom(1), dicom(2)[:-3000], b"\x89PNG broken MUSTERMANN"):
        client.post(f"/v1/guards/{guard['id']}/screenings", content=film)
    batch = client.post(f"/v1/guards/{guard['id']}/batches", json={"path": path}).json()["id"]
    assert ended(client, batch, within=240)["state"] == "done"
    for job in (audit, batch):
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            answers.append((f"events of {job}", stream.read()))
    for list_ in ("models", "datasets", "guards", "jobs", "screenings", "keys", "log"):
        client.get(f"/v1/{list_}")
    assert NAME in (platform.settings.home / "jobs" / batch / "verdicts.jsonl").read_text()  # its uploader's own names
    out = capfd.readouterr()
    leaks = [(place, found_in(text)) for place, text in (
        ("logs", "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))),
        ("stdout", out.out), ("stderr", out.err),  # httpx is the client that the test sends names with
        *((url, body.decode("utf-8", "replace")) for url, body in answers),
        *((path.name, path.read_bytes().decode("latin-1")) for path in platform.settings.home.glob("*.sqlite*")))]
    assert not [(place, words) for place, words in leaks if words]
