"""``radversary detect``: compare a file with its original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import tell_result
from radversary.cli.run import DeviceOption


def detect(
    original: Annotated[Path, typer.Argument(help="The clean original.")],
    suspect: Annotated[Path, typer.Argument(help="The image in doubt.")],
    edge_threshold: Annotated[float, typer.Option(min=0, help="Alarm above this edge difference (0-255).")] = 10.0,
    ssim_threshold: Annotated[float, typer.Option(max=1, help="Alarm below this SSIM.")] = 0.95,
    evidence: Annotated[Path | None, typer.Option(help="Write edge maps, differences and spectra to this PNG.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Compare an image with its original: edges, SSIM, spectrum, and the thesis' decision.

    Thresholds here are given, not calibrated; an audit calibrates them on clean images. The suspect is resized to the
    original's size first. Exit code 0 without an alarm, 1 with one.
    """
    from radversary.storage.files import refuse_absent, refuse_inputs

    refuse_absent([original, suspect])
    if evidence is not None:
        refuse_inputs([evidence], [original, suspect])

    from radversary.cli.pictures import own_size, read_film
    from radversary.detectors.evidence import draw_evidence
    from radversary.detectors.registry import DETECTORS
    from radversary.detectors.rule import ThesisRule
    from radversary.execution.devices import image_device, select_device
    from radversary.imaging.image import check_side
    from radversary.imaging.intensity import resize
    from radversary.imaging.similarity import WINDOW

    rule = ThesisRule(edge_threshold=edge_threshold, ssim_threshold=ssim_threshold)
    place = image_device(select_device(device))
    clean, doubt = (own_size(read_film(film)).to(place) for film in (original, suspect))
    check_side(clean, WINDOW, who=f"comparing {original.name} with its copy")
    doubt = resize(doubt, (int(clean.shape[-2]), int(clean.shape[-1])))
    for name in DETECTORS.names():
        score = float(DETECTORS.create(name).score(doubt, clean))
        tell_result(f"{name}: {1 - score:.4f} (1 is equal)" if name == "ssim" else f"{name}: {score:.4f} (0 is equal)")
    if evidence is not None:
        tell_result(f"evidence: {draw_evidence(clean[0].cpu(), doubt[0].cpu(), evidence)}")
    alarm = bool(rule.alarms(doubt, clean))
    tell_result("verdict: manipulated" if alarm else "verdict: no sign of manipulation")
    raise typer.Exit(1 if alarm else 0)
