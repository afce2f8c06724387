"""Page: films of an audit's gallery before and after an attack, and behind defences, with what is read of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from radversary.service.access.scopes import Scope
from radversary.service.api.asking import PlatformGiven
from radversary.service.dashboard.pages import page, pages
from radversary.service.dashboard.results import ResultsGiven
from radversary.service.dashboard.visiting import VisitGiven
from radversary.service.store.database import owned
from radversary.service.store.tables import Job

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult, GalleryImage

router = pages()


@dataclass(frozen=True)
class Read:
    """What one system reads of a film.

    Attributes:
        who: ``clean``, ``attacked``, or a defence's label.
        said: Its prediction.
        right: Whether it is right, as the report marks it.
        wrong: Findings that are read wrongly.
    """

    who: str
    said: str
    right: bool
    wrong: tuple[str, ...]


def readings(result: AuditResult, image: GalleryImage) -> list[Read]:
    """Return what is read of a film of the gallery, by the report's own rule of what is right."""
    from radversary.report.gallery import verdict_of

    return [Read(key, found.said, found.right, found.wrong) for key in image.predictions if key != "none"
            for found in [verdict_of(image, key, result)]]


def strengths(result: AuditResult, image: GalleryImage) -> Mapping[int, GalleryImage]:
    """Return the same film under the same attack at every strength that the gallery holds, by number."""
    same = {number: other for number, other in enumerate(result.gallery)
            if (other.image_id, other.condition.attack) == (image.image_id, image.condition.attack)}
    return dict(sorted(same.items(), key=lambda item: item[1].condition.strength))


@router.get("/jobs/{job}/images")
def show_images(request: Request, platform: PlatformGiven, seen: VisitGiven, results: ResultsGiven, job: str,
                image: Annotated[int, Query(ge=0, le=10**6)] = 0,
                defence: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show one film of the gallery, and choose another."""
    seen.actor.need(Scope.READ)
    with platform.database.reading() as session:
        found = owned(session, Job, job, seen.actor.tenant)
    result = results.of(platform, seen.actor, job)
    if not result.gallery:
        return page(request, "images.html", job=found, gallery=(), chosen=None)
    chosen = result.gallery[min(image, len(result.gallery) - 1)]
    restored = chosen.restored or ({"defended": chosen.defended} if chosen.defended else {})
    behind = defence if defence in restored else next(iter(restored), "")
    return page(request, "images.html", job=found, gallery=result.gallery, chosen=chosen,
                number=result.gallery.index(chosen), readings=readings(result, chosen), restored=restored,
                behind=behind, same=strengths(result, chosen), labelled=result.labels == "given")
