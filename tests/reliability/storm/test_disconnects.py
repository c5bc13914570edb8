"""After a storm of resets the server is idle and holds nothing of the requests that nobody waits for."""

from tests.reliability.storm.run import run_storm

WARM_UP = 400
RESETS = 300


def test_a_storm_of_resets_leaves_nothing_behind() -> None:
    run = run_storm(WARM_UP, RESETS, seed=3)
    assert run.busy_share < 0.5
    assert run.after.tasks <= run.before.tasks + 2
    assert run.after.open_files <= run.before.open_files + 2
    assert run.after.threads <= run.before.threads + 2
    # A request leaves dozens of objects behind if it leaves any.
    assert run.after.objects - run.before.objects < 8 * RESETS
