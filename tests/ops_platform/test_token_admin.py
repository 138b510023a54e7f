import pytest
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
