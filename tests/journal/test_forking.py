"""A forked process resets its state, even where Python is not told of the fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.servers import PROJECT

# uWSGI forks with the C library, which calls no function of Python's, and then calls its own hook.
FORK_LIKE_UWSGI = """
import ctypes, os, sys, types
uwsgi = sys.modules["uwsgi"] = types.ModuleType("uwsgi")
{decorators}
from systemlog.records.ids import new_key_bytes
half = lambda: int(new_key_bytes()[-16:], 16)
parents = half()
child = ctypes.PyDLL(None).fork()
if child == 0:
    uwsgi.post_fork_hook()
    os._exit(5 if abs(half() - parents) < 10**6 else 0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
DECORATORS = """
module = sys.modules["uwsgidecorators"] = types.ModuleType("uwsgidecorators")
module.postfork_chain = []
uwsgi.post_fork_hook = lambda: [each() for each in module.postfork_chain]
"""


@pytest.mark.parametrize("decorators", ["", DECORATORS], ids=["the hook alone", "with uwsgidecorators"])
def test_two_workers_of_uwsgi_never_mint_the_same_id(decorators: str) -> None:
    code = FORK_LIKE_UWSGI.format(decorators=decorators)
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
