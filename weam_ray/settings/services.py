"""The sections `tracking`, `cluster` and `output`: services and places, which change no result."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from weam_ray.settings.base import Section
from weam_ray.settings.paths import OutputPath


class TrackingSection(Section):
    """MLflow. Credentials belong in MLflow's own environment variables, never here."""

    uri: str | None = Field(default=None, description="null: sqlite under the home")
    experiment: str = Field(default="weam-ray", min_length=1)
    wait_seconds: float = Field(
        default=120.0,
        ge=0,
        allow_inf_nan=False,
        description="how long a job waits, at its start and at its end, for a store that is locked or away",
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
        return uri


class ClusterSection(Section):
    """Where Ray is. RAY_ADDRESS goes first; `local` starts a cluster of this machine's own."""

    address: str = "local"
    num_cpus: int | None = Field(default=None, ge=1, description="CPU cores of a cluster of our own; null: all")
    data_cpus: float = Field(default=1.0, gt=0, description="CPU cores of a data task")


class OutputSection(Section):
    """Where the run's results go."""

    dir: OutputPath | None = Field(default=None, description="null: runs/<name>-<fingerprint> under the home")
