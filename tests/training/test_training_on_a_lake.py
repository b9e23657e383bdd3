"""petastorm, Horovod with two ranks and the registry on a tiny lake of made tensors."""

from pathlib import Path

import numpy as np
import pytest
import torch

from covers.errors import InputError, TrainingFailed
from covers.io import delta_reader
from covers.io.lake import Lake
from covers.io.model_store import newest
from covers.models import factory
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training import checkpoints, dataset, launchers, losses
from covers.training.batching import BatchOrder, load_batch
from covers.training.config import preset
from covers.training.run import LaunchConfig, train_models
from covers.training.worker import Plan, TrainingRun, run_plan
from tests.rows import VERSIONS, WORKS, chroma, tiny_rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def tiny(spark, tmp_path_factory):
    lake = Lake(spark, str(tmp_path_factory.mktemp("tiny") / "lake"))
    spectrograms, triplets = tiny_rows()
    lake.upsert_rows(spectrograms, SPECTROGRAMS)
    lake.upsert_rows(triplets, TRIPLETS)
    return lake


def plan(lake, folder, backend="single", **changes):
    settings = preset("covernet", **({"epochs": 1, "batch_size": 8, "crop_s": 10.0} | changes))
    run = TrainingRun(settings, "clique", 1, str(folder))
    return Plan((run,), lake.snapshot(SPECTROGRAMS), lake.snapshot(TRIPLETS), backend)


def launch(lake, made, workers=2, stall_timeout_s=120.0):
    seen = []
    launchers.launch(
        lake.spark, made, workers=workers, on_message=lambda _, m: seen.append(m), stall_timeout_s=stall_timeout_s
    )  # fmt: skip
    seen = [m for m in seen if m["kind"] == "epoch"]
    return seen, checkpoints.load_newest(Path(made.runs[0].folder))


def test_petastorm_reads_every_row_every_time(tiny):
    # Unpatched, petastorm 0.13.1 loses rows in about a third of reads; twenty without a loss are proof.
    snapshot = tiny.snapshot(SPECTROGRAMS)
    for _ in range(20):
        batches = delta_reader.read_rows(snapshot, ["recording_id"])
        assert sum(len(b["recording_id"]) for b in batches) == WORKS * VERSIONS


def test_row_count_that_deltas_log_does_not_give_is_refused(tiny):
    from dataclasses import replace

    wrong = replace(tiny.snapshot(SPECTROGRAMS), n_rows=7)
    with pytest.raises(RuntimeError, match=f"must be 7, got {WORKS * VERSIONS} by petastorm"):
        list(delta_reader.read_rows(wrong, ["recording_id"]))


@pytest.mark.parametrize("reader", delta_reader.READERS)
def test_a_table_without_rows_has_none(tiny, reader):
    from dataclasses import replace

    empty = replace(tiny.snapshot(SPECTROGRAMS), n_rows=0, paths=())
    assert list(delta_reader.read_rows(empty, ["recording_id"], reader=reader)) == []


@pytest.mark.parametrize("reader", ["petastorm", "arrow"])
def test_both_readers_give_the_tensors_that_were_written(tiny, tmp_path, reader):
    store = dataset.read_tensors(
        tiny.snapshot(SPECTROGRAMS), "chroma", str(tmp_path), reader=reader
    )
    assert len(store.rows) == WORKS * VERSIONS
    np.testing.assert_allclose(store.tensor(store.rows["w3-2"]), chroma(3, 2), atol=0.003)


def test_unknown_strategy_has_no_triplets(tiny, tmp_path):
    store = dataset.read_tensors(tiny.snapshot(SPECTROGRAMS), "chroma", str(tmp_path))
    with pytest.raises(InputError, match="strategy 'cluster' with seed 1"):
        dataset.read_triplets(tiny.snapshot(TRIPLETS), store, strategy="cluster", seed=1)


