"""Requests that are limited, through the whole platform: statuses, headers, bodies."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client

from systemlog.problems.testing import assert_problem
from systemlog.testing import captured_records
from tests.support.limits import Limit

IP = {"name": "ip", "by": "ip", "quota": 3, "window": "30s"}
USER = {"name": "user", "by": "user", "quota": 2, "window": 60}
BURST = 3


@pytest.fixture(params=["wsgi", "asgi"])
def get(request: pytest.FixtureRequest, client: Client) -> Any:
    """GET through the sync or the async handler."""
    return client.get if request.param == "wsgi" else async_to_sync(AsyncClient().get)


def told(response: Any) -> tuple[int, str | None, str | None]:
    return response.status_code, response.headers.get("RateLimit"), response.headers.get("Retry-After")


def test_the_quota_is_answered_and_the_next_request_is_429(limit: Limit, get: Any) -> None:
    limit(IP)

    answers = [told(get("/nothing-here")) for _ in range(4)]

    assert answers == [
        (404, '"ip";r=2;t=10', None),
        (404, '"ip";r=1;t=10', None),
        (404, '"ip";r=0;t=10', None),
        (429, '"ip";r=0;t=10', "10"),
    ]


def test_a_refusal_is_a_problem_that_names_the_policy_and_nobody(limit: Limit, client: Client) -> None:
    limit({**IP, "quota": 1})
    client.get("/nothing-here")

    response = client.get("/nothing-here")

    problem = assert_problem(response, status=429, type="too-many-requests")
    assert problem.extensions == {"violated-policies": ["ip"]}
    assert response.headers["RateLimit-Policy"] == '"ip";q=1;w=30'
    assert response.headers["Cache-Control"] == "no-store"
    assert b"127.0.0.1" not in response.content


def test_the_members_of_a_refusal_are_in_the_schema(limit: Limit, client: Client) -> None:
    described = client.get("/schema", {"format": "json"}).json()["components"]["schemas"]["Problem"]["properties"]
    limit({**IP, "quota": 1})
    client.get("/nothing-here")

    assert client.get("/nothing-here").json().keys() <= described.keys()


def test_a_browser_gets_a_page(limit: Limit, client: Client) -> None:
    limit({**IP, "quota": 1})
    client.get("/admin/login/")

    response = client.get("/admin/login/", headers={"Accept": "text/html"})

    assert told(response) == (429, '"ip";r=0;t=30', "30")
    assert response.headers["Content-Type"].startswith("text/html")


def test_probes_and_static_files_are_never_limited(limit: Limit, get: Any) -> None:
    limit({**IP, "quota": 1})
    get("/nothing-here")

    for _ in range(3):
        for path in ("/system-health/live", "/static/nothing.css"):
            response = get(path)
            assert response.status_code in (200, 404)
            assert "RateLimit" not in response.headers
    assert get("/nothing-here").status_code == 429


def test_each_address_has_a_quota_of_its_own(limit: Limit, client: Client) -> None:
    limit({**IP, "quota": 1})

    for address in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        assert client.get("/nothing-here", REMOTE_ADDR=address).status_code == 404
    assert client.get("/nothing-here", REMOTE_ADDR="2001:db8:0:1::2").status_code == 429


def test_the_burst_may_be_less_than_the_quota(limit: Limit, client: Client) -> None:
    limit({**IP, "quota": 60, "window": "1m", "burst": 2})

    assert [client.get("/nothing-here").status_code for _ in range(3)] == [404, 404, 429]


def test_a_policy_of_routes_and_methods_leaves_others_alone(limit: Limit, client: Client) -> None:
    limit({**IP, "quota": 1, "routes": ["/some/*"], "methods": ["POST"], "exempt": ["/some/free*"]})

    for _ in range(2):
        assert client.get("/some/thing").status_code == 404
        assert client.post("/other/thing").status_code == 404
        assert client.post("/some/free/thing").status_code == 404
    assert "RateLimit" not in client.get("/some/thing").headers
    assert [client.post("/some/thing").status_code for _ in range(2)] == [404, 429]


def test_of_several_policies_the_strictest_tells(limit: Limit, client: Client) -> None:
    limit({**IP, "name": "day", "quota": 100, "window": "1d"}, {**IP, "quota": 1})

    answers = [client.get("/nothing-here") for _ in range(2)]

    assert [told(answer)[1] for answer in answers] == ['"ip";r=0;t=30', '"ip";r=0;t=30']
    assert answers[0].headers["RateLimit-Policy"] == '"day";q=100;w=86400, "ip";q=1;w=30'
    assert answers[1].json()["violated-policies"] == ["ip"]


def test_whoever_waits_as_long_as_told_is_admitted_by_every_policy(limit: Limit, client: Client) -> None:
    limit({**IP, "name": "slow", "quota": 2, "window": "1m"}, {**IP, "name": "fast", "quota": 1, "window": "10s"})
    client.get("/nothing-here")

    response = client.get("/nothing-here")

    assert response.json()["violated-policies"] == ["fast"]
    assert response.headers["Retry-After"] == "30"  # what "slow" needs


def test_without_policies_there_is_no_header(client: Client) -> None:
    response = client.get("/nothing-here")

    assert "RateLimit" not in response.headers
    assert "RateLimit-Policy" not in response.headers


@pytest.fixture
def tokens(db: None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Two tokens of one user, who may read logs."""
    found = []
    for _ in range(2):
        call_command("issue_token", "reader", "--can=read")
        found.append(capsys.readouterr().out.split()[-1])
    return found


