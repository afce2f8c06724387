"""Synthetic chest radiographs with ground truth."""

from radversary.data.phantoms.folder import is_written, write_phantoms
from radversary.data.phantoms.generate import CLASSES, PhantomBatch, PhantomRecord, Phantoms

__all__ = ["CLASSES", "PhantomBatch", "PhantomRecord", "Phantoms", "is_written", "write_phantoms"]
