"""Options with which attacks take little time on tiny victims, for the tests that take each attack by its name."""

from __future__ import annotations

STYLES = {"count": 5, "style_size": 32}
SMALL = {"style-transfer": STYLES, "worst-style": {**STYLES, "k": 3, "generator": "pyramid"},
         "style-code": {**STYLES, "steps": 4}, "stm": {**STYLES, "copies": 3, "steps": 3}, "i-fgsm": {"steps": 3},
         "mi-fgsm": {"steps": 3}, "di-fgsm": {"steps": 3}, "pgd": {"steps": 3},
         "evasive-pgd": {"steps": 3}, "evasive-style": {**STYLES, "k": 3, "generator": "pyramid"},
         "equal-noise": {"like": {"name": "style-transfer", "options": STYLES}}}
SMALL |= {"apgd": {"steps": 5}, "apgd-t": {"steps": 5}, "fab": {"steps": 5}, "pgd-l2": {"steps": 3, "restarts": 2}}
SMALL |= {"carlini-wagner": {"searches": 7, "steps": 30}, "ddn": {"steps": 40}, "deepfool": {"steps": 5}}
SMALL |= {"simba": {"queries": 300, "steps": 20}, "square": {"queries": 40}, "zoo": {"queries": 400}}
SMALL |= {"auto-attack": {"steps": 3, "targets": 2, "queries": 20}}
SMALL |= {"evasive-features": {"steps": 3}}
SMALL |= {"hopskipjump": {"queries": 300}, "boundary": {"queries": 300}}
SMALL |= {name: {"steps": 3} for name in ("affine", "bias-field", "curve", "line-pattern")}
SMALL |= {"ti-fgsm": {"steps": 3, "kernel": 5}, "si-fgsm": {"steps": 3, "copies": 3},
          "vmi-fgsm": {"steps": 3, "neighbours": 3},
          "admix": {"steps": 3, "pictures": 2, "scales": 2, "portion": 1.0, **STYLES}}
SMALL |= {"uap": {"epochs": 3}, "uap-data-free": {"steps": 3}, "patch": {"epochs": 3}}
