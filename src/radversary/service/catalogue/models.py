"""Models: registered by path or upload, checked, looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.errors import ForbiddenError
from radversary.service.platform import Platform
from radversary.service.retention.naming import refuse_removed
from radversary.service.store.log import note
from radversary.service.store.tables import Model

if TYPE_CHECKING:
    from radversary.classifiers.base import Classifier


def register_model(platform: Platform, by: Actor, *, name: str, path: str) -> Model:
    """Register a model that lies on the server, after it was loaded and asked about images.

    Args:
        platform: The platform.
        by: Who asks.
        name: What people will call it.
        path: Its folder or file: a saved model, weights with a card, ONNX, a MONAI bundle, or the description of a
            server that answers. Nothing in it is executed.

    Raises:
        ForbiddenError: The key does not allow it, or the path lies elsewhere than it may.
        InputError: No name, or no model that can be loaded.
    """
    by.need(Scope.WRITE)
    platform.check_room()
    if not name.strip():
        raise InputError("a model has a name")
    place = platform.place(by, path)
    _refuse_addresses(platform, place)
    classifier, warnings = loaded(str(place), platform.settings.device)
    from radversary.study.audit_model import weights_hash

    model = Model(tenant=by.tenant, name=name.strip()[:200], reference=platform.blobs.portable(str(place)),
                  sha256=weights_hash(classifier), card=classifier.card.model_dump(mode="json"), warnings=warnings)
    with platform.database.session() as session:
        session.add(model)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="model.register", subject=model.id,
             detail={"name": model.name, "sha256": model.sha256})
        refuse_removed(session, platform.settings, model.reference)
    return model


def _refuse_addresses(platform: Platform, place: Path) -> None:
    """Refuse an uploaded description of a model behind an address: this server would ask that address.

    Raises:
        ForbiddenError: It is one.
    """
    from radversary.classifiers.registry import CLASSIFIERS

    uploaded = place.is_relative_to(platform.settings.folder().resolve())
    if uploaded and CLASSIFIERS.create("http").recognises(str(place)):
        raise ForbiddenError("a model behind an address is registered from a folder that the server was started with "
                             "(--allow DIR), not by an upload")


def loaded(reference: str, device: str) -> tuple[Classifier, list[str]]:
    """Load a model without running code of it, and ask it about images; returns it with what is suspicious.

    Raises:
        ModelError: It cannot be loaded.
    """
    from radversary.classifiers.probe import check_answers
    from radversary.execution.devices import select_device
    from radversary.study.placing import load_alone

    classifier = load_alone(reference, device=select_device(device), allow_code=False)
    suspicion = check_answers(classifier).suspicion(classifier.card.name)
    return classifier, [suspicion] if suspicion else []
