"""Sizes and ages against go-units' own examples and against what Docker 20.10 prints."""

import pytest

from workbench.build.format import human_age, human_duration, human_size, timestamp


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0B"), (3, "3B"), (999, "999B"), (1000, "1kB"), (1024, "1.02kB"), (1_130_000, "1.13MB"), (1_980_000, "1.98MB"),
     (124_000_000, "124MB"), (999_999, "1MB"), (3.42e12, "3.42TB")],
)  # fmt: skip
def test_sizes_as_in_docker_images(size: float, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(("size", "shown"), [(597_504, "597.5kB"), (3072, "3.072kB"), (1_048_576, "1.049MB")])
def test_the_context_has_four_digits(size: int, shown: str) -> None:
    assert human_size(size, digits=4) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(9, "9B"), (102, "102B"), (995, "995B"), (1150, "1.1kB"), (585_400, "585kB"), (999_999, "1MB")]
)
def test_two_digits_leave_no_whole_one_out(size: int, shown: str) -> None:
    assert human_size(size, digits=2) == shown


MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "Less than a second ago"), (0.45, "Less than a second ago"), (1, "1 second ago"), (29, "29 seconds ago"),
     (60, "About a minute ago"), (119, "About a minute ago"), (240, "4 minutes ago"), (59 * MINUTE, "59 minutes ago"),
     (HOUR, "About an hour ago"), (HOUR + 29 * MINUTE, "About an hour ago"), (HOUR + 31 * MINUTE, "2 hours ago"),
     (47 * HOUR, "47 hours ago"), (48 * HOUR, "2 days ago"), (13 * DAY, "13 days ago"), (14 * DAY, "2 weeks ago"),
     (59 * DAY, "8 weeks ago"), (60 * DAY, "2 months ago"), (700 * DAY, "23 months ago"), (730 * DAY, "2 years ago")],
)  # fmt: skip
def test_ages(seconds: float, shown: str) -> None:
    assert human_age(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0.0s"), (0.04, "0.0s"), (0.84, "0.8s"), (59.96, "1m00s"), (65, "1m05s"), (3600, "1h00m"), (7400, "2h03m")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


def test_timestamps_are_utc() -> None:
    assert timestamp(1795517482) == "2026-11-24 10:51:22 +0000 UTC"
