import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize("address", ["foo", "", ":8000", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http", "::1:8000"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(CommandError, match="must be HOST:PORT"):
        call_command("serve", f"--bind={address}")


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
@pytest.mark.parametrize("command", ["drain", "serve"])
def test_a_wait_that_is_none_is_refused(command, wait, settings, tmp_path):
    mark = tmp_path / "draining"
    settings.HEALTH = {**settings.HEALTH, "DRAIN_FILE": str(mark)}
    with pytest.raises(CommandError, match="--wait"):
        call_command(command, "--wait", wait)
    assert not mark.exists()


@pytest.mark.e2e
@pytest.mark.any_database
def test_a_token_without_a_database_is_refused_in_one_sentence(platform):
    platform.environment["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/nothing"
    failed = platform.manage("issue_token", "shipper", "--can=read", check=False)
    assert failed.returncode == 1
    assert failed.stdout == ""
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("CommandError: The token was not issued")


@pytest.mark.e2e
@pytest.mark.any_database
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_number_of_workers_that_is_none_is_told_by_a_check(platform, command):
    platform.environment["WEB_CONCURRENCY"] = "abc"
    failed = platform.manage(command, check=False)
    assert failed.returncode == 1
    assert "ops_platform.E001" in failed.stderr
    assert "Traceback" not in failed.stderr
