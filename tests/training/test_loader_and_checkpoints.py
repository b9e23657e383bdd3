import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.training import checkpoints, dataset
from covers.training.checkpoints import Checkpoint


@st.composite
def labelled(draw):
    """Works of triplets, and how many pairs of one work a batch wants together."""
    labels = draw(st.lists(st.integers(0, 8), max_size=150))
    return np.array(labels, dtype=int), draw(st.sampled_from([1, 2, 3]))


@settings(max_examples=60, deadline=None)
@given(labelled(), st.integers(1, 6), st.sampled_from([1, 2, 3, 4]), st.integers(0, 5))
def test_parts_share_each_global_batch_disjointly_and_equally(works, share, n_parts, epoch):
    labels, pairs = works
    size = share * n_parts * pairs
    plan = [
        dataset.batch_indices(
            labels, batch_size=size, part=part, n_parts=n_parts, epoch=epoch, seed=1,
            pairs_per_work=pairs,
        )
        for part in range(n_parts)
    ]  # fmt: skip
    assert len({len(p) for p in plan}) == 1
    taken = [i for p in plan for batch in p for i in batch]
    assert len(taken) == len(set(taken)) <= len(labels)
    assert len(labels) - len(taken) < max(size, n_parts * pairs) + pairs
    for batches in zip(*plan, strict=True):
        assert len({len(b) for b in batches}) == 1


@given(labelled(), st.integers(0, 5))
def test_global_batches_are_the_same_whatever_the_number_of_parts(works, epoch):
    labels, pairs = works

    def steps(n_parts):
        plan = [
            dataset.batch_indices(
                labels, batch_size=4 * pairs, part=part, n_parts=n_parts, epoch=epoch, seed=3,
                pairs_per_work=pairs,
            )
            for part in range(n_parts)
        ]  # fmt: skip
        return [sorted(np.concatenate(b)) for b in zip(*plan, strict=True)]

    one, two = steps(1), steps(2)
    if len(labels) >= 8 * pairs:  # a smaller set is one batch, of as many as the parts can share
        np.testing.assert_array_equal(one, two)


@given(st.integers(1, 30), st.integers(2, 4), st.integers(0, 5))
def test_a_part_holds_the_pairs_of_a_work_together(n_works, pairs, epoch):
    labels = np.tile(np.arange(n_works), pairs)
    for part in range(2):
        for batch in dataset.batch_indices(
            labels, batch_size=4 * pairs, part=part, n_parts=2, epoch=epoch, seed=1,
            pairs_per_work=pairs,
        ):  # fmt: skip
            together = labels[batch].reshape(-1, pairs)
            assert (together == together[:, :1]).all()
            assert len(set(together[:, 0])) == len(together)


def test_works_of_a_single_pair_are_trained_on_all_the_same():
    batches = dataset.batch_indices(
        np.arange(12), batch_size=4, part=0, n_parts=1, epoch=1, seed=1, pairs_per_work=2
    )
    assert sorted(np.concatenate(batches)) == list(range(12))


def test_epochs_are_ordered_differently():
    first, second = (
        dataset.batch_indices(
            np.zeros(64), batch_size=64, part=0, n_parts=1, epoch=e, seed=1, pairs_per_work=2
        )[0]
        for e in (1, 2)
    )
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second)


def test_batch_that_cannot_be_cut_in_parts_is_refused():
    with pytest.raises(ValueError, match="multiple of 2 parts x 2 pairs of a work, got 6"):
        dataset.batch_indices(
            np.zeros(10), batch_size=6, part=0, n_parts=2, epoch=0, seed=0, pairs_per_work=2
        )


def test_crop_of_a_short_tensor_repeats_it():
    tensor = np.arange(6, dtype=np.float32).reshape(1, 6)
    cut = dataset.crop(tensor, 14, np.random.default_rng(0))
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
def test_broken_newest_checkpoint_gives_way_to_the_one_before(tmp_path, suffix):
    for epoch in (1, 2):
        checkpoints.save(tmp_path, checkpoint(epoch))
    broken = tmp_path / f"epoch-0002{suffix}"
    broken.write_bytes(broken.read_bytes()[:-3])
    assert checkpoints.load_newest(tmp_path).epoch == 1


def test_folder_without_checkpoint_gives_none(tmp_path):
    assert checkpoints.load_newest(tmp_path) is None
