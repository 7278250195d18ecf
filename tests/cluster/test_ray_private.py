"""What takes private names of Ray: with them, and without."""

from typing import Any

import pytest

from tests.support.private import take_away
from weam_ray.cluster import join, ray_private
from weam_ray.cluster.address import check_answers
from weam_ray.cluster.capacity import check_capacity
from weam_ray.cluster.ray_private import free_reservations, lean_trainer, max_resources, prepare_training

COORDINATOR = "AutoscalingCoordinator"


@pytest.mark.ray
def test_the_coordinator_is_started_beforehand(ray_session: None) -> None:
    import ray

    prepare_training()
    assert ray.get_actor(COORDINATOR, namespace=COORDINATOR) is not None


def test_a_training_that_is_not_prepared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    take_away(monkeypatch, ray_private.COORDINATOR)
    prepare_training()
    prepare_training()
    assert capsys.readouterr().err.count("a training starts some seconds later") == 1


def test_auto_is_left_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    take_away(monkeypatch, ray_private.RUNNING_CLUSTER)
    check_answers("auto", "cluster.address")


@pytest.mark.ray
def test_a_cluster_that_may_grow_or_not(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max_resources() == {}
    take_away(monkeypatch, ray_private.MAX_RESOURCES)
    assert max_resources() is None
    check_capacity(1000, {"CPU": 1})  # they wait for nodes


def reserved() -> Any:
    """An actor, and the name of the group of resources that it reserved."""
    import ray

    class Holder:
        def hold(self) -> str:
            from ray.util.placement_group import placement_group

            self.group = placement_group([{"CPU": 0.001}])
            ray.get(self.group.ready())
            return self.group.id.hex()

    actor = ray.remote(num_cpus=0)(Holder).remote()
    return actor, ray.get(actor.hold.remote())


@pytest.mark.ray
def test_what_a_dead_actor_had_reserved_is_given_back(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a living one has is not; without the names of Ray nothing is done here."""
    import ray
    from ray.util import placement_group_table

    from tests.support.processes import wait_until

    (dead, given_back), (alive, kept) = reserved(), reserved()
    ray.kill(dead)
    with monkeypatch.context() as missing:
        take_away(missing, ray_private.GROUP)
        free_reservations()
    assert placement_group_table()[given_back]["state"] == "CREATED"

    def is_given_back(group: str) -> bool:  # Ray notes the death of an actor a moment later
        free_reservations()
        return placement_group_table()[group]["state"] == "REMOVED"

    wait_until(lambda: is_given_back(given_back))
    assert placement_group_table()[kept]["state"] == "CREATED"
    ray.kill(alive)  # other tests need the whole cluster
    wait_until(lambda: is_given_back(kept))


@pytest.mark.parametrize("missing", [None, ray_private.GROUPS, ray_private.GROUP])
def test_the_dashboard_frees_reservations_instead(monkeypatch: pytest.MonkeyPatch, missing: Any) -> None:
    if missing:
        take_away(monkeypatch, missing)
    started: dict[str, Any] = {}
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr(join, "start_ray", started.update)
    with join.ray_cluster("local"):
        assert started["include_dashboard"] == (missing is not None)


@pytest.mark.ray
def test_the_trainer_is_ray_s_own_where_a_name_is_missing(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    callbacks = lean_trainer()(print)._create_default_callbacks()
    assert "DatasetsCallback" not in {type(callback).__name__ for callback in callbacks}
    take_away(monkeypatch, ray_private.RUN_CONTROLLER)
    assert lean_trainer() is DataParallelTrainer
