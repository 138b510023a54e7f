import pytest


@pytest.fixture(autouse=True)
def _https(settings):
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("DELETE", 308)])
def test_the_way_to_https_keeps_method_and_body(client, method, status):
    answer = client.generic(method, "/system/logs/?a=1", b"{}", "application/json")
    assert answer.status_code == status
    assert answer.headers["Location"] == "https://testserver/system/logs/?a=1"


def test_who_comes_by_https_is_not_sent_on(client):
    assert client.post("/system/logs/", secure=True).status_code == 401
