"""Keeps pytest from importing these programs; the tests beside this folder run them in child processes."""

collect_ignore_glob = ["*.py"]
