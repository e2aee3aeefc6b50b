"""A moment of fuzzing with each run of the suite; ``python -m tests.fuzz`` does it for longer."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=300)
@given(seed=st.integers(0, 2**64 - 1))
def test_whatever_comes_is_an_answer_or_our_error(name: str, seed: int) -> None:
    TARGETS[name](Random(seed))
