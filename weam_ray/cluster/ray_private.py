"""What takes names of Ray that are not public."""


def prepare_training() -> None:
    """Start, and do not wait for, the actor that every training asks for room: what comes before it takes as long."""
    from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator  # has no public name

    get_or_create_autoscaling_coordinator()


def free_reservations() -> None:
    """Give back what actors of this job had reserved that have died: Ray keeps it for them until the job ends."""
    import ray
    from ray._private.state import state  # Ray's public table does not say whose a placement group is
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    job = ray.get_runtime_context().get_job_id()
    for entry in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(entry)
        of_actor = group.creator_job_id.hex() == job and not ray.ActorID(group.creator_actor_id).is_nil()
        if of_actor and group.creator_actor_dead and group.state != PlacementGroupTableData.REMOVED:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))
