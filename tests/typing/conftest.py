"""The files here are for mypy: checked, never run."""

collect_ignore_glob = ["[!c]*.py", "call*.py"]
