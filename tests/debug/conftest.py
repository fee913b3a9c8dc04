"""debug.tasks() looks for gevent's greenlets among all that the garbage collector knows: little, so that it is quick."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick(little_to_collect: None) -> None: ...
