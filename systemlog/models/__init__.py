"""The models. Each module has the models of one room; import them from this package."""

from systemlog.models.alerts import Alert, AlertDelivery, AlertEvaluator
from systemlog.models.digests import Digest, DigestFrontier, LateNote
from systemlog.models.groups import CHANGE_GROUP_PERMISSION, Group, GroupDelta, GroupEvent, GroupUser
from systemlog.models.landing import Checkpoint
from systemlog.models.records import (
    ADD_PERMISSION,
    VIEW_PERMISSION,
    Level,
    RecordId,
    RecordsAreNeverChanged,
    SystemLog,
    SystemLogQuerySet,
)
from systemlog.models.rollup import SystemLogRollup
from systemlog.models.views import SavedView

__all__ = [
    "ADD_PERMISSION",
    "CHANGE_GROUP_PERMISSION",
    "VIEW_PERMISSION",
    "Alert",
    "AlertDelivery",
    "AlertEvaluator",
    "Checkpoint",
    "Digest",
    "DigestFrontier",
    "Group",
    "GroupDelta",
    "GroupEvent",
    "GroupUser",
    "LateNote",
    "Level",
    "RecordId",
    "RecordsAreNeverChanged",
    "SavedView",
    "SystemLog",
    "SystemLogQuerySet",
    "SystemLogRollup",
]
