"""The bodies of requests and responses, for the OpenAPI document.

Views build their responses without these serializers, which would take longer than the search.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from systemlog.models import SystemLog
from systemlog.records.fields import ALL_FIELDS


class RecordSerializer(serializers.ModelSerializer[SystemLog]):
    """A record of the system log, as it is read."""

    class Meta:
        model = SystemLog
        fields = ALL_FIELDS
        read_only_fields = fields

    context = serializers.DictField(help_text="Whatever else is known, as a JSON object.")  # type: ignore[assignment]  # REST framework's own `context` is a property


class NewRecordSerializer(serializers.Serializer[Any]):
    """A record to be stored: `systemlog.intake` holds its rules, `systemlog.api.schema` says them in OpenAPI."""

    message = serializers.CharField()


class BulkRecordSerializer(NewRecordSerializer):
    """A record of a bulk."""


class RecordOrRecordsSerializer(NewRecordSerializer):
    """The body of a POST: a record, or an array of them."""


class RecordLinesSerializer(NewRecordSerializer):
    """The body of a POST as NDJSON: a record a line."""


class RecordKeySerializer(serializers.Serializer[Any]):
    """What a writer who may not read is told of the record."""

    id = serializers.UUIDField()
    timestamp = serializers.DateTimeField()


class RecordOrKeySerializer(serializers.Serializer[Any]):
    """What a writer is told: the record, or only its key where they may not read."""


@extend_schema_serializer(many=False)
class RecordPageSerializer(serializers.Serializer[Any]):
    """A page of records, newest first."""

    items = RecordSerializer(many=True)
    total = serializers.IntegerField(help_text="How many records match; or more, if `total_relation` is `gte`.")
    total_relation = serializers.ChoiceField(choices=["eq", "gte"])
    complete = serializers.BooleanField(help_text="False where the search ran out of its time budget.")
    searched_until = serializers.DateTimeField(allow_null=True, help_text="Then: how far the search came.")
    next = serializers.CharField(allow_null=True, help_text="URL of the next older page.")
    previous = serializers.CharField(allow_null=True, help_text="URL of the next newer page.")


class BucketSerializer(serializers.Serializer[Any]):
    """A part of the time, from its `timestamp` on."""

    timestamp = serializers.DateTimeField()
    count = serializers.IntegerField()
    levels = serializers.DictField(child=serializers.IntegerField(), help_text="Of each level that there is.")


class CountSerializer(serializers.Serializer[Any]):
    """What every count says of itself."""

    approximate = serializers.BooleanField(help_text="Whether some counts are estimates.")
    complete = serializers.BooleanField(help_text="False where the count ran out of its time budget.")
    searched_until = serializers.DateTimeField(allow_null=True, help_text="Then: how far back it came.")


class HistogramSerializer(CountSerializer):
    """Records by time, oldest first."""

    interval = serializers.CharField(help_text="Length of a bucket.")
    buckets = BucketSerializer(many=True)


class ValueSerializer(serializers.Serializer[Any]):
    """A value, and how many records have it."""

    value = serializers.CharField()
    count = serializers.IntegerField()


class FacetsSerializer(CountSerializer):
    """Records by value, the most frequent first."""

    field = serializers.CharField()
    values = ValueSerializer(many=True)
    other = serializers.IntegerField(help_text="How many records have a value that is not named here.")


class RecordErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field."""

    detail = serializers.CharField()
    code = serializers.CharField()
    pointer = serializers.CharField()


class RefusedRecordSerializer(serializers.Serializer[Any]):
    """A record of a bulk that was not stored, by its place in the body, counted from 0."""

    index = serializers.IntegerField()
    errors = RecordErrorSerializer(many=True)  # type: ignore[assignment]  # REST framework's own `errors` is a property
    errors_omitted = serializers.IntegerField(required=False, help_text="How many further errors there are.")


class BulkResultSerializer(serializers.Serializer[Any]):
    """What became of a bulk."""

    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    errors = RefusedRecordSerializer(many=True)  # type: ignore[assignment]  # as above
