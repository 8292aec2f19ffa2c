"""Fixtures that every room's tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data that lies beside the repository; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("the development data beside the repository (../shared) is absent")
    return SHARED