def step_by_hand(made, folder, ranks):
    """First step of an epoch in one process: mean loss, and weights after the averaged gradient."""
    config = made.runs[0].config
    store = dataset.read_tensors(made.spectrograms, "chroma", str(folder))
    train = dataset.read_triplets(made.triplets, store, strategy="clique", seed=1)["train"]
    torch.manual_seed(config.seed)
    net, total = factory.build("covernet").train(), 0.0
    n_numbers = int(np.prod(factory.embedding_shape(net)))
    loss_of = losses.build(config, 12, int(train.labels.max()) + 1, n_numbers)
    both = torch.nn.ModuleDict({"network": net, "loss": loss_of})
    optimizer = torch.optim.AdamW(
        both.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    for rank in ranks:
        order = BatchOrder.from_config(config, train.labels[:, 0], 2)
        (indices,) = order.indices(epoch=1, micro_batch=rank)
        x, y = load_batch(train, indices, config, epoch=1, augment=config.augment, negatives=False)
        loss = loss_of(net(x.flatten(0, 1)).reshape(*y.shape, -1), y) / len(ranks)
        loss.backward()  # gradients add up
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(both.parameters(), config.max_grad_norm)
    optimizer.step()
    return total, dict(both.named_parameters())


def share_of_equal(one, other):
    same = [torch.isclose(w, other[n], atol=2e-4).flatten() for n, w in one.items()]
    return float(torch.cat(same).double().mean())


def test_two_micro_batches_take_the_step_that_is_taken_by_hand(tiny, tmp_path):
    made = plan(tiny, tmp_path / "two", batch_size=3 * (WORKS - 2), micro_batches=2)
    run_plan(made.to_json())
    checkpoint = checkpoints.load_newest(tmp_path / "two")
    loss, weights = step_by_hand(made, tmp_path, (0, 1))
    assert checkpoint.epochs[0]["loss"] == pytest.approx(loss, abs=1e-4)
    assert share_of_equal(weights, checkpoint.weights) > 0.99
    _, of_one_rank = step_by_hand(made, tmp_path, (0,))
    assert share_of_equal(of_one_rank, checkpoint.weights) < 0.9


METRICS = ("loss", "validation_loss", "validation_triplet_accuracy", "embedding_std")


@pytest.mark.parametrize("backend", ["horovod", "horovod-spark", "torch-distributor"])
def test_two_ranks_and_one_train_the_same_network_on_the_same_micro_batches(
    tiny, tmp_path, backend
):
    settings = {"epochs": 3, "micro_batches": 2}
    seen, checkpoint = launch(tiny, plan(tiny, tmp_path / "two", backend, **settings))
    run_plan(plan(tiny, tmp_path / "one", **settings).to_json())
    one = checkpoints.load_newest(tmp_path / "one").epochs
    assert [epoch["n_ranks"] for epoch in seen] == [2, 2, 2]
    assert [epoch["n_ranks"] for epoch in one] == [1, 1, 1]
    for mine, other in zip(one, checkpoint.epochs, strict=True):
        for name in METRICS:
            assert mine[name] == pytest.approx(other[name], abs=1e-4)


def test_losses_that_diverge_end_with_one_line_and_no_model(tiny, tmp_path):
    with pytest.raises(TrainingFailed, match=r"(loss must be finite|embeddings must differ)"):
        launch(tiny, plan(tiny, tmp_path, "horovod", learning_rate=1e6, epochs=3))
    assert not (tmp_path / "final.safetensors").exists()


def test_trained_model_is_registered_with_its_versions_and_epochs(tiny):
    launching = LaunchConfig(1, run_dir=str(Path(tiny.uri) / "work"))
    wanted = [(preset("covernet", epochs=n, batch_size=8, crop_s=10.0), "clique") for n in (2, 1)]
    titles = []

    def on_event(title, message):
        titles.extend([title] if message["kind"] == "epoch" else [])

    trained = train_models(tiny, wanted, launching, on_event)
    assert titles == ["covernet on clique triplets"] * 3
    logs = launching.log_folder
    assert len(list(logs.glob("tensorboard/*/events*"))) == 2
    assert len(list(logs.glob("mlruns/*/*/metrics/validation_triplet_accuracy"))) == 2
    assert [len(t.epochs) for t in trained] == [2, 1]
    model = newest(tiny, "covernet", trained[0].model_id)
    assert (model.config["epochs"], model.config["workers"]) == (2, 2)
    stored = tiny.read(TRAINING_EPOCHS).where(f"model_id = '{model.model_id}'")
    assert stored.count() == 2


def test_batch_that_workers_cannot_share_is_refused(tiny):
    wanted = [(preset("covernet", batch_size=8), "clique")]
    words = r"multiple of micro_batches \(one a worker, unless set\) x anchors of a class, got 8 for 3 x 2"
    with pytest.raises(InputError, match=words):
        train_models(tiny, wanted, LaunchConfig(1, workers=3), lambda *_: None)


def test_micro_batches_that_workers_cannot_share_are_refused(tiny):
    wanted = [(preset("covernet", batch_size=12, micro_batches=3), "clique")]
    with pytest.raises(
        InputError, match="multiple of the workers, got 3 for 2; change micro_batches"
    ):
        train_models(tiny, wanted, LaunchConfig(1, workers=2), lambda *_: None)
