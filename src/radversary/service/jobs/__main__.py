"""A worker as a process beside a server, which ends with it: ``python -m radversary.service.jobs HOME``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from radversary.core.errors import RadversaryError
from radversary.service.serving import run_worker
from radversary.service.settings import Settings

DATABASE = "RADVERSARY_DATABASE"
"""Environment variable with the database's URL: a command line is seen by every user of a machine."""

BLOBS = "RADVERSARY_BLOBS"
"""Environment variable with the bucket's URL."""

MAIL = "RADVERSARY_MAIL"
"""Environment variable with the mail server for alerts, whose password is in it."""

RETENTION = "RADVERSARY_RETENTION"
"""Environment variable with the days of retention, where no option gives them."""

REFUSED = 2
"""Exit status where the store cannot be used."""


def main() -> int:
    """Run a worker until it is stopped; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--reserve", type=int, required=True)
    parser.add_argument("--silence", type=float, required=True)
    parser.add_argument("--retention", type=float, default=float(os.environ.get(RETENTION, "0")))
    given = parser.parse_args()
    settings = Settings(home=given.home, database=os.environ.get(DATABASE, ""),
                        blobs=os.environ.get(BLOBS, ""), device=given.device, reserve=given.reserve,
                        silence=given.silence, retention=given.retention, mail=os.environ.get(MAIL, ""))
    try:
        run_worker(settings, follow=True)
    except (RadversaryError, OSError) as error:
        sys.stderr.write(f"worker: {error}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