def read(client: Client, token: str) -> HttpResponse:
    return client.get("/system/logs/", headers={"Authorization": f"Bearer {token}"})


def test_the_tokens_of_a_user_share_a_quota(limit: Limit, client: Client, tokens: list[str]) -> None:
    limit(USER)
    second = tokens[1]

    answers = [told(read(client, second)) for _ in range(2)]

    assert answers == [(200, '"user";r=1;t=30', None), (200, '"user";r=0;t=30', None)]
    assert_problem(read(client, second), status=429, type="too-many-requests")


def test_an_invalid_token_has_no_quota_of_its_own(limit: Limit, client: Client, db: None) -> None:
    limit(USER)

    for _ in range(5):
        response = read(client, "invalid")
        assert response.status_code == 401
        assert "RateLimit" not in response.headers


@pytest.mark.django_db
def test_a_flood_of_bad_tokens_costs_no_query(limit: Limit, client: Client, django_assert_num_queries: Any) -> None:
    limit({**IP, "quota": 1})
    read(client, "invalid")

    with django_assert_num_queries(0):
        assert [read(client, "invalid").status_code for _ in range(5)] == [429] * 5


def test_address_and_user_are_told_together(limit: Limit, client: Client, tokens: list[str]) -> None:
    limit({**IP, "quota": 100}, USER)

    response = read(client, tokens[1])

    assert response.headers["RateLimit-Policy"] == '"ip";q=100;w=30, "user";q=2;w=60'
    assert response.headers["RateLimit"] == '"user";r=1;t=30'


def by_agent(request: Any) -> str | None:
    return request.headers.get("User-Agent")


def test_a_function_of_the_project_says_by_what_a_request_is_counted(
    limit: Limit, client: Client, tokens: list[str]
) -> None:
    limit({**USER, "name": "agent", "by": f"{__name__}.by_agent", "quota": 1})

    def ask(agent: str) -> int:
        headers = {"Authorization": f"Bearer {tokens[1]}", **({"User-Agent": agent} if agent else {})}
        return client.get("/system/logs/", headers=headers).status_code

    assert [ask("a"), ask("a"), ask("b"), ask(""), ask("")] == [200, 429, 200, 200, 200]


def test_the_session_of_a_user_counts_too(limit: Limit, client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("alice"))
    limit(USER)

    assert [client.get("/system/logs/").status_code for _ in range(3)] == [200, 200, 429]


def test_a_refusal_does_not_get_a_record_each(limit: Limit, client: Client) -> None:
    from systemlog.limits.refusals import refusals

    limit({**IP, "quota": 1})
    client.get("/nothing-here", REMOTE_ADDR="192.0.2.1")
    with captured_records() as records:
        for _ in range(50):
            client.get("/nothing-here", REMOTE_ADDR="192.0.2.1")
        assert not records
        refusals.tell(all_of_them=True)

    (record,) = records
    assert record.level == "WARNING"
    assert record.context["count"] == 50
    assert record.context["policy"] == "ip"
    assert record.context["key"] == "192.0.2.1"


INGEST = [
    ("/v1/logs", {"code": 8, "message": "Request was throttled."}, 429),
    (
        "/elastic/_bulk",
        {
            "error": {
                "root_cause": [{"type": "es_rejected_execution_exception", "reason": "Request was throttled."}],
                "type": "es_rejected_execution_exception",
                "reason": "Request was throttled.",
            },
            "status": 503,
        },
        503,
    ),
]


@pytest.mark.parametrize("policy", [IP, USER], ids=["ip", "user"])
@pytest.mark.parametrize(("path", "body", "status"), INGEST, ids=["otlp", "elastic"])
def test_ingest_paths_refuse_in_the_form_of_their_protocol(
    limit: Limit, client: Client, tokens: list[str], policy: dict[str, Any], path: str, body: object, status: int
) -> None:
    limit({**policy, "quota": 1, "window": 20})

    def send() -> HttpResponse:
        headers = {"Authorization": f"Bearer {tokens[1]}"}
        return client.post(path, b"{}", content_type="application/json", headers=headers)

    assert send().status_code not in (429, 503)
    response = send()

    assert response.status_code == status
    assert response.json() == body
    assert response.headers["Retry-After"] == "20"
    assert response.headers["RateLimit"] == f'"{policy["name"]}";r=0;t=20'
