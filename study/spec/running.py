"""What a trial takes of the machine, and where its study is shown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from study.redaction import holds_secret, is_ambiguous
from study.spec.strict import Strict


class ResourcesSpec(Strict):
    """What a process that trains takes of the machine, how often a trial reports, and how often it is tried again.

    Such a process trains one trial, with `lanes` that many at once. One in which an epoch takes longer than `timeout_s`
    hangs: it is ended, and its trials are tried again.
    """

    lanes: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    cpus: float = Field(1, gt=0)
    gpus: float = Field(0, ge=0)
    retries: int = Field(3, ge=0)
    timeout_s: float = Field(7200, gt=0)
    report_interval_s: float = Field(2, gt=0)
    checkpoint_interval_s: float = Field(30, ge=0)


class TrackingSpec(Strict):
    """The MLflow store that shows the study. Without a `uri`: `mlflow.db` in the studies' home.

    In a `uri`, `${NAME}` stands for a password, which the environment's NAME holds, or the file that NAME_FILE names.

    `system_metrics`: the load of the driver's machine as well, every 10 seconds.
    """

    enabled: bool = True
    uri: str | None = None
    system_metrics: bool = False

    @field_validator("uri")
    @classmethod
    def _names_its_password(cls, uri: str | None) -> str | None:
        if uri is not None and holds_secret(uri):
            raise ValueError(
                "tracking.uri holds a password, which would stand in the study's files; write ${NAME} in its place, as "
                "in http://user:${MLFLOW_PASSWORD}@host, and set NAME in the environment"
            )
        if uri is not None and is_ambiguous(uri):
            raise ValueError(
                "tracking.uri: the user name before the @ holds a space, a quote or another character that no address "
                "may; percent-encode it, as %27 for ' and %20 for a space"
            )
        return uri
