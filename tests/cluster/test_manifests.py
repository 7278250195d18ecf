"""The files of cluster/: schemas of Ray and Kubernetes, one version everywhere, tokens asked for and none inside."""

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from weam_ray import __version__
from weam_ray.cluster.environment import QUIET_ENVIRONMENT
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.flags import PRETRAIN
from weam_ray.settings.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
DEPLOYED = ["Dockerfile", "ray-cluster.yaml", "rayjob.yaml"]
HOME = "/mnt/weam_ray"
IMAGE = f"weam-ray:{__version__}"

# A name that means a secret with a value that is no path, variable or switch; and what looks like a key by itself
NAMED_SECRET = re.compile(
    r"(?i)(?:token|secret|passw(?:or)?d|api_?key|credential)s?['\"]?\s*[=:]\s*['\"]?(?!false\b|true\b)[^\s~/$'\"{]"
)
BARE_SECRET = re.compile(r"-----BEGIN|\b(?=[A-Za-z+-]*\d)[A-Za-z0-9+-]{32,}")


def text(name: str) -> str:
    return (CLUSTER / name).read_text(encoding="utf-8")


def without_comments(name: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text(name))


def pinned(package: str) -> str:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = re.findall(rf"(?m)^{package}==(\S+)$", lock)
    assert len(versions) == 1, f"requirements.lock must pin {package} once, and has {versions}"
    return versions[0]


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined."""
    joined = without_comments("Dockerfile").replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines() if line.strip()]


def image_environment() -> dict[str, str]:
    settings = [part for keyword, rest in dockerfile() if keyword == "ENV" for part in shlex.split(rest)]
    return dict(setting.split("=", 1) for setting in settings)


def launcher() -> dict[str, Any]:
    return yaml.safe_load(text("ray-cluster.yaml"))


def ray_job() -> dict[str, Any]:
    return next(document for document in yaml.safe_load_all(text("rayjob.yaml")) if document["kind"] == "RayJob")


def standard_documents() -> list[dict[str, Any]]:
    """Documents of rayjob.yaml whose kind is Kubernetes' own, the pod templates of the RayJob among them."""
    documents = [found for found in yaml.safe_load_all(text("rayjob.yaml")) if found["kind"] != "RayJob"]
    return [*documents, *pods().values()]


