"""debug.tasks() looks for gevent's greenlets among all that the garbage collector knows: let that be little."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick(little_to_collect: None) -> None: ...
