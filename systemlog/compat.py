"""Private APIs of other packages that this app uses, each with the reason and a test that fails when it changes."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers import exception as exception_handling
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import QuerySet
from django.db.models.sql.datastructures import BaseTable
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject, empty

Q = TypeVar("Q", bound=QuerySet[Any, Any])


def in_tests() -> bool:
    """Whether Django's test environment is set up in this process.

    Django keeps the settings that it restores afterwards in an undocumented attribute, and has no other sign (5.2, 6.0,
    6.1). `mail.outbox` is not such a sign, because the e-mail backend `locmem` creates it too.
    """
    utilities = sys.modules.get("django.test.utils")
    return hasattr(getattr(utilities, "_TestState", None), "saved_data")


def settings_read_before() -> Mapping[str, Any]:
    """Return the settings that `django.conf.settings` has cached: the attributes of that lazy object.

    They are emptied when settings change. A look there costs 0.05 µs; an attribute of the lazy object costs 0.35 µs, or
    3 µs where the project has not set it, and every request and every record asks (5.2, 6.0, 6.1).
    """
    return vars(settings)


def uses_psycopg3() -> bool:
    """Whether Django's PostgreSQL backend uses psycopg 3. Raises `ImportError` where it has no driver at all.

    Django makes that choice in an undocumented module (5.2, 6.0, 6.1).
    """
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def client_has_left(request: HttpRequest) -> bool:
    """Whether the client has closed the connection, or its side of it; False where the server does not show that.

    WSGI has no interface for this, but gunicorn (21 to 27) puts the socket into the environment. Peeking consumes no
    data, but would block if the socket had a timeout.
    """
    connection = request.META.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False  # an encrypted connection cannot be peeked at without consuming data
    if connection.gettimeout() is not None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def binds_on_server(connection: BaseDatabaseWrapper) -> bool:
    """Whether a PostgreSQL connection sends parameters apart from the statement, so that a message takes one statement.

    Django keeps the option `server_side_binding` in its settings, and documents no way to read it (5.2, 6.0, 6.1).
    """
    return bool(connection.settings_dict.get("OPTIONS", {}).get("server_side_binding"))


def sqlite_error() -> type[Exception]:
    """Return the exception class of raw SQLite cursors; Django translates it for its own alone (5.2, 6.0, 6.1)."""
    import sqlite3

    return sqlite3.Error


def django_request(request: Any) -> HttpRequest:
    """Return `request`, or the Django request inside it if it is REST framework's (`_request`; 3.15 to 3.18)."""
    found: HttpRequest = request.__dict__.get("_request", request)
    return found


def parsed_body(request: Any) -> object:
    """Return the body as it was parsed, or None if nothing has parsed it. Does not parse.

    REST framework keeps it in `_full_data` (3.15-3.18), Django keeps a form in `_post` (5.2, 6.0, 6.1). Their public
    names parse a body that nobody has asked for.
    """
    from rest_framework.request import Empty

    known = request.__dict__
    data = known.get("_full_data") if "_request" in known else known.get("_post")
    return None if data is Empty else data


def input_stream(request: HttpRequest) -> Any:
    """Return the stream from which Django reads the body (`_stream`; 5.2, 6.0, 6.1)."""
    return request._stream


def replace_input_stream(request: HttpRequest, stream: Any) -> None:
    """Make Django read the body from `stream`, unless reading has begun (`_stream`, `_read_started`; 5.2, 6.0, 6.1)."""
    if not request.__dict__.get("_read_started"):
        request._stream = stream


def mark_post_unreadable(request: HttpRequest) -> None:
    """Make `request.POST` empty after it raised an exception, so that it does not raise the same one again.

    Django's own handler does so for its multipart parser (`_mark_post_parse_error`; 5.2, 6.0, 6.1).
    """
    request._mark_post_parse_error()  # type: ignore[attr-defined]  # private


def was_logged(response: HttpResponseBase) -> bool:
    """Return whether Django considers the response logged (`_has_been_logged`; 5.2, 6.0, 6.1)."""
    return getattr(response, "_has_been_logged", False)


