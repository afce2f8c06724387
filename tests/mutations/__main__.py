"""A night's worth of trials in worker processes of limited memory and time."""

from __future__ import annotations

import argparse
import collections
import json
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

MEMORY = 12 * 2**30
"""Bytes of address space of a worker; PyTorch alone maps a few gigabytes."""
SILENCE = 180
"""Seconds without a word after which a worker counts as hung."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="trials")
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0, help="seed of the round")
    parser.add_argument("--out", type=Path, default=Path("runs/mutations"), help="folder for results")
    parser.add_argument("--reader", action="append", help="only this reader; repeatable")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def work(given: argparse.Namespace) -> None:
    """Run trials one after the other, a line of JSON before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))
    import torch

    from .readers import READERS
    from .seeds import Seeds
    from .trial import GOOD, run_trial

    torch.set_num_threads(1)
    words = sys.stdout
    with tempfile.TemporaryDirectory() as root:
        seeds, scratch = Seeds(Path(root) / "seeds"), Path(root) / "trial"
        seeds.root.mkdir()
        for index in range(given.start, given.start + given.count):
            print(json.dumps({"begun": index}), file=words, flush=True)
            outcome = run_trial(
                index, seed=given.seed, seeds=seeds, scratch=scratch, names=given.reader or tuple(READERS)
            )
            if outcome.verdict not in GOOD:
                kept = given.out / "failures" / str(index)
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(scratch, kept)
                (kept / "outcome.txt").write_text(
                    f"{outcome.reader}: {outcome.file} by {outcome.how}\n{outcome.verdict}: "
                    f"{outcome.text}\n\n{outcome.trace}",
                    errors="backslashreplace",
                )
            print(json.dumps(asdict(outcome)), file=words, flush=True)


def supervise(given: argparse.Namespace) -> list[dict]:
    """Start workers until all trials are done; one that dies or falls silent fails its trial."""
    found, at, end = [], given.start, given.start + given.count
    while at < end:
        command = [
            sys.executable,
            "-m",
            "tests.mutations",
            "--worker",
            "--start",
            str(at),
            "--count",
            str(end - at),
            "--seed",
            str(given.seed),
            "--out",
            str(given.out),
            *(word for name in given.reader or () for word in ("--reader", name)),
        ]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        last, reason = at, ""
        for line in lines_of(worker):
            if line is None:
                reason = "hang"
                worker.kill()
                break
            said = json.loads(line)
            if "begun" in said:
                last = said["begun"]
            else:
                found.append(said)
                progress(found, given)
        code = worker.wait()
        if any(item["index"] == end - 1 for item in found):
            break
        reason = reason or f"crash {code}"
        tail = worker.stderr.read()[-2000:]
        found.append(
            {"index": last, "reader": reader_of(last, given), "file": "", "how": "", "verdict": reason, "text": tail}
        )
        print(f"\n{reason} in trial {last}: {tail}", file=sys.stderr)
        at = last + 1
    return found


def lines_of(worker: subprocess.Popen):
    """Yield a worker's lines; None where it falls silent."""
    lines: queue.Queue = queue.Queue()

    def listen() -> None:
        for line in worker.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=SILENCE)
        except queue.Empty:
            yield None
            return
        if not line:
            return
        yield line


def reader_of(index: int, given: argparse.Namespace) -> str:
    import random

    from .readers import READERS, chosen

    return chosen(random.Random(f"{given.seed}/{index}"), given.reader or list(READERS))


def progress(found: list[dict], given: argparse.Namespace) -> None:
    if len(found) % 50 == 0:
        bad = sum(item["verdict"] not in ("accepted", "refused") for item in found)
        print(f"{time.strftime('%H:%M:%S')} {len(found)} of {given.count}, {bad} failed", file=sys.stderr, flush=True)


def summary(found: list[dict]) -> str:
    """Write a table by reader."""
    verdicts = sorted({item["verdict"] for item in found}, key=lambda name: (name not in ("accepted", "refused"), name))
    counts: dict[str, collections.Counter[str]] = {}
    for item in found:
        counts.setdefault(item["reader"], collections.Counter())[item["verdict"]] += 1
    counts["all"] = sum(counts.values(), collections.Counter())
    lines = [f"{'reader':24}" + "".join(f"{name:>12}" for name in ("trials", *verdicts, "seconds"))]
    lines += [
        f"{name:24}"
        + "".join(
            f"{number:>12}"
            for number in (
                row.total(),
                *(row[verdict] for verdict in verdicts),
                round(sum(item.get("seconds", 0) for item in found if name in (item["reader"], "all"))),
            )
        )
        for name, row in counts.items()
    ]
    return "\n".join(lines)


def main() -> int:
    given = arguments()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if given.worker:
        work(given)
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    found = supervise(given)
    (given.out / "outcomes.json").write_text(json.dumps(found, indent=1))
    (given.out / "summary.txt").write_text(table := summary(found) + "\n")
    print(table)
    return int(any(item["verdict"] not in ("accepted", "refused") for item in found))


if __name__ == "__main__":
    sys.exit(main())
