import io
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest

from ops_platform.admission import Admission, Limiter

SOON_S = 10


class Application:
    """Answers `/hangs` when it is let go, everything else at once."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].endswith("/hangs"):
            self.entered.release()
            assert self.go_on.wait(SOON_S)
        if environ["PATH_INFO"] == "/fails":
            raise RuntimeError
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/file":
            return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))
        return [b"answer"]


@pytest.fixture
def application():
    return Application()


@pytest.fixture
def admission(application):
    """For four threads: two requests at a time."""
    admission = Admission(application)
    admission.limit(4, patience_s=0.01)
    return admission


@pytest.fixture
def hang(application, admission):
    """Make requests hang, until the test is over or lets them go."""
    with ThreadPoolExecutor() as pool:

        def hang(path="/hangs", times=2) -> list[Future]:
            hanging = [pool.submit(ask, admission, path) for _ in range(times)]
            for _ in hanging:
                assert application.entered.acquire(timeout=SOON_S)
            return hanging

        yield hang
        application.go_on.set()


def ask(admission, path="/", **more):
    """The whole answer, as a server takes it: status, headers, body."""
    status, headers, response = begin(admission, path, **more)
    body = b"".join(response)
    if hasattr(response, "close"):
        response.close()
    return status, headers, body


def begin(admission, path="/", **more):
    """An answer that is not closed yet."""
    environ = {"PATH_INFO": path, "wsgi.file_wrapper": FileWrapper, **more}
    setup_testing_defaults(environ)
    started = []
    response = admission(environ, lambda status, headers: started.extend([status, dict(headers)]))
    return *started, response


def status_of(admission, path="/", **more):
    return ask(admission, path, **more)[0]


def test_when_every_place_hangs_a_request_is_refused(admission, hang):
    hang()
    status, headers, body = ask(admission, "/a b", HTTP_X_REQUEST_ID="mine")
    assert status == "503 Service Unavailable"
    assert headers == {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Retry-After": "1",
        "Cache-Control": "no-store",
        "X-Request-ID": "mine",
    }
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The server is busy.",
        "instance": "/a%20b",
        "correlation_id": "mine",
    }


@pytest.mark.parametrize("given", ["", "not acceptable", "ü"])
def test_a_refusal_has_an_id_of_its_own_where_the_callers_cannot_be_taken(admission, hang, given):
    hang()
    _, headers, body = ask(admission, HTTP_X_REQUEST_ID=given)
    assert headers["X-Request-ID"] == json.loads(body)["correlation_id"] != given


def test_a_refusal_believes_no_id_of_a_stranger(admission, hang, settings):
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_TRUST": "none"}
    hang()
    assert ask(admission, HTTP_X_REQUEST_ID="mine")[1]["X-Request-ID"] != "mine"


def test_a_request_in_an_unknown_encoding_is_refused_as_any_other(admission, hang):
    hang()
    assert status_of(admission, CONTENT_TYPE="text/plain; charset=base64") == "503 Service Unavailable"


def test_head_is_refused_without_a_body(admission, hang):
    hang()
    _, headers, body = ask(admission, REQUEST_METHOD="HEAD")
    assert body == b""
    assert int(headers["Content-Length"]) > 0


def test_probes_pass_while_every_other_request_hangs(admission, hang):
    hang()
    for path in ("/system-health", "/system-health/live", "/system-health/ready/", "/system-health/metrics"):
        assert status_of(admission, path) == "200 OK"


def test_probes_do_not_wait_for_one_another(admission):
    responses = [begin(admission, f"/system-health/{path}") for path in ("ready", "startup", "") * 2]
    assert {status for status, _, _ in responses} == {"200 OK"}


def test_a_scrape_that_nobody_reads_holds_up_other_scrapes_and_nothing_else(admission):
    scrape = begin(admission, "/system-health/metrics")[2]
    assert status_of(admission, "/system-health/metrics/") == "503 Service Unavailable"
    for path in ("/system-health", "/system-health/live", "/system-health/ready", "/"):
        assert status_of(admission, path) == "200 OK"
    scrape.close()
    assert status_of(admission, "/system-health/metrics") == "200 OK"


@pytest.mark.parametrize("whose", [{"HTTP_COOKIE": "sessionid=1"}, {"HTTP_AUTHORIZATION": "Bearer of-a-user"}])
def test_a_probe_that_looks_a_user_up_is_a_request_as_any_other(admission, hang, settings, whose):
    settings.HEALTH = {**settings.HEALTH, "TOKEN": "of-the-probes"}
    hang()
    assert status_of(admission, "/system-health/ready", **whose) == "503 Service Unavailable"
    assert status_of(admission, "/system-health/live", **whose) == "200 OK"
    assert status_of(admission, "/system-health/ready", HTTP_AUTHORIZATION="Bearer of-the-probes") == "200 OK"


def test_what_lies_beside_the_probes_is_a_request_as_any_other(admission, hang):
    hang()
    assert status_of(admission, "/system-health/other") == "503 Service Unavailable"


def test_the_path_of_the_probes_is_the_settings(admission, hang, settings):
    settings.HEALTH = {**settings.HEALTH, "PATH": "/probes"}
    admission.limit(4, patience_s=0.01)
    hang()
    assert status_of(admission, "/probes/live") == "200 OK"
    assert status_of(admission, "/system-health/live") == "503 Service Unavailable"


def test_all_are_let_in_again_when_those_that_hung_are_done(admission, application, hang):
    hanging = hang()
    assert status_of(admission) == "503 Service Unavailable"
    application.go_on.set()
    assert {request.result(SOON_S)[0] for request in hanging} == {"200 OK"}
    assert status_of(admission) == "200 OK"


@pytest.mark.parametrize("path", ["/", "/file"])
def test_a_response_holds_its_place_until_it_is_closed(admission, path):
    responses = [begin(admission, path)[2] for _ in range(2)]
    assert status_of(admission) == "503 Service Unavailable"
    responses[0].close()
    assert status_of(admission) == "200 OK"


def test_closing_twice_frees_one_place(admission):
    first, _ = (begin(admission)[2] for _ in range(2))
    first.close()
    first.close()
    begin(admission)
    assert status_of(admission) == "503 Service Unavailable"


def test_a_file_goes_to_the_server_as_the_server_knows_it(admission):
    response = begin(admission, "/file")[2]
    assert isinstance(response, FileWrapper)
    response.close()
    assert response.filelike.closed


def test_a_failure_gives_its_place_back(admission):
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ask(admission, "/fails")


def test_one_thread_is_for_requests_all_the_same(application):
    admission = Admission(application)
    admission.limit(1)
    assert status_of(admission) == "200 OK"


def test_nobody_is_refused_where_no_limit_is_known(application):
    admission = Admission(application)
    assert {begin(admission)[0] for _ in range(100)} == {"200 OK"}


def test_who_waits_gets_the_place_that_becomes_free():
    room = Limiter(1, patience_s=SOON_S)
    room.enter()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(room.enter)
        room.leave()
        assert waiting.result(SOON_S) is True


def test_after_one_waited_in_vain_the_next_is_refused_at_once():
    room = Limiter(1, patience_s=0.01)
    room.enter()
    assert room.enter() is False
    room.leave()
    assert room.enter() is True
    assert room.enter() is False


def test_a_crowd_waits_as_long_as_somebody_moves():
    room = Limiter(2, patience_s=SOON_S)

    def come_and_go():
        entered = room.enter()
        room.leave()
        return entered

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: come_and_go(), range(2000)))