def mark_logged(response: HttpResponseBase) -> None:
    """Keep Django from logging the response: its `log_response` logs each one once."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # private


def stored_headers(response: HttpResponseBase) -> dict[str, tuple[str, str]]:
    """Return the dictionary behind `response.headers`: by lower-case name, a header's name and value.

    A missing header costs 0.05 µs here and 0.7 µs in `headers`, which raises and catches a KeyError; setting a header
    costs 0.05 µs and not 0.4 µs, because nothing checks the value (`_store`; 5.2, 6.0, 6.1).
    """
    return response.headers._store


def stream_parts(response: StreamingHttpResponse) -> tuple[list[Callable[[], object]], Any]:
    """Return the functions that close a streaming response, and the iterator that the view gave it.

    `streaming_content` is a generator that refers to the response, so a body wrapped around it would be in a reference
    cycle and closed only by the garbage collector (`_resource_closers`, `_iterator`; 5.2, 6.0, 6.1).
    """
    return response._resource_closers, response._iterator  # type: ignore[attr-defined]  # private


def loaded_user(request: HttpRequest) -> Any:
    """Return `request.user` if it was loaded before, else None. Never loads the session or the user.

    `AuthenticationMiddleware` makes it a lazy object, whose `_wrapped` is read past the proxy: that costs a microsecond
    less, for each log record. `request.auser()` keeps its user in `_acached_user` (5.2, 6.0, 6.1).
    """
    known = request.__dict__
    user = known.get("user")
    if isinstance(user, LazyObject):
        user = object.__getattribute__(user, "_wrapped")
        if user is empty:
            user = known.get("_acached_user")
    return user


def non_atomic_aliases(view: object) -> set[str]:
    """Return the databases of which `non_atomic_requests` frees the view (`_non_atomic_requests`; 5.2, 6.0, 6.1)."""
    return getattr(view, "_non_atomic_requests", set())


def wrap_statements(connection: BaseDatabaseWrapper, wrapper: Callable[..., Any]) -> None:
    """Run every SQL statement of the connection through `wrapper`. Calling this twice has no effect.

    Django has a context manager for this, which ends; the list behind it does not (`execute_wrappers`; 5.2, 6.0, 6.1).
    The wrapper is put first: a connection may open inside that context manager, which removes the last one.
    """
    if wrapper not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, wrapper)


def intercept_exceptions(answer: Callable[[HttpRequest, Exception], HttpResponseBase | None]) -> None:
    """Have `answer` make the response to each exception that Django catches; where it returns None, Django does.

    Every view and middleware passes its exceptions to `response_for_exception`, which has no hook (5.2, 6.0, 6.1).
    """

    def response_for_exception(request: HttpRequest, exc: Exception) -> HttpResponseBase:
        response = answer(request, exc)
        return _django_response_for_exception(request, exc) if response is None else response

    exception_handling.response_for_exception = response_for_exception  # type: ignore[assignment]  # any response will do


def postpone_query_errors() -> None:
    """Keep a `charset` in a request's Content-Type from failing the request before any middleware can answer.

    Django reads the query string when it sets the encoding, while it makes the request, and too many parameters or a
    codec that is not for text end in the server's own error page (`_set_content_type_params`, `_encoding`; 5.2, 6.0,
    6.1). After this call, the exception comes when the query string or the body is read.
    """
    HttpRequest._set_content_type_params = _set_content_type_params  # type: ignore[attr-defined]  # private


def _set_content_type_params(request: Any, meta: Mapping[str, Any]) -> None:
    try:
        _django_set_content_type_params(request, meta)
    except LookupError:
        # A codec that is not for text. The query string is read without it; reading the body fails.
        named, request._encoding = request._encoding, None
        with suppress(SuspiciousOperation):
            _ = request.GET
        request._encoding = named
    except SuspiciousOperation:
        pass  # `request.GET` raises it again, where it can be answered


_django_response_for_exception = exception_handling.response_for_exception
_django_set_content_type_params = HttpRequest._set_content_type_params  # type: ignore[attr-defined]  # private


class ResponsesExtended:
    """A mixin for drf-spectacular's AutoSchema: `extend_responses` may add to the responses of an operation.

    The library has no hook between the responses of the serializer and the operation (`_get_response_bodies`; 0.27 to
    0.30).
    """

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)  # type: ignore[misc]  # of AutoSchema
        self.extend_responses(responses)
        return responses

    def extend_responses(self, responses: dict[str, Any]) -> None:
        """Add to the responses, which are by status."""
        raise NotImplementedError


def schema_paginator(schema: Any) -> object:
    """Return the paginator of a list operation, else None (drf-spectacular 0.27 to 0.30)."""
    return schema._get_paginator() if schema._is_list_view() else None


def schema_has_body(schema: Any) -> bool:
    """Return whether the operation takes a request body (drf-spectacular 0.27 to 0.30)."""
    return bool(schema._get_request_body())


def schema_parameters(schema: Any) -> tuple[set[str], set[str], set[str]]:
    """Return the names of all query parameters, of those that filter, and of those that paginate.

    Only drf-spectacular's private methods tell them apart (0.27 to 0.30).
    """
    every = {parameter["name"] for parameter in schema._get_parameters() if parameter["in"] == "query"}
    filtering = {parameter["name"] for parameter in schema._get_filter_parameters()}
    paginating = {parameter["name"] for parameter in schema._get_pagination_parameters()}
    return every, filtering, paginating


@contextmanager
def separate_connection(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Open a second connection to the same database, without autocommit, and close it at the end of the block.

    Closing it rolls back whatever was not committed. Django documents neither `copy()` of a connection nor its
    `set_autocommit()` (5.2, 6.0, 6.1), and `transaction.atomic` accepts only the connections of aliases.
    """
    own = connection.copy()
    try:
        own.set_autocommit(False)
        yield own
    finally:
        own.close()


