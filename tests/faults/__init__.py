"""Faults injected for real into launches; `python -m tests.faults` makes docs/reliability.md of what came of them."""
