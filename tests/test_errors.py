"""Errors that people read say what, where and what to try, wherever they come from."""

from __future__ import annotations

import pytest

from lab_helpers.clusters.errors import ClusterError, NotExecuted
from lab_helpers.course.errors import ApiError, CourseError, UnknownTask
from lab_helpers.errors import AdvisedError

ERRORS = [ClusterError, NotExecuted, CourseError, ApiError, UnknownTask]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_what_where_and_what_to_try(kind: type[AdvisedError]) -> None:
    error = kind("no such pod", where="shop", try_="kubectl get pods")
    assert str(error) == "no such pod\nwhere: shop\ntry:   kubectl get pods"
    assert str(kind("no such pod")) == "no such pod"


@pytest.mark.parametrize("kind", ERRORS)
def test_a_notebook_shows_the_message_instead_of_a_traceback(kind: type[AdvisedError]) -> None:
    lines = kind("no such pod", try_="look")._render_traceback_()  # the method IPython asks for
    assert lines == ["✖ no such pod\ntry:   look"]