def wrapped_errors(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Turn the driver's exceptions in the block into Django's.

    Django's cursors do so, but not for COPY, a method of the driver's cursor. The attribute is not documented (5.2,
    6.0, 6.1).
    """
    return connection.wrap_database_errors


class _FunctionCall(BaseTable):
    """The call of a database function in place of a table, in the FROM clause of a query."""

    def __init__(self, table: str, alias: str | None, function: str, arguments: Sequence[Any]) -> None:
        super().__init__(table, alias)
        self.function = function
        self.arguments = tuple(arguments)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the call, with the alias of the table as the other parts of the query write it."""
        marks = ", ".join(["%s"] * len(self.arguments))
        # Django 6.1 quotes aliases, and calls the method quote_name(); earlier versions do not quote them.
        quote = compiler.quote_name if hasattr(compiler, "quote_name") else compiler.quote_name_unless_alias
        return f"{self.function}({marks}) {quote(self.table_alias)}", self.arguments

    def relabeled_clone(self, change_map: dict[str | None, str]) -> _FunctionCall:
        """Return a copy with another alias."""
        alias = change_map.get(self.table_alias, self.table_alias)
        return _FunctionCall(self.table_name, alias, self.function, self.arguments)


def select_from_function(records: Q, function: str, arguments: Sequence[Any]) -> Q:
    """Return the same query on the rows that a database function returns, in place of the model's table.

    Django has no documented way to replace the table of a query: this exchanges an entry of `Query.alias_map` (5.2,
    6.0, 6.1).
    """
    found = records.all()
    alias = found.query.get_initial_alias()
    found.query.alias_map[alias] = _FunctionCall(found.model._meta.db_table, alias, function, arguments)
    return found


@contextmanager
def creating_partitioned(schema_editor: BaseDatabaseSchemaEditor, column: str) -> Iterator[None]:
    """Partition the tables that the schema editor creates in the block by ranges of the column.

    The statement is an attribute of the editor's class, which Django does not document (5.2, 6.0, 6.1). It is replaced
    on this editor only.
    """
    schema_editor.sql_create_table += f" PARTITION BY RANGE ({schema_editor.quote_name(column)})"
    try:
        yield
    finally:
        del schema_editor.sql_create_table


def forget_rendered_models(state: ProjectState) -> None:
    """Make a migration state render its models again, with the fields that were changed in it.

    Django caches the rendered models in `apps`, and documents no way to remove them (5.2, 6.0, 6.1).
    """
    state.__dict__.pop("apps", None)


def map_fields(auto_schema: Any, serializer: Any, direction: str) -> dict[str, Any]:
    """Return the schema that drf-spectacular makes of a serializer's fields, without asking extensions.

    An extension that adds to this schema needs it, and drf-spectacular has it in a private method only: the public
    `resolve_serializer` would ask the extension again (`_map_basic_serializer`; 0.28 to 0.30).
    """
    schema: dict[str, Any] = auto_schema._map_basic_serializer(serializer, direction)
    return schema
