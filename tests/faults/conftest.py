"""The ground that a module's schedules are played on; a longer life would lie under other tests too."""

import logging
from collections.abc import Iterator

import pytest

from tests.faults.campaign import Profile, profile
from tests.faults.ground import Ground, ground


@pytest.fixture(scope="module")
def common_ground() -> Iterator[Ground]:
    logging.disable(logging.CRITICAL)
    try:
        with ground() as made:
            yield made
    finally:
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def clean(common_ground: Ground) -> Profile:
    return profile(common_ground)
