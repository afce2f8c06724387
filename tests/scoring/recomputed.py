"""The score computed again from docs/score.md alone, by someone who had not seen the code.

``python recomputed.py RESULT.json PROFILE.yaml`` prints what it finds.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import yaml

Z, SAME, INF = 1.6448536269514722, 1e-9, float("inf")
NOT_AIMED = ("control", "noise", "corruption")
SECTIONS = {"WB": "white_box", "ST": "style", "BB": "black_box", "DT": "detection", "CO": "corruption", "CU": "clean"}


def unpack(text: str) -> np.ndarray:
    """Return the numbers that result.json packs into `text`."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4") if text else np.zeros(0, "<i4")


class System:
    """What was read of one system: rows are images, columns findings (one column where the task is of classes)."""

    def __init__(self, result: dict, name: str) -> None:
        """Unpack the readings of the system `name` under each condition."""
        packed, k, several = result["readings"], len(result["classes"]), result["task"] == "multilabel"
        self.names, self.several, self.runs = [one.lower() for one in result["classes"]], several, []
        self.guarded = any(entry["flagged"] for entry in packed["read"] if entry["defence"] == name)
        self.labels, self.patients = unpack(packed["labels"]).reshape(packed["images"], -1), unpack(packed["patients"])
        self.first = np.isin(np.arange(len(self.labels)), np.unique(unpack(packed["pictures"]), return_index=True)[1])
        self.counted, self.chance = self.first[:, None] & (self.labels >= 0), 0.5 if several else 1 / k
        group = self.labels + 2 * np.arange(self.labels.shape[1])  # of findings two a column, of classes their number
        self.groups = [self.counted & (group == g) for g in range(k * (1 + several))]
        self.cells = {f"{c['attack']}@{c['strength']:g}" + f"/{c['knowledge']}".replace("/oblivious", ""): cell
                      for cell in result["cells"] if cell["defence"] == name for c in [cell["condition"]]}
        for entry in (entry for entry in packed["read"] if entry["defence"] == name):
            run, at, zeros = self.cells[entry["condition"]]["condition"], unpack(entry["images"]), 0 * self.labels
            aimed, seen, read, alarm = run["family"] not in NOT_AIMED, zeros > 0, zeros - 1, zeros > 0
            seen[at], read[at] = True, unpack(entry["read"]).reshape(len(at), -1)
            alarm[at] = (unpack(entry["flagged"]) > 0)[:, None] if entry["flagged"] else False
            self.runs.append(run | {"seen": seen, "read": read, "alarm": alarm, "aimed": aimed, "linf": (
                run["epsilon"] if aimed and run["norm"] == "linf" else np.nan),
                "fooled": seen & (read != self.labels) & ~alarm})
        self.clean = next(run for run in self.runs if run["attack"] == "clean")
        self.usable = self.clean["seen"] & (self.clean["read"] == self.labels) & ~self.clean["alarm"]

    def rate(self, hits: np.ndarray, among: np.ndarray) -> tuple[float, float]:
        """Return the mean over patients of their share of hits among some readings, and its lower bound by Wilson."""
        who, of = np.unique(self.patients[among.nonzero()[0]], return_inverse=True)
        n, p = max(1, len(who)), float(np.sum(np.bincount(of, hits[among]) / np.bincount(of))) / max(1, len(who))
        return p, max(0.0, (p + Z**2 / 2 / n - Z * (p * (1 - p) / n + Z**2 / 4 / n**2) ** 0.5) / (1 + Z**2 / n))

    def value(self, required: list[list[dict]], others: list[dict]) -> float:
        """Return the bound less chance of a part; of each required attack it takes the list of its conditions."""
        needed = [run for runs in required for run in runs]
        among = np.all([self.counted, *(run["seen"] for run in needed)], axis=0)
        safe = ~np.any([~self.usable, *(run["fooled"] for run in needed + others)], axis=0)
        bound = float(np.mean([self.rate(safe, among & group)[1] for group in self.groups]))
        return max(0.0, (bound - self.chance) / (1 - self.chance)) if all(required) else 0.0

    def up_to(self, key: str, limits: dict[str, float]) -> list[dict]:
        """Return the conditions of some families (`all` of them) up to a strength, or an L∞ bound (`linf`)."""
        return [r for r in self.runs if r[key] <= limits.get(r["family"], limits.get("all", -INF)) + SAME]

    def least(self, attack: str, key: str, limits: dict[str, float]) -> list[dict]:
        """Return an attack's conditions at the least strength (or `linf`) that is not below its family's limit."""
        found = [r for r in self.runs if r["attack"] == attack
                 and r[key] >= limits.get(r["family"], limits.get("all", INF)) - SAME]
        return [run for run in found if run[key] <= min(r[key] for r in found) + SAME]

    def parts(self, profile: dict, listed: bool) -> list[tuple[str, float, list[list[dict]], list[dict]]]:
        """Return of each part its sub-score, its share, the conditions of each required attack, and the others."""
        white, black, rot = profile["white_box"], profile["black_box"], profile["corruption"]
        all_of = lambda item: item["attacks"] + item["guard_attacks"] * self.guarded  # noqa: E731
        specs = [("WB", b["share"], all_of(white), "linf", {"all": b["epsilon"]}) for b in white["bounds"]]
        specs += [("ST", t["share"], all_of(t), "strength", t["strengths"]) for t in profile["style"]["tiers"]]
        specs += [("BB", 1.0, black["attacks"], "linf", dict.fromkeys(black["families"], black["epsilon"]))]
        made, each = [("CU", 1.0, [], [])], 1 / len(rot["kinds"]) / len(rot["severities"])
        specs += [("CO", each, [k], "strength", {"corruption": s}) for k in rot["kinds"] for s in rot["severities"]]
        for code, share, attacks, key, limits in specs:
            needed = [self.least(attack, key, limits) if listed else [] for attack in attacks]
            if code == "WB":  # its budget is the bound that was run
                limits = {"all": max((run[key] for runs in needed for run in runs), default=0.0)}
            exact = [[run for run in runs if run[key] <= limits.get("corruption", INF) + SAME] for runs in needed]
            made.append((code, share, exact, [] if code == "CO" else self.up_to(key, limits)))
        return made

    def detection(self) -> float:
        """Return the lower bound of alarms under the worst attack, less the share of alarms on clean images."""
        aimed = [run for run in self.runs if run["aimed"]]
        top = {run["attack"]: run["strength"] for run in sorted(aimed, key=lambda run: run["strength"])}
        lows = [self.rate(run["alarm"], self.counted & run["seen"])[1] for run in aimed
                if run["strength"] >= top[run["attack"]] - SAME] or [0.0]
        return max(0.0, min(lows) - self.rate(self.clean["alarm"], self.counted & self.clean["seen"])[0])

    def gap(self, characteristics: dict, least: int) -> float:
        """Return the greatest lower bound of a difference in usable readings between two values of a characteristic."""
        tables = [[unpack(one["of"]) == i for i, value in enumerate(one["values"]) if value != "unknown"]
                  for one in characteristics.values()]
        found = [[(*self.rate(self.usable, self.counted & rows[:, None]),
                   1 - self.rate(~self.usable, self.counted & rows[:, None])[1]) for rows in table
                  if (self.first & rows).sum() >= least] for table in tables]
        return max((p - q - ((p - low) ** 2 + (high - q) ** 2) ** 0.5 for values in found
                    for p, low, _ in values for q, _, high in values), default=0.0)

    def unknown(self, characteristics: dict, needed: list[str]) -> float:
        """Return the least share of the counted images of which a needed characteristic is known."""
        images, none = self.counted.any(1), {"values": ["unknown"], "of": None}
        tables = [characteristics.get(name, none) for name in needed]
        codes = [0 * self.patients if table["of"] is None else unpack(table["of"]) for table in tables]
        return min(np.mean(np.array(table["values"])[code[images]] != "unknown")
                   for table, code in zip(tables, codes, strict=True))

    def missed(self, profile: dict) -> float:
        """Return the greatest lower bound of the misreadings of a critical pair at the faintest budgets."""
        faint = next(tier["strengths"] for tier in profile["style"]["tiers"] if tier["name"] == "faint")
        runs, bounds = [self.clean, *self.up_to("linf", {"all": 1 / 255}), *self.up_to("strength", faint)], [0.0]
        self.names = ["normal" if name in profile["normal_names"] else name for name in self.names]
        others = {"absent": 0} if self.several else {name: index for index, name in enumerate(self.names)}
        for found, read in ((pair["found"].lower(), pair["read"].lower()) for pair in profile["critical_pairs"]):
            if found in self.names and read in others:  # (no clean reading that is usable is a hit)
                there = self.usable & self.groups[self.names.index(found) * (1 + self.several) + self.several]
                there = np.all([there, *(run["seen"] for run in runs if run["evades"])], axis=0)
                hits = np.any([run["fooled"] & (run["read"] == others[read]) for run in runs], axis=0)
                bounds.append(self.rate(hits, there)[1])
        return max(bounds)


