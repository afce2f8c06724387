"""``radversary attack``: attack images and save them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import say, tell_result
from radversary.cli.run import DeviceOption


def attack(
    images: Annotated[list[Path], typer.Argument(help="Image files or folders (PNG, JPEG, DICOM).")],
    out: Annotated[Path, typer.Option(help="Folder for the attacked images.")] = Path("attacked"),
    name: Annotated[str, typer.Option(help="Attack; see `radversary list attacks`.")] = "style-transfer",
    option: Annotated[list[str] | None, typer.Option(help="Hyper-parameter as name=value, such as generator=fourier or "
                                                          "styles=my/pictures; repeatable.")] = None,
    strength: Annotated[list[float] | None, typer.Option(help="Opacity or other strength; repeatable.")] = None,
    size: Annotated[int, typer.Option(min=32, max=4096, help="Side in pixels.")] = 224,
    resize: Annotated[str, typer.Option(help="How a film becomes square: stretch, pad or centre-crop.")] = "stretch",
    interpolation: Annotated[str, typer.Option(help="bilinear, bicubic, nearest or area.")] = "bilinear",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of everything random.")] = 42,
    device: DeviceOption = "auto",
) -> None:
    """Attack images at one or more strengths; a model is needed only by attacks that use one.

    No film is overwritten: the folder of the attacked images is none of those that films are taken from, and a picture
    of another film or another attack that lies there stays. The same command may be repeated.
    """
    from radversary.attacks.registry import ATTACKS
    from radversary.cli.data import source_options
    from radversary.core.errors import DataError, UnreadableImageError
    from radversary.imaging.rules import rule_of
    from radversary.storage.files import refuse_absent

    options = source_options(name, None, None, option)
    ATTACKS.check(name, options)
    rule = rule_of(size=size, resize=resize, interpolation=interpolation)
    refuse_absent(images)

    from radversary.cli.pictures import attack_file, image_files, note_attacked, refuse_among_inputs
    from radversary.execution.devices import select_device

    chosen = ATTACKS.create(name, **options)
    place = select_device(device)
    files = image_files(images)
    strengths = list({f"{value:.12g}": value for value in strength or [1.0]}.values())  # each names a file of its own
    refuse_among_inputs(files, images, out, strengths)
    made: list[Path] = []
    left_out: list[UnreadableImageError] = []
    try:
        for path, film in files.items():
            if film != path.stem:
                say(f"{path} is called {film} in {out}")
            try:
                for target in attack_file(chosen, path, film, out, rule=rule, seed=seed, strengths=strengths,
                                          device=place):
                    made.append(target)
                    tell_result(str(target))
            except UnreadableImageError as error:
                say(f"left out: {error}")
                left_out.append(error)
    finally:
        note_attacked(made, out)
    if len(left_out) == len(files):
        raise DataError(f"none of {len(files)} files could be attacked; the first: {left_out[0]}")
    say(f"{len(files) - len(left_out)} of {len(files)} images attacked with {chosen!r}")
