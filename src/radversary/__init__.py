"""Adversarial validation for medical-imaging AI."""

import os

__version__ = "0.1.0"

# OpenMP's threads wait for each other by spinning unless they are told otherwise before PyTorch is imported. That gains
# a tenth on idle cores; on two cores it loses half beside one busy process, and more beside several.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
