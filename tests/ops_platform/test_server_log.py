import json

import pytest
from gunicorn.config import Config

from ops_platform.server_log import ServerLogger


def test_an_error_of_the_server_is_logged_without_the_query_string(caplog, monkeypatch):
    monkeypatch.setattr(ServerLogger, "setup", lambda self, cfg: setattr(self, "cfg", cfg))
    logger = ServerLogger(Config())
    monkeypatch.setattr(logger.error_log, "propagate", True)
    try:
        raise OSError
    except OSError:
        logger.exception("Error handling request %s", "/schema?version=hunter2")
    assert caplog.messages == ["Error handling request /schema"]


@pytest.mark.e2e
@pytest.mark.any_database
def test_every_line_of_a_server_is_ecs_where_that_is_asked_for(platform):
    platform.environment["LOG_FORMAT"] = "ecs"
    with platform.serve() as server:
        pass
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert lines
    assert all({"@timestamp", "log.level", "message", "ecs.version", "log.logger"} <= line.keys() for line in lines)
