"""The sections `tracking`, `cluster` and `output`: services and places, which change no result."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from weam_ray.settings.base import Role, Section
from weam_ray.settings.paths import OutputPath, store_address


class TrackingSection(Section):
    """MLflow. Credentials belong in MLflow's own environment variables, never here."""

    uri: Annotated[str | None, Role.SERVICE] = Field(
        default=None, description="The address of MLflow's store; null: mlflow.db in the home, by sqlite."
    )
    experiment: Annotated[str, Role.SERVICE] = Field(
        default="weam-ray", min_length=1, description="The experiment in MLflow that runs belong to."
    )
    wait_seconds: Annotated[float, Role.SERVICE] = Field(
        default=120.0,
        ge=0,
        allow_inf_nan=False,
        description="How many seconds a job waits, at its start and at its end, for a store that is locked or away.",
    )

    @field_validator("uri")
    @classmethod
    def no_password(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password is not None:
            shown = uri.replace(urlsplit(uri).password or "", "***")
            raise ValueError(
                f"{shown!r} holds a password, which would be written to every run; "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
            )
        return None if uri is None else store_address(uri)


class ClusterSection(Section):
    """The Ray cluster that a job runs on."""

    address: Annotated[str, Role.SERVICE] = Field(
        default="local",
        description="The address of a running cluster, auto for the one of this machine, or local for a new one "
        "on this machine; the environment variable RAY_ADDRESS overrides it.",
    )
    num_cpus: Annotated[int | None, Role.SERVICE] = Field(
        default=None, ge=1, description="How many CPU cores a new local cluster has; null: all."
    )
    data_cpus: Annotated[float, Role.SERVICE] = Field(
        default=1.0, gt=0, description="How many CPU cores a task of the data stages asks for."
    )


class OutputSection(Section):
    """Where the results go."""

    dir: Annotated[OutputPath | None, Role.PLACE] = Field(
        default=None, description="The folder of the results; null: runs/NAME-FINGERPRINT in the home."
    )
