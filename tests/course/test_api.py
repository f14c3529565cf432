"""The API as the course uses it: what a learner reads when it is not there."""

from __future__ import annotations

import contextlib
import socket

import pytest
from kubernetes.client import ApiClient, Configuration

from lab_helpers.course.api import Api
from lab_helpers.course.errors import ApiError


def test_a_server_that_is_gone_is_said_in_few_words_and_with_the_way_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as was:
        port = was.getsockname()[1]
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    with contextlib.closing(Api(ApiClient(configuration))) as api, pytest.raises(ApiError) as caught:
        api.list("Pod", "shop")
    assert caught.value.status == 0
    assert "the API server does not answer" in caught.value.what
    assert "Pool(" not in caught.value.what
    assert "!cilium-labs up" in caught.value.try_
