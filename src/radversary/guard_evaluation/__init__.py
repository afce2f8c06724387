"""How well a guard notices attacks, what it costs, and what remains when the attacker knows it."""
