"""Log groups: fixed names, retention from the settings, gone with the stack."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from tunestep.settings import Settings, SettingsInvalid

_RETENTION: dict[int, logs.RetentionDays] = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    120: logs.RetentionDays.FOUR_MONTHS,
    150: logs.RetentionDays.FIVE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    400: logs.RetentionDays.THIRTEEN_MONTHS,
    545: logs.RetentionDays.EIGHTEEN_MONTHS,
    731: logs.RetentionDays.TWO_YEARS,
    1096: logs.RetentionDays.THREE_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    2192: logs.RetentionDays.SIX_YEARS,
    2557: logs.RetentionDays.SEVEN_YEARS,
    2922: logs.RetentionDays.EIGHT_YEARS,
    3288: logs.RetentionDays.NINE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}


def retention(days: int) -> logs.RetentionDays:
    """Raises SettingsInvalid for a number of days that CloudWatch Logs does not offer."""
    if days not in _RETENTION:
        nearest = min(_RETENTION, key=lambda offered: abs(offered - days))
        raise SettingsInvalid(
            f"settings: {days} at `$.log_retention_days` is not a retention that CloudWatch Logs offers; "
            f"the nearest is {nearest}. Offered are {', '.join(map(str, _RETENTION))}."
        )
    return _RETENTION[days]


def log_group(scope: Construct, name: str, settings: Settings) -> logs.LogGroup:
    """A log group. What has to last is in the bucket, and a log that stayed behind would take the name
    from the next deployment, so it goes with the stack."""
    key = kms.Key.from_key_arn(scope, "LogKey", settings.kms_key) if settings.kms_key else None
    return logs.LogGroup(
        scope,
        "Log",
        log_group_name=name,
        retention=retention(settings.log_retention_days),
        encryption_key=key,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
