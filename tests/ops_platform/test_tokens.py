import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.testing import captured_records

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Who(APIView):
    def get(self, request):
        return Response({"name": request.user.get_username()})

    post = get


urlpatterns = [path("who", Who.as_view()), path("public", lambda request: HttpResponse())]


@pytest.fixture
def issue(capsys):
    def issue(*arguments):
        call_command("issue_token", *arguments)
        return capsys.readouterr().out

    return issue


def permissions_of(name):
    return {
        permission.partition(".")[2] for permission in get_user_model().objects.get(username=name).get_all_permissions()
    }


def ask(client, header):
    return client.get("/who", headers={"Authorization": header})


# -- issuing


def test_the_token_alone_is_on_stdout(issue):
    token = issue("shipper", "--can=write")
    assert token.endswith("\n")
    assert re.fullmatch("opsp_[0-9a-f]{64}", token.strip())


def test_only_a_hash_of_the_token_is_stored(issue):
    token = issue("shipper", "--can=write").strip()
    assert token not in str(AuthToken.objects.values_list())


def test_the_user_of_a_token_cannot_log_in(issue):
    issue("shipper", "--can=write")
    user = get_user_model().objects.get(username="shipper")
    assert not user.has_usable_password()
    assert not user.is_staff


@pytest.mark.parametrize(
    ("options", "permissions"),
    [
        (["--can=read"], {"view_systemlog"}),
        (["--can=write"], {"add_systemlog"}),
        (["--can=read", "--can=write"], {"view_systemlog", "add_systemlog"}),
    ],
)
def test_the_permissions_are_exactly_those_named(issue, options, permissions):
    issue("shipper", *options)
    assert permissions_of("shipper") == permissions


def test_a_second_token_sets_the_permissions_anew_and_leaves_the_first_valid(issue, client):
    first = issue("shipper", "--can=read", "--can=write").strip()
    get_user_model().objects.get(username="shipper").groups.add(Group.objects.create(name="everything"))
    Group.objects.get().permissions.set(Permission.objects.all())
    second = issue("shipper", "--can=write").strip()
    assert permissions_of("shipper") == {"add_systemlog"}
    assert ask(client, f"Bearer {first}").status_code == ask(client, f"Bearer {second}").status_code == 200


@pytest.mark.parametrize(
    "trait",
    [
        {"is_staff": True},
        {"is_superuser": True},
        {"password": "hunter2"},
        {"is_active": False},
        {"email": "ada@example.com"},
        {"last_login": datetime(2026, 1, 31, tzinfo=UTC)},
    ],
)
def test_the_account_of_a_person_gets_no_token(trait):
    password = trait.pop("password", None)
    get_user_model().objects.create_user("ada", password=password, **trait)
    with pytest.raises(CommandError, match="'ada' is a person's account"):
        call_command("issue_token", "ada", "--can=read")
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize(
    "arguments",
    [["shipper"], ["shipper", "--can=delete"], ["", "--can=read"], ["two words", "--can=read"]]
    + [["shipper", "--can=read", f"--expires={age}"] for age in ("0d", "-1d", "90", "d", "1y", "٣d", "999999d")],
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(CommandError):
        call_command("issue_token", *arguments)
    assert not get_user_model().objects.exists()


def test_a_token_lasts_as_long_as_was_said(issue):
    issue("shipper", "--can=read", "--expires=90d")
    remaining = AuthToken.objects.get().expiry - timezone.now()
    assert timedelta(days=89) < remaining <= timedelta(days=90)


def test_a_token_lasts_forever_unless_something_else_was_said(issue):
    issue("shipper", "--can=read")
    assert AuthToken.objects.get().expiry is None


# -- presenting


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_taken_in_any_case(issue, client, scheme):
    answer = ask(client, f"{scheme} {issue('shipper', '--can=read').strip()}")
    assert answer.json() == {"name": "shipper"}


def test_a_token_costs_one_query(issue, client, django_assert_num_queries):
    token = issue("shipper", "--can=read").strip()
    with django_assert_num_queries(1):
        ask(client, f"Bearer {token}")


def test_a_service_user_made_superuser_has_no_more_rights_by_its_token(issue, settings, client):
    settings.ROOT_URLCONF = "ops_platform.urls"
    header = {"Authorization": f"Bearer {issue('shipper', '--can=write').strip()}"}
    get_user_model().objects.filter(username="shipper").update(is_superuser=True, is_staff=True)

    assert client.get("/system/logs/", headers=header).status_code == 403
    assert client.post("/system/logs/", {"message": "m"}, "application/json", headers=header).status_code == 201


@pytest.mark.parametrize("action", ["read", "write"])
def test_a_service_user_given_a_group_has_no_more_rights_by_its_token(issue, settings, client, action):
    settings.ROOT_URLCONF = "ops_platform.urls"
    header = {"Authorization": f"Bearer {issue('shipper', f'--can={action}').strip()}"}
    group = Group.objects.create(name="operators")
    group.permissions.set(Permission.objects.filter(content_type__app_label="systemlog"))
    get_user_model().objects.get(username="shipper").groups.add(group)

    read = client.get("/system/logs/", headers=header)
    written = client.post("/system/logs/", {"message": "m"}, "application/json", headers=header)
    assert (read.status_code, written.status_code) == ((200, 403) if action == "read" else (403, 201))


HEADERS = {
    "empty": "",
    "blank": "  ",
    "scheme alone": "Bearer",
    "scheme and blank": "Bearer ",
    "unknown token": "Bearer " + "0" * 64,
    "two tokens": "Bearer a b",
    "doubled header": "Bearer a,Bearer b",
    "other scheme": "Basic YTpi",
    "token without scheme": "0" * 64,
    "not ASCII": "Bearer tök€n",
    "control character": "Bearer a\x00b",
    "non-breaking space": "Bearer\xa0token",
    "long": "Bearer " + "a" * 5000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_holds_no_token_is_401(client, header):
    answer = ask(client, header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_anonymous_get_401(client):
    answer = client.get("/who")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_is_401(issue, client):
    token = issue("shipper", "--can=read", "--expires=1h").strip()
    AuthToken.objects.update(expiry=timezone.now())
    assert ask(client, f"Bearer {token}").status_code == 401


def test_the_token_of_a_deactivated_user_is_401(issue, client):
    token = issue("shipper", "--can=read").strip()
    get_user_model().objects.update(is_active=False)
    assert ask(client, f"Bearer {token}").status_code == 401


def test_a_session_is_as_good_as_a_token(admin_client):
    assert admin_client.get("/who").json() == {"name": "admin"}


def test_a_session_needs_the_csrf_token_to_write(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post("/who").status_code == 403


def test_a_bad_header_is_refused_even_beside_a_session(admin_client):
    assert ask(admin_client, "Bearer nonsense").status_code == 401


@override_settings(DEBUG=True)
def test_a_bad_header_is_no_error_page_in_debug_mode(client):
    assert ask(client, "Bearer tök€n").status_code == 401


def test_who_issues_and_withdraws_a_token_is_told_without_its_hash(issue):
    with captured_records() as records:
        issue("billing", "--can=read")
        AuthToken.objects.all().delete()
    told = [record for record in records if record.category.startswith("audit.token")]
    user = get_user_model().objects.get(username="billing")
    assert [(record.category, record.subject) for record in told] == [
        ("audit.token_issued", f"auth.user:{user.pk}"),
        ("audit.token_withdrawn", f"auth.user:{user.pk}"),
    ]
    assert "digest" not in repr(records)
