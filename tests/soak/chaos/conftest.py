"""Keeps pytest from importing the chaos program; test_chaos.py runs it in child processes."""

collect_ignore_glob = ["*.py"]