def score(result: dict, profile: dict, name: str) -> dict:
    """Return the score of one system: sub-scores, caps, number, level of evidence, images and letter."""
    system, listed, limits = System(result, name), result["battery"] in profile["batteries"], profile["caps"]
    weights, parts = {c: profile[section]["weight"] for c, section in SECTIONS.items()}, system.parts(profile, listed)
    values = {c: sum(100 * s * system.value(n, o) for code, s, n, o in parts if code == c) for c in weights}
    gap = system.gap(result["readings"]["characteristics"], profile["clean"]["least"]) - profile["clean"]["gap"]
    values |= {"DT": 100 * listed * system.detection(), "CU": max(0.0, values["CU"] - 100 * max(0.0, gap))}
    values, missed = {code: round(value, 1) for code, value in values.items()}, system.missed(profile)
    covered = sum(weights[c] * s for c, s, n, _ in parts if all(n)) / (sum(weights.values()) - weights["DT"])
    of, guarded = result["defences"], any(e["flagged"] for e in result["readings"]["read"] if e["defence"] == name)
    same = [o for o in of if all(of[o][key] == of[name][key] for key in ("model", "transforms"))]
    verdicts = [check["verdict"] for check in result["measurement"] if check["defence"] in (name, *same)]
    sections = [profile["white_box"], *profile["style"]["tiers"], profile["black_box"]]
    known = {label for one in sections for label in one.get("guard_attacks" if guarded else "attacks", [])}
    adaptive = any(r["attack"] in known and r["knowledge"] == "adaptive" and r["evades"] == guarded
                   for r in system.runs)
    probes = [check["figure"]["n"] for check in result["measurement"] if check["defence"] in (name, *same)
              and check["kind"] == profile["evidence"]["probe"] and isinstance(check["figure"], dict)
              and check["verdict"] != "not applicable"]
    clean, need = system.cells["clean@0"]["performance"]["accuracy"], profile["evidence"]
    bare, own = (np.mean([s.rate(s.usable, g)[0] for g in s.groups]) for s in (System(result, "none"), system))
    grave = ("G5F", "fatal") if missed > limits["fatal_share"] else ("G5", "critical")
    caps = {code: limits[cap] for (code, cap), holds in {
        ("G1", "suspect"): "suspect" in verdicts, ("G2", "not_adaptive"): name != "none" and not adaptive,
        ("G3", "clean_cost"): bare - own > limits["clean_points"], grave: missed > limits["critical_share"]}.items()
        if holds}
    number = float(min([round(sum(weights[c] * values[c] for c in weights) / 100, 1), *caps.values()]))
    few, wide = min(g.sum() for g in system.groups) < need["images_a_class"], clean["high"] - clean["low"]
    silent = {"G4": few or wide > need["interval"], "G6": bool(result["data"]["leaks"]),
              "G7": not listed or covered < need["coverage"] - SAME,
              "G8": max(probes, default=0) < need["probe_images"], "G9": not result["data"]["patients_known"]
              or system.unknown(result["readings"]["characteristics"], profile["clean"]["needs"])
              < profile["clean"]["known"]}
    letter = next((letter for letter, least in profile["letters"].items() if number >= least), "F")
    return {"parts": values, "caps": [*caps, *(code for code in silent if silent[code])], "value": number,
            "level": 0 if not listed or covered < 1 - SAME else 1 + adaptive, "n": int(system.counted.any(1).sum()),
            "letter": "" if any(silent.values()) else letter}


def scores(result: dict, profile: dict) -> dict[str, dict]:
    """Return the score of each system of an audit."""
    return {name: score(result, profile, name) for name in result["defences"]}


def main(result: str, profile: str) -> None:
    """Print the scores of the result at one path by the profile at another, as JSON."""
    print(json.dumps(scores(json.loads(Path(result).read_text()), yaml.safe_load(Path(profile).read_text())), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
