"""Which of many similar cases run by default."""

import pytest


def each(cases, by_default):
    """Parameters of a test: the cases `by_default` always run, the others with `pytest -m slow` alone.

    Args:
        cases, by_default: Collections of strings, or of tuples with a value for each parameter.
    """
    assert all(case in cases for case in by_default)
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else [case]), marks=[] if case in by_default else [pytest.mark.slow]
        )
        for case in cases
    ]
