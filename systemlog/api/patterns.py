"""The endpoint `/system/logs/patterns/`: the messages of a page of records by template, with counts."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.api.base import ReadingView
from systemlog.api.pages import read_limit, read_paging
from systemlog.api.schema import LIST_PARAMETERS
from systemlog.groups.patterns import find_patterns
from systemlog.records.fields import READ_FIELDS
from systemlog.records.times import represent_time
from systemlog.search.catch_up import catch_up
from systemlog.search.pages import find_page
from systemlog.search.parsing.parameters import read_query
from systemlog.search.plan import make_plan
from systemlog.search.rows import TEXT_ROWS

COLUMNS = [READ_FIELDS.index(name) for name in ("id", "timestamp", "level", "category", "message", "context")]


class PatternSerializer(serializers.Serializer[Any]):
    """The records with one template."""

    template = serializers.CharField(help_text="What stays of the message when its values change; `*` is a value.")
    count = serializers.IntegerField()
    levels = serializers.DictField(child=serializers.IntegerField(), help_text="How many records of each level.")
    categories = serializers.DictField(child=serializers.IntegerField(), help_text="How many of each category.")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    newest = serializers.UUIDField(help_text="The id of the newest record.")


class PatternsSerializer(serializers.Serializer[Any]):
    """The patterns of a page, the most frequent first."""

    items = PatternSerializer(many=True)
    records = serializers.IntegerField(help_text="How many records the page has.")
    complete = serializers.BooleanField(help_text="False where the search ran out of its time budget.")
    searched_until = serializers.DateTimeField(
        allow_null=True, help_text="If `complete` is false: how far back the search came."
    )


class PatternsView(ReadingView):
    """The patterns of a page of records."""

    @extend_schema(
        operation_id="system_logs_patterns",
        summary="Count the messages of a page by template",
        description="Takes the parameters of the list, and answers for the records that the list would have on its "
        "page. A template is that of the logger (`context.template`), or the message with a mask over its values.",
        parameters=LIST_PARAMETERS,
        responses={200: PatternsSerializer},
    )
    def get(self, request: Request) -> Response:
        """Return the patterns, the most frequent first."""
        parameters = request.query_params
        query = read_query(parameters, known={"limit", "cursor", "since", "until"}, now=timezone.now())
        limit, paging = read_limit(parameters), read_paging(parameters, excluding=("limit",))
        query = paging.resolve(query)
        catch_up(query)
        cursor = paging.cursor
        page = find_page(
            make_plan(query, TEXT_ROWS),
            limit=limit,
            after=cursor.after if cursor else None,
            backwards=paging.backwards,
            first_slice=cursor.slice if cursor else None,
        )
        patterns = find_patterns(tuple(row[column] for column in COLUMNS) for row in page.items)
        return Response(
            {
                "items": [
                    {
                        "template": each.template,
                        "count": each.count,
                        "levels": dict(each.levels),
                        "categories": dict(each.categories.most_common()),
                        "first_seen": each.first_seen,
                        "last_seen": each.last_seen,
                        "newest": each.newest,
                    }
                    for each in patterns
                ],
                "records": len(page.items),
                "complete": page.complete,
                "searched_until": page.searched_until and represent_time(page.searched_until),
            }
        )
