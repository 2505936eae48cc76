"""Which of many similar cases run by default."""

import pytest


def each(cases, by_default):
    """Parameters of a test: the cases `by_default` always run, the others with `pytest -m slow` alone.

    Args:
        cases, by_default: Collections of strings, or of tuples with a value for each parameter.
    """
    assert all(case in cases for case in by_default)
    return some(cases, *(number for number, case in enumerate(cases) if case in by_default))


def some(cases, *numbers, whole=False):
    """The same by numbers, from 0, for cases that cannot be compared.

    Args:
        whole: Whether a tuple is one value.
    """
    cases = [pytest.param(*(case if isinstance(case, tuple) and not whole else [case])) for case in cases]
    return [
        case if number in numbers else pytest.param(*case.values, marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]
