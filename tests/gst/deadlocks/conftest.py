"""Keeps pytest from importing these programs, some of which hang; test_deadlocks.py runs them."""

collect_ignore_glob = ["*.py"]
