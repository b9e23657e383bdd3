import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.training import batching, checkpoints
from covers.training.batching import BatchOrder
from covers.training.checkpoints import Checkpoint


@st.composite
def labelled(draw):
    """Works of triplets, and how many anchors of one work a batch takes together."""
    labels = draw(st.lists(st.integers(0, 8), max_size=150))
    return np.array(labels, dtype=int), draw(st.sampled_from([1, 2, 3]))


@settings(max_examples=60, deadline=None)
@given(labelled(), st.integers(1, 6), st.sampled_from([1, 2, 3, 4]), st.integers(0, 5))
def test_micro_batches_share_each_global_batch_disjointly_and_equally(works, share, n_micro, epoch):
    labels, anchors = works
    size = share * n_micro * anchors
    plan = [
        BatchOrder(labels, size, n_micro, 1, anchors).indices(epoch=epoch, micro_batch=m)
        for m in range(n_micro)
    ]
    assert len({len(p) for p in plan}) == 1
    taken = [i for p in plan for batch in p for i in batch]
    assert len(taken) == len(set(taken)) <= len(labels)
    assert len(labels) - len(taken) < max(size, n_micro * anchors) + anchors
    for batches in zip(*plan, strict=True):
        assert len({len(b) for b in batches}) == 1


@given(labelled(), st.integers(0, 5))
def test_global_batches_are_the_same_whatever_the_number_of_micro_batches(works, epoch):
    labels, anchors = works

    def steps(n_micro):
        plan = [
            BatchOrder(labels, 4 * anchors, n_micro, 3, anchors).indices(epoch=epoch, micro_batch=m)
            for m in range(n_micro)
        ]
        return [sorted(np.concatenate(b)) for b in zip(*plan, strict=True)]

    one, two = steps(1), steps(2)
    if (
        len(labels) >= 8 * anchors
    ):  # a smaller set is one batch, of as many as can be shared equally
        np.testing.assert_array_equal(one, two)


@given(st.integers(1, 30), st.integers(2, 4), st.integers(0, 5))
def test_a_micro_batch_holds_the_samples_of_a_work_together(n_works, anchors, epoch):
    labels = np.tile(np.arange(n_works), anchors)
    order = BatchOrder(labels, 4 * anchors, 2, 1, anchors)
    for micro_batch in range(2):
        for batch in order.indices(epoch=epoch, micro_batch=micro_batch):
            together = labels[batch].reshape(-1, anchors)
            assert (together == together[:, :1]).all()
            assert len(set(together[:, 0])) == len(together)


def test_works_of_a_single_pair_are_trained_on_as_well():
    batches = BatchOrder(np.arange(12), 4, 1, 1, 2).indices(epoch=1, micro_batch=0)
    assert sorted(np.concatenate(batches)) == list(range(12))


def test_epochs_are_ordered_differently():
    order = BatchOrder(np.zeros(64), 64, 1, 1, 2)
    first, second = (order.indices(epoch=e, micro_batch=0)[0] for e in (1, 2))
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second)


def test_batch_that_cannot_be_cut_into_micro_batches_is_refused():
    words = "multiple of 2 micro-batches x 2 anchors of a class, got 6"
    with pytest.raises(ValueError, match=words):
        BatchOrder(np.zeros(10), 6, 2, 0, 2)


def test_crop_of_a_short_tensor_repeats_it():
    tensor = np.arange(6, dtype=np.float32).reshape(1, 6)
    cut = batching.crop(tensor, 14, np.random.default_rng(0))
    assert cut.shape == (1, 14)
    assert set(np.diff(cut[0])) == {1.0, -5.0}


def checkpoint(epoch):
    return Checkpoint(
        epoch, {"w": torch.full((3,), float(epoch))}, {"state": {}}, [{"epoch": epoch}]
    )


def test_newest_checkpoint_comes_back_as_it_was(tmp_path):
    for epoch in (1, 2, 3):
        checkpoints.save(tmp_path, checkpoint(epoch))
    found = checkpoints.load_newest(tmp_path)
    assert (found.epoch, found.weights["w"].tolist(), found.epochs) == (
        3,
        [3.0] * 3,
        [{"epoch": 3}],
    )
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_newest_checkpoint_that_is_damaged_gives_way_to_the_one_before(tmp_path, suffix):
    for epoch in (1, 2):
        checkpoints.save(tmp_path, checkpoint(epoch))
    broken = tmp_path / f"epoch-0002{suffix}"
    broken.write_bytes(broken.read_bytes()[:-3])
    assert checkpoints.load_newest(tmp_path).epoch == 1


def test_folder_without_checkpoint_gives_none(tmp_path):
    assert checkpoints.load_newest(tmp_path) is None
