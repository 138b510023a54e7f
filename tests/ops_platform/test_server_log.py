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
