"""Errors have the format of the client's protocol, wherever they are raised."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from ops_platform.admission import Admission
from ops_platform.handlers import UTF8WSGIHandler

pytestmark = pytest.mark.django_db

PROTOBUF = "application/x-protobuf"
PATHS = {
    "/v1/logs": "application/json",
    "/elastic/a/_bulk": "application/json",
    "/journald/upload": "application/vnd.fdo.journal",
    "/loki/api/v1/push": "application/json",
}


def is_a_line(response: Any) -> bool:
    return response.headers["Content-Type"].startswith("text/plain") and response.content.count(b"\n") == 1


IN_FORM: dict[str, Callable[[Any], bool]] = {
    "/v1/logs": lambda response: response.json().keys() == {"code", "message"},
    "/elastic/a/_bulk": lambda response: (
        response.json()["status"] == response.status_code
        and response.json()["error"]["reason"] != ""
        and response.headers["X-Elastic-Product"] == "Elasticsearch"
    ),
    "/journald/upload": is_a_line,
    "/loki/api/v1/push": is_a_line,
}


def empty() -> bytes:
    message: Message = ExportLogsServiceRequest()
    return message.SerializeToString()


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer no",
        "Basic !",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Negotiate x",
        "ApiKey é",
    ],
)
def test_without_a_token_it_is_401(path: str, authorization: str | None, send: Callable[..., Any]) -> None:
    response = send(path, b"{}", PATHS[path], headers={"Authorization": authorization})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="systemlog", Bearer'
    assert IN_FORM[path](response)


def test_a_token_that_may_not_write_gets_403(
    path: str, send: Callable[..., Any], new_token: Callable[..., str]
) -> None:
    response = send(path, b"{}", PATHS[path], token=new_token("view"))
    assert response.status_code == 403
    assert IN_FORM[path](response)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer  {}", "ApiKey {}", "ApiKey id:{}", "Basic any:{}", "Basic :{}"])
def test_a_token_is_taken_in_each_form(form: str, token: str, send: Callable[..., Any]) -> None:
    scheme, _, rest = form.format(token).partition(" ")
    if ":" in rest:
        rest = base64.b64encode(rest.encode()).decode()
    response = send("/v1/logs", b"{}", headers={"Authorization": f"{scheme} {rest}"})
    assert response.status_code == 200


def test_a_session_is_no_token(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert client.post("/v1/logs", b"{}", "application/json").status_code == 401


def test_a_protocol_that_is_switched_off_is_404(path: str, send: Callable[..., Any], settings: Any) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "INGEST": []}
    response = send(path, b"{}", PATHS[path])
    assert response.status_code == 404
    assert IN_FORM[path](response)


def test_errors_before_the_view_have_the_form_too(path: str, send: Callable[..., Any], settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["elsewhere.example"]
    response = send(path, b"{}", PATHS[path])
    assert response.status_code == 400
    assert IN_FORM[path](response)
    assert response.headers["X-Request-ID"]


def test_a_crash_has_the_form_too(path: str, send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("systemlog.ingest.mapping.LineMaker.__init__", crash)
    response = send(path, b"{}", PATHS[path])
    assert response.status_code == 500
    assert IN_FORM[path](response)


def test_the_form_of_protobuf_is_protobuf(send: Callable[..., Any]) -> None:
    response = send("/v1/logs", b"\xff", PROTOBUF)
    assert (response.status_code, response.headers["Content-Type"]) == (400, PROTOBUF)
    assert response.content.startswith(b"\x08\x03\x12")


def test_an_unknown_method_or_type_is_refused(send: Callable[..., Any]) -> None:
    assert send("/v1/logs", method="GET").status_code == 405
    assert send("/v1/logs", b"x", "text/plain").status_code == 415
    assert send("/v1/logs", b"x", headers={"Content-Encoding": "br"}).status_code == 415


def test_a_request_that_is_not_admitted_gets_an_error_in_the_form(path: str) -> None:
    application = Admission(UTF8WSGIHandler())
    application.limit(3, patience_s=0.01)
    room = application._requests
    assert room is not None
    assert room.enter()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": PATHS[path],
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(b""),
    }
    said: list[Any] = []
    body = b"".join(application(environ, lambda *given: said.append(given)))
    [(status, headers)] = said
    assert status.startswith("503")

    class Response:
        content = body

        def json(self) -> Any:
            import json

            return json.loads(body)

        @property
        def headers(self) -> Any:
            return dict(headers)

        status_code = 503

    assert IN_FORM[path](Response())
    assert dict(headers)["Retry-After"]
    assert dict(headers)["X-Request-ID"]


@pytest.mark.parametrize(
    "path", ["/loki", "/loki/api/v1/query", "/journald/", "/elastic/no/such", "/elastic/a%0Ab/c", "/loki/a%0A"]
)
def test_an_unknown_path_is_404_in_the_form(path: str, send: Callable[..., Any]) -> None:
    response = send(path, method="GET")
    assert response.status_code == 404
    assert IN_FORM["/elastic/a/_bulk" if path.startswith("/elastic") else "/loki/api/v1/push"](response)
