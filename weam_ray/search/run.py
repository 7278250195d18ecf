"""The trials under Ray Tune."""

import logging
import os
import shutil

import ray
from ray import tune

from weam_ray.search.follow import Follow
from weam_ray.search.ledger import PRUNED, Ledger
from weam_ray.search.searcher import LedgerSearch, scheduler
from weam_ray.search.trial import TrialActor, Trials

OWN = ".tune"  # Tune's own files, of one session: the ledger is what a search goes on from


def run_trials(trials: Trials, ledger: Ledger, follow: Follow, concurrent: int) -> None:
    """Run trials until `search.num_trials` have ended, `concurrent` at once.

    A trial's own process only waits for its workers, which Ray Train places by themselves. It reserves no part of a
    core, however small: workers that need all cores would wait for it for ever.
    """
    search = trials.config.search
    halving, stopped = scheduler(search, ledger, trials.rungs)
    for trial in stopped:
        follow.end(trial, PRUNED)
    left = search.num_trials - len(ledger.ended())
    if left <= 0:
        follow.bar.close()
        return
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # Follow says what failed, in a sentence
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Tune needs a bundle that is not empty: a share of the mark that every node has of itself, as this one has
    beside_driver = {f"node:{ray.util.get_node_ip_address()}": 0.001}
    trainable = tune.with_parameters(TrialActor, trials=trials)
    own = trials.folder / OWN
    shutil.rmtree(own, ignore_errors=True)

    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([beside_driver])),
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearch(trials.space, ledger, search, trials.rungs),
            scheduler=halving,
            num_samples=left,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(own),
            callbacks=[follow],
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # the run folders have them
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(own, ignore_errors=True)
        follow.bar.close()
        follow.stopping.clear()
        follow.release()
