import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils.html import strip_tags
from knox.models import AuthToken

from ops_platform import tokens

pytestmark = pytest.mark.django_db

LIST = "/admin/knox/authtoken/"


@pytest.fixture
def token():
    tokens.issue("shipper", ["write"])
    return AuthToken.objects.get()


def test_the_list_says_whose_a_token_is_and_not_its_hash(admin_client, token):
    page = strip_tags(admin_client.get(LIST).content.decode())
    assert "shipper" in page
    assert token.digest not in page


def test_a_token_is_withdrawn(admin_client, token):
    chosen = {"action": "delete_selected", "_selected_action": token.digest}
    question = admin_client.post(LIST, chosen).content.decode()
    assert "token of shipper" in question
    admin_client.post(LIST, {**chosen, "post": "yes"})
    assert not AuthToken.objects.exists()


def test_no_token_is_issued(admin_client, admin_user):
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}add/", {"user": admin_user.pk}).status_code == 403
    assert not AuthToken.objects.exists()


def test_no_token_is_given_to_somebody_else(admin_client, admin_user, token):
    page = reverse("admin:knox_authtoken_change", args=[token.digest])
    assert admin_client.post(page, {"user": admin_user.pk}).status_code == 403
    assert AuthToken.objects.get().user.get_username() == "shipper"


def test_who_may_only_look_withdraws_nothing(client, token):
    user = get_user_model().objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_authtoken"))
    client.force_login(user)
    assert client.get(LIST).status_code == 200
    client.post(LIST, {"action": "delete_selected", "_selected_action": token.digest, "post": "yes"})
    assert AuthToken.objects.exists()


def test_no_page_url_message_or_log_entry_carries_the_hash_of_a_token_that_is_withdrawn(admin_client, token):
    pages = [admin_client.get(LIST).content.decode()]
    (name,) = re.findall(r'name="_selected_action" value="([^"]+)"', pages[0])
    chosen = {"action": "delete_selected", "_selected_action": name}
    pages.append(admin_client.post(LIST, chosen).content.decode())
    assert f'name="_selected_action" value="{name}"' in pages[1]
    pages.append(admin_client.post(LIST, {**chosen, "post": "yes"}, follow=True).content.decode())
    pages.append(admin_client.get("/admin/").content.decode())

    assert not AuthToken.objects.exists()
    assert [page for page in pages if token.digest in page] == []
    assert "token of shipper" in pages[3]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr) == (token.token_key[:8], "token of shipper")
    assert token.digest not in f"{entry.object_id}{entry.object_repr}{entry.change_message}"


def test_the_list_tells_two_tokens_of_one_user_apart_by_their_first_characters(admin_client):
    shown = [tokens.issue("shipper", ["write"])[:8] for _ in range(2)]
    page = strip_tags(admin_client.get(LIST).content.decode())
    assert all(beginning in page for beginning in shown)


def test_one_of_two_tokens_is_withdrawn(admin_client):
    kept, gone = (tokens.issue("shipper", ["write"]) for _ in range(2))
    name = AuthToken.objects.get(token_key=gone[:15]).token_key
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": name, "post": "yes"})
    assert [token.token_key for token in AuthToken.objects.all()] == [kept[:15]]


@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_there_is_no_page_whose_url_has_the_hash(admin_client, token, page):
    response = admin_client.get(f"{LIST}{token.digest}/{page}/")
    assert response.status_code == 403
    assert token.digest not in response.content.decode().replace(response.request["PATH_INFO"], "")


@pytest.mark.parametrize("way", ["alone", "as one of several"])
def test_who_deletes_the_user_of_a_token_does_not_see_its_hash(admin_client, token, way):
    if way == "alone":
        page = admin_client.get(f"/admin/auth/user/{token.user_id}/delete/")
    else:
        chosen = {"action": "delete_selected", "_selected_action": token.user_id}
        page = admin_client.post("/admin/auth/user/", chosen)
    assert "token of shipper" in page.content.decode()
    assert token.digest not in page.content.decode()
