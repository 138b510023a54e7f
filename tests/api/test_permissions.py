"""The permissions to read and to write. Without them a client neither sees a record nor stores one."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.conf import problems_with
from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

LIST = "/system/logs/"
SECRET = "nobody may read this"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        (None, "HEAD", 401),
        (None, "POST", 401),
        (None, "PUT", 401),
        (None, "DELETE", 401),
        ((), "GET", 403),
        ((), "POST", 403),
        (("add",), "GET", 403),
        (("add",), "HEAD", 403),
        (("add",), "POST", 201),
        (("view",), "GET", 200),
        (("view",), "HEAD", 200),
        (("view",), "POST", 403),
        (("view", "add"), "GET", 200),
        (("view", "add"), "POST", 201),
        (("view", "add"), "PUT", 405),
        (("view", "add"), "PATCH", 405),
        (("view", "add"), "DELETE", 405),
        ((), "DELETE", 405),
    ],
)
def test_the_list(client_with: Callable[..., Client], permissions: Any, method: str, status: int, slash: str) -> None:
    SystemLog.objects.create(message=SECRET)
    client = Client() if permissions is None else client_with(*permissions)
    response = client.generic(method, "/system/logs" + slash, json.dumps({"message": "m"}), "application/json")
    assert response.status_code == status
    assert (SECRET.encode() in response.content) == (method == "GET" and status == 200)
    assert SystemLog.objects.count() == 1 + (status == 201)
    assert response.headers["X-Request-ID"]
    if status == 401:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    if status == 405:
        assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    if status >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        ((), "GET", 403),
        (("add",), "GET", 403),
        (("view",), "GET", 200),
        (("view", "add"), "PUT", 405),
        (("view", "add"), "PATCH", 405),
        (("view", "add"), "DELETE", 405),
        (("view", "add"), "POST", 405),
    ],
)
def test_one_record(client_with: Callable[..., Client], permissions: Any, method: str, status: int) -> None:
    record = SystemLog.objects.create(message=SECRET)
    client = Client() if permissions is None else client_with(*permissions)
    response = client.generic(method, f"{LIST}{record.id}/", "{}", "application/json")
    assert response.status_code == status
    assert (SECRET.encode() in response.content) == (status == 200)


def test_an_unknown_id_tells_nothing_to_those_who_may_not_read(client_with: Callable[..., Client]) -> None:
    writer = client_with("add")
    assert writer.get(f"{LIST}{uuid.uuid4()}/").status_code == 403
    assert client_with("view").get(f"{LIST}{uuid.uuid4()}/").status_code == 404


def test_a_writer_who_may_not_read_is_told_id_and_timestamp_alone(client_with: Callable[..., Client]) -> None:
    record = SystemLog.objects.create(message=SECRET)
    writer = client_with("add")
    refused = writer.post(LIST, {"message": "mine", "id": str(record.id)}, "application/json")
    assert refused.status_code == 409
    assert SECRET not in refused.content.decode()
    own = SystemLog.objects.create(message="mine", context={"hidden": SECRET}, recorded_by="add")
    repeated = writer.post(LIST, {"message": "mine", "id": str(own.id)}, "application/json")
    assert repeated.status_code == 200
    assert set(repeated.json()) == {"id", "timestamp"}
    created = writer.post(LIST, {"message": "mine"}, "application/json")
    assert created.status_code == 201
    assert set(created.json()) == {"id", "timestamp"}


def test_a_session_needs_the_csrf_token_to_write(client_with: Callable[..., Client]) -> None:
    user = User.objects.get(pk=client_with("add").session["_auth_user_id"])
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(LIST, {"message": "m"}, "application/json").status_code == 403
    assert not SystemLog.objects.exists()
    strict.get("/admin/login/")
    token = {"X-CSRFToken": strict.cookies["csrftoken"].value} if "csrftoken" in strict.cookies else {}
    assert strict.post(LIST, {"message": "m"}, "application/json", headers=token).status_code == 201


def test_a_session_may_write_a_bulk_beyond_the_limit_of_forms(
    client_with: Callable[..., Client], settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(pk=client_with("add").session["_auth_user_id"]))
    strict.get("/admin/login/")
    token = {"X-CSRFToken": strict.cookies["csrftoken"].value} if "csrftoken" in strict.cookies else {}
    response = strict.post(LIST, [{"message": "m" * 50}] * 4, "application/json", headers=token)
    assert response.json() == {"accepted": 4, "rejected": 0, "errors": []}


def test_the_server_alone_says_who_recorded(client_with: Callable[..., Client]) -> None:
    client = client_with("add", "view")
    assert client.post(LIST, {"message": "m", "recorded_by": "root"}, "application/json").status_code == 400
    assert client.post(LIST, {"message": "m"}, "application/json").json()["recorded_by"] == "add+view"
    assert client.post(LIST, [{"message": "m"}], "application/json").status_code == 202
    assert set(SystemLog.objects.values_list("recorded_by", flat=True)) == {"add+view"}


@pytest.mark.parametrize("end", ["", "histogram/", "facets/?field=level", "export/", "x/"])
def test_no_cache_may_keep_an_answer(client_with: Callable[..., Client], end: str) -> None:
    for client in (client_with("view"), Client()):
        assert client.get(LIST + end).headers["Cache-Control"] == "private, no-store"


def test_the_log_api_may_have_authentication_classes_of_its_own(settings: Any) -> None:
    User.objects.create_superuser("alice", password="correct horse")
    basic = {"Authorization": "Basic " + base64.b64encode(b"alice:correct horse").decode()}
    assert Client().get(LIST, headers=basic).status_code == 401

    own = ["rest_framework.authentication.BasicAuthentication"]
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "AUTHENTICATION_CLASSES": own}

    assert Client().get(LIST, headers=basic).status_code == 200
    assert Client().get(LIST).headers["WWW-Authenticate"] == 'Basic realm="api"'


def test_an_authentication_class_that_is_not_there_is_named() -> None:
    [(key, wrong, _)] = problems_with({"AUTHENTICATION_CLASSES": ["nowhere.Tokens"]})
    assert (key, wrong) == ("AUTHENTICATION_CLASSES", "names 'nowhere.Tokens', which cannot be imported")
