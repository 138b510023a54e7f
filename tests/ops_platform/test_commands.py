import pytest

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_number_of_workers_that_is_none_is_told_by_a_check(platform, command):
    platform.environment["WEB_CONCURRENCY"] = "abc"
    failed = platform.manage(command, check=False)
    assert failed.returncode == 1
    assert "ops_platform.E001" in failed.stderr
    assert "Traceback" not in failed.stderr
