import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.training import checkpoints, loader
from lib.training.checkpoints import Checkpoint


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.integers(1, 16), st.sampled_from([1, 2, 3, 4]), st.integers(0, 5))
def test_ranks_share_each_global_batch_disjointly_and_in_equal_parts(n, share, n_ranks, epoch):
    size = share * n_ranks
    plan = [
        loader.batch_indices(
            n, batch_size=size, rank=rank, n_ranks=n_ranks, epoch=epoch, seed=1
        )
        for rank in range(n_ranks)
    ]  # fmt: skip
    assert len({len(p) for p in plan}) == 1
    taken = [i for p in plan for batch in p for i in batch]
    assert len(taken) == len(set(taken)) <= n
    assert n - len(taken) < max(size, n_ranks)
    for batches in zip(*plan, strict=True):
        assert len({len(b) for b in batches}) == 1


@given(st.integers(4, 120), st.integers(0, 5))
def test_global_batches_are_the_same_whatever_the_number_of_ranks(n, epoch):
    def steps(n_ranks):
        plan = [
            loader.batch_indices(n, batch_size=4, rank=r, n_ranks=n_ranks, epoch=epoch, seed=3)
            for r in range(n_ranks)
        ]
        return [sorted(np.concatenate(b)) for b in zip(*plan, strict=True)]

    one, two = steps(1), steps(2)
    np.testing.assert_array_equal(one, two)


def test_epochs_are_ordered_differently():
    first, second = (
        loader.batch_indices(64, batch_size=64, rank=0, n_ranks=1, epoch=e, seed=1)[0]
        for e in (1, 2)
    )
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second)


def test_batch_that_ranks_cannot_share_is_refused():
    with pytest.raises(ValueError, match="multiple of the 2 ranks, got 3"):
        loader.batch_indices(10, batch_size=3, rank=0, n_ranks=2, epoch=0, seed=0)


def test_crop_of_a_short_tensor_repeats_it():
    tensor = np.arange(6, dtype=np.float32).reshape(1, 6)
    cut = loader.crop(tensor, 14, np.random.default_rng(0))
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
