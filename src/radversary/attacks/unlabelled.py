"""Labels for attacks on images of which none is known: what the model reads in them."""

from __future__ import annotations

import numpy as np
import torch

from radversary.classifiers.base import Classifier
from radversary.core.types import UNKNOWN, Labels
from radversary.data.prepared import PreparedImages

READ = 32
"""Images that are read at once for their labels."""


def labels_or_readings(images: PreparedImages, classifier: Classifier, rows: np.ndarray) -> Labels:
    """Return the labels of all prepared images; where none has one, what a model decides of some of them.

    Without labels it can be seen how stable readings are: what an attack changes is counted as wrong.

    Args:
        images: The prepared images.
        classifier: The model that reads them.
        rows: Rows that are read where there are no labels; the others stay unknown.

    Returns:
        int64 (N,) or (N, K), on the CPU.
    """
    given = images.labels
    if images.table.labelled:
        return given
    read = [classifier.predict(images.tensor(part)) for part in np.array_split(rows, max(1, len(rows) // READ))]
    own = torch.full((len(given), *read[0].shape[1:]), UNKNOWN)
    own[torch.from_numpy(rows)] = torch.cat(read).cpu()
    return own