def pods() -> dict[str, dict[str, Any]]:
    """The pod templates of the RayJob, as pods."""
    job = ray_job()["spec"]
    cluster = job["rayClusterSpec"]
    templates = {"head": cluster["headGroupSpec"]["template"], "submitter": job["submitterPodTemplate"]}
    templates |= {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {
        name: {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **template}
        for name, template in templates.items()
    }


def job_config(command: str) -> Config:
    """The configuration that a command line of jobs/pretrain.py resolves to."""
    program, script, *arguments = shlex.split(command)
    assert program == "python"
    assert script == "jobs/pretrain.py"
    assert (ROOT / script).is_file()
    options = parse(PRETRAIN, "", arguments)
    return load_config(options.config or "", options.settings())


def test_one_ray_version() -> None:
    assert ray_job()["spec"]["rayClusterSpec"]["rayVersion"] == pinned("ray")
    for name in DEPLOYED:
        assert not re.search(r"(?i)rayproject/ray|\bray(\[\w+\])?[=<>~]=", text(name)), f"{name} names a Ray of its own"


def test_images_have_the_version_of_the_package() -> None:
    containers = [container for pod in pods().values() for container in pod["spec"]["containers"]]
    docker = launcher()["docker"]
    images = [container["image"] for container in containers]
    images += [docker[key] for key in ("image", "head_image", "worker_image") if key in docker]
    assert len(images) >= 4
    assert {image.rpartition("/")[2] for image in images} == {IMAGE}
    assert set(re.findall(r"weam-ray:\d[\w.-]*", text("README.md"))) == {IMAGE}


def test_image_installs_the_lock_torch_first_and_then_the_package() -> None:
    runs = [rest for keyword, rest in dockerfile() if keyword == "RUN"]
    torch, rest, package = (
        next(number for number, run in enumerate(runs) if part in run)
        for part in ("grep '^torch==' requirements.lock", "grep -v '^eflomal==' requirements.lock", "--no-deps .")
    )
    assert torch < rest < package
    assert pinned("torch")
    assert pinned("deepspeed")
    assert not re.search(r"--extra-index-url|https?://|[a-z0-9-]+==\d", without_comments("Dockerfile"))


def test_image_arguments_have_defaults_for_cpu() -> None:
    arguments = dict(rest.split("=", 1) for keyword, rest in dockerfile() if keyword == "ARG")
    assert arguments == {"BASE_IMAGE": "python:3.11-slim-bookworm", "USER_ID": "1000", "TORCH_INDEX": ""}
    assert ("FROM", "${BASE_IMAGE}") in dockerfile()
    assert '${TORCH_INDEX:+--index-url "${TORCH_INDEX}"}' in text("Dockerfile")


def test_image_copies_named_files_of_the_project_only() -> None:
    copies = [shlex.split(rest) for keyword, rest in dockerfile() if keyword in ("COPY", "ADD")]
    sources = {source for *sources, _ in copies for source in sources}
    assert sources == {
        *("requirements.lock", "pyproject.toml", "README.md", "LICENSE"),
        *("weam_ray", "jobs"),
    }
    missing = [source for source in sorted(sources) if not (ROOT / source).exists()]
    assert not missing, f"the image cannot be built without {missing}"


def test_image_is_quiet_and_has_a_home_and_a_user() -> None:
    environment = image_environment()
    assert environment.items() >= {**QUIET_ENVIRONMENT, "WEAM_RAY_HOME": HOME, "RAY_AUTH_MODE": "token"}.items()
    assert ("VOLUME", HOME) in dockerfile()
    users = [rest for keyword, rest in dockerfile() if keyword == "USER"]
    assert users == ["${USER_ID}"], "the image must end as its own user, by number (Kubernetes checks runAsNonRoot)"


@pytest.mark.parametrize("name", DEPLOYED)
def test_token_authentication_is_nowhere_off(name: str) -> None:
    plain = without_comments(name)
    assert set(re.findall(r"RAY_AUTH_MODE\W+(\w+)", plain)) <= {"token"}
    assert "RAY_AUTH_TOKEN" not in plain


def test_launcher_starts_all_nodes_with_tokens() -> None:
    config = launcher()
    assert "--env=RAY_AUTH_MODE=token" in config["docker"]["run_options"]
    token = f"{image_environment()['HOME']}/.ray/auth_token"  # where Ray looks for it, in the container
    assert config["file_mounts"] == {token: "~/.ray/auth_token"}


def test_kuberay_starts_all_nodes_with_tokens() -> None:
    assert ray_job()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def secrets(content: str) -> list[str]:
    return [match.group() for pattern in (NAMED_SECRET, BARE_SECRET) for match in pattern.finditer(content)]


@pytest.mark.parametrize("name", [*DEPLOYED, "README.md"])
def test_no_secret(name: str) -> None:
    assert secrets(text(name)) == []
    if name == "rayjob.yaml":
        assert [document["kind"] for document in standard_documents()].count("Secret") == 0


@pytest.mark.parametrize(
    "planted",
    [
        "ENV RAY_AUTH_TOKEN=abc",
        "    auth_token: c2VjcmV0",
        '- {name: HF_TOKEN, "token": "hf_x"}',
        "password: hunter2",
        "--env=AWS_SECRET=x",
        "token: 6f1c2b9e-07f5-4d39-9c61-2b7c5d0b8a11",
        "COPY 0123456789abcdef0123456789abcdef .",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_secrets_would_be_found(planted: str) -> None:
    assert secrets(planted)


def test_environment_of_pods_sets_the_home_and_nothing_sensitive() -> None:
    for name, pod in pods().items():
        for container in pod["spec"]["containers"]:
            given = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
            assert given == ({} if name == "submitter" else {"WEAM_RAY_HOME": HOME})


def test_launcher_file_passes_rays_schema() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(launcher())
    validate_config(prepared)
    assert prepared["provider"]["type"] == "local"
    assert prepared["max_workers"] == len(prepared["provider"]["worker_ips"])


def test_launcher_starts_ray_on_the_head_and_on_the_workers() -> None:
    config = launcher()
    (head,) = [command for command in config["head_start_ray_commands"] if command.startswith("ray start")]
    (worker,) = [command for command in config["worker_start_ray_commands"] if command.startswith("ray start")]
    assert {"--head", "--port=6379", "--dashboard-host=127.0.0.1"} <= set(head.split())
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head.split()  # by which the head starts the workers
    assert "--address=$RAY_HEAD_IP:6379" in worker.split()
    assert f"--volume={HOME}:{HOME}" in config["docker"]["run_options"]


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
def test_pods_and_claim_pass_kubernetes_schemas(version: str) -> None:
    documents = standard_documents()
    assert [document["kind"] for document in documents] == ["PersistentVolumeClaim", "Pod", "Pod", "Pod"]
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_ray_job_is_kuberays() -> None:
    job = ray_job()
    assert job["apiVersion"] == "ray.io/v1"
    assert set(job["spec"]) == {
        *("entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "backoffLimit"),
        *("rayClusterSpec", "submitterPodTemplate"),
    }
    assert set(job["spec"]["rayClusterSpec"]) == {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}


def test_pods_run_as_an_ordinary_user_within_limits() -> None:
    user = next(rest for keyword, rest in dockerfile() if keyword == "ARG" and rest.startswith("USER_ID="))
    for pod in pods().values():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert f"USER_ID={security['runAsUser']}" == user
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            resources = container["resources"]
            assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}


def test_head_and_workers_share_the_claim_as_home() -> None:
    (claim,) = [document for document in standard_documents() if document["kind"] == "PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for name in ("head", "workers"):
        spec = pods()[name]["spec"]
        (volume,) = spec["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        for container in spec["containers"]:
            assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": HOME}]


def test_ray_job_runs_a_configuration_that_fits_its_workers() -> None:
    training = job_config(ray_job()["spec"]["entrypoint"]).training
    (group,) = ray_job()["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    per_pod = int(container["resources"]["requests"]["cpu"]) // training.threads_per_worker
    assert training.num_workers <= per_pod * group["replicas"]


@pytest.mark.parametrize("name", ["README.md", "ray-cluster.yaml"])
def test_documented_submissions_run_an_existing_job(name: str) -> None:
    commands = re.findall(r"ray job submit .* -- (.+)", text(name))
    assert commands
    for command in commands:
        assert job_config(command).training.num_workers == len(launcher()["provider"]["worker_ips"])
