"""Keeps pytest from importing these scripts, which crash or never end; test_hazards.py runs them."""

collect_ignore_glob = ["*.py"]
