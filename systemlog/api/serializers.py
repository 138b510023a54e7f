"""The bodies of requests and responses, for the OpenAPI document.

Views build their responses without these serializers, which would take longer than the search.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from systemlog.models import SystemLog
from systemlog.records.fields import READ_FIELDS


class RecordSerializer(serializers.ModelSerializer[SystemLog]):
    """A stored record of the system log."""

    class Meta:
        model = SystemLog
        fields = READ_FIELDS
        read_only_fields = fields

    context = serializers.DictField(help_text="Further details, as a JSON object.")  # type: ignore[assignment]  # REST framework's own `context` is a property


class NewRecordSerializer(serializers.Serializer[Any]):
    """A record to be stored. `systemlog.ingest.validation` checks its rules, `systemlog.api.schema` describes them."""

    message = serializers.CharField()


class BulkRecordSerializer(NewRecordSerializer):
    """A record of a bulk."""


class RecordOrRecordsSerializer(NewRecordSerializer):
    """The body of a POST: a record, or an array of them."""


class RecordLinesSerializer(NewRecordSerializer):
    """The body of a POST as NDJSON: a record a line."""


class RecordKeySerializer(serializers.Serializer[Any]):
    """The id and timestamp of a stored record, for a writer who may not read it."""

    id = serializers.UUIDField()
    timestamp = serializers.DateTimeField()


class RecordOrKeySerializer(serializers.Serializer[Any]):
    """The stored record, or only its id and timestamp for a writer who may not read it."""


@extend_schema_serializer(many=False)
class RecordPageSerializer(serializers.Serializer[Any]):
    """A page of records, newest first."""

    items = RecordSerializer(many=True)
    total = serializers.IntegerField(help_text="How many records match; a lower bound if `total_relation` is `gte`.")
    total_relation = serializers.ChoiceField(choices=["eq", "gte"])
    complete = serializers.BooleanField(help_text="False where the search ran out of its time budget.")
    searched_until = serializers.DateTimeField(
        allow_null=True, help_text="If `complete` is false: how far back the search came."
    )
    next = serializers.CharField(allow_null=True, help_text="URL of the next older page.")
    previous = serializers.CharField(allow_null=True, help_text="URL of the next newer page.")


@extend_schema_serializer(many=False)
class TailSerializer(serializers.Serializer[Any]):
    """What has landed since a cursor, in the order of landing."""

    items = RecordSerializer(many=True)
    after = serializers.CharField(help_text="The cursor for the next request.")
    more = serializers.BooleanField(help_text="Whether there is more already: ask again at once.")
    gap = serializers.BooleanField(help_text="Whether records may be missing here: read the list anew.")
    poll_ms = serializers.IntegerField(help_text="Milliseconds to wait before the next request.")


class AroundSerializer(serializers.Serializer[Any]):
    """A record among its neighbors, newest first."""

    items = RecordSerializer(many=True)
    index = serializers.IntegerField(help_text="The place of the record among the items, counted from 0.")
    complete = serializers.BooleanField(help_text="False where the search ran out of its time budget.")


class ContextValueSerializer(serializers.Serializer[Any]):
    """A value of a member of the context, as the filter takes it."""

    value = serializers.CharField()
    count = serializers.IntegerField()


class ContextFieldSerializer(serializers.Serializer[Any]):
    """A member of the context, and its most frequent values."""

    field = serializers.CharField(help_text="The name of the filter: `context.<key>`.")
    count = serializers.IntegerField(help_text="How many of the sampled records have it.")
    share = serializers.FloatField(help_text="The same as a part of all sampled records.")
    values = ContextValueSerializer(many=True)
    other = serializers.IntegerField(help_text="How many records have a value that is not named here.")


class ContextFieldsSerializer(serializers.Serializer[Any]):
    """The members of the context of the newest records, the most frequent first."""

    sampled = serializers.IntegerField(help_text="How many of the newest records were read.")
    fields_ = ContextFieldSerializer(many=True)
    complete = serializers.BooleanField(help_text="False where the search ran out of its time budget.")
    searched_until = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields under their names in the answer: a serializer's own `fields` is a property."""
        found = super().get_fields()
        return {name.rstrip("_"): field for name, field in found.items()}


class BucketSerializer(serializers.Serializer[Any]):
    """An interval of time that begins at `timestamp`."""

    timestamp = serializers.DateTimeField()
    count = serializers.IntegerField()
    levels = serializers.DictField(
        child=serializers.IntegerField(), help_text="The number of records of each level that occurs."
    )


class CountSerializer(serializers.Serializer[Any]):
    """How exact and how complete a count is."""

    approximate = serializers.BooleanField(help_text="Whether some counts are estimates.")
    complete = serializers.BooleanField(help_text="False where the count ran out of its time budget.")
    searched_until = serializers.DateTimeField(
        allow_null=True, help_text="If `complete` is false: how far back the count came."
    )


class HistogramSerializer(CountSerializer):
    """Records by time, oldest first."""

    interval = serializers.CharField(help_text="Length of a bucket.")
    buckets = BucketSerializer(many=True)


class ValueSerializer(serializers.Serializer[Any]):
    """A value, and the number of records that have it."""

    value = serializers.CharField()
    count = serializers.IntegerField()


class FacetsSerializer(CountSerializer):
    """Records by value, the most frequent first."""

    field = serializers.CharField()
    values = ValueSerializer(many=True)
    other = serializers.IntegerField(help_text="How many records have a value that is not named here.")


class ManyFacetsSerializer(serializers.Serializer[Any]):
    """Records by the values of several fields, in the order in which the fields were given."""

    facets = FacetsSerializer(many=True)


class FacetsOrManySerializer(serializers.Serializer[Any]):
    """Records by value: of one field, or of several."""


class RecordErrorSerializer(serializers.Serializer[Any]):
    """An error in one field."""

    detail = serializers.CharField()
    code = serializers.CharField()
    pointer = serializers.CharField()


class RefusedRecordSerializer(serializers.Serializer[Any]):
    """A record of a bulk that was rejected. `index` is its place in the body, counted from 0."""

    index = serializers.IntegerField()
    errors = RecordErrorSerializer(many=True)  # type: ignore[assignment]  # REST framework's own `errors` is a property
    errors_omitted = serializers.IntegerField(required=False, help_text="How many further errors there are.")


class BulkResultSerializer(serializers.Serializer[Any]):
    """The numbers of accepted and rejected records of a bulk, and the errors of the rejected ones."""

    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    errors = RefusedRecordSerializer(many=True)  # type: ignore[assignment]  # as above
