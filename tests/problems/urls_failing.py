"""The URLs of the failing site, with error handlers that raise exceptions."""

from tests.problems.urls import urlpatterns

__all__ = ["urlpatterns"]

handler400 = handler403 = handler404 = handler500 = "tests.problems.views.failing_handler"
