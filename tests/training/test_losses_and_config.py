import numpy as np
import pytest
import torch

from covers.models import similarity as distances
from covers.training import config, losses
from covers.training.config import PRESETS, TrainConfig, preset
from covers.training.settings import parse_settings, types_of


def unit(n, d, seed=0):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=1)


def naive_similarity(a, b, n_transpositions):
    """The similarity in loops: every row against every transposition."""
    found = np.empty((len(a), len(b)))
    for i, x in enumerate(a.numpy()):
        for j, y in enumerate(b.numpy()):
            rows = y.reshape(n_transpositions, -1)
            found[i, j] = max(x @ np.roll(rows, s, axis=0).ravel() for s in range(n_transpositions))
    return found


@pytest.mark.parametrize("n_transpositions", [1, 12])
def test_similarity_equals_the_loop_over_transpositions(n_transpositions):
    a, b = unit(4, 36, 1), unit(5, 36, 2)
    found = distances.similarity_matrix(a, b, n_transpositions).numpy()
    np.testing.assert_allclose(found, naive_similarity(a, b, n_transpositions), atol=1e-6)


def test_paired_distance_is_the_diagonal_of_the_matrix():
    a, b = unit(6, 24, 1), unit(6, 24, 2)
    matrix = distances.distance(distances.similarity_matrix(a, b, 12))
    torch.testing.assert_close(distances.paired_distance(a, b, 12), matrix.diagonal())


def test_transposed_embedding_is_at_distance_zero():
    a = unit(3, 48)
    rolled = a.reshape(3, 12, 4).roll(5, dims=1).flatten(1)
    assert distances.paired_distance(a, rolled, 12).max() < 2e-3


def test_plain_triplet_loss_equals_torchs():
    a, p, n = unit(8, 16, 1), unit(8, 16, 2), unit(8, 16, 3)
    ours = losses.triplet_loss(a, p, n, margin=1.0, n_transpositions=1)
    theirs = torch.nn.TripletMarginLoss(margin=1.0, p=2, eps=1e-7)(a, p, n)
    assert float(ours) == pytest.approx(float(theirs), abs=1e-5)


def test_supcon_equals_the_papers_formula_in_loops():
    settings_ = preset("covernet", temperature=0.2)
    a, p, n = unit(3, 24, 1), unit(3, 24, 2), unit(3, 24, 3)
    label, other = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0])
    ours = float(
        losses.build_metric(settings_, 12)(
            torch.stack([a, p, n]), torch.stack([label, label, other])
        )
    )
    z, y = torch.cat([a, p, n]), np.concatenate([label, label, other])
    s = naive_similarity(z, z, 12) / 0.2
    terms = []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        norm = np.log(sum(np.exp(s[i, j]) for j in others))
        terms.append(-np.mean([s[i, j] - norm for j in others if y[j] == y[i]]))
    assert ours == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("loss", config.LOSSES)
def test_every_loss_is_finite_and_falls_when_positives_are_perfect(loss):
    settings_ = preset("covernet", loss=loss)
    a, n = unit(6, 24, 1), unit(6, 24, 3)
    label, other = torch.arange(6), torch.arange(6, 12)
    of = losses.build_metric(settings_, 12)
    good, bad = (
        float(of(torch.stack(x), torch.stack([label, label, other])))
        for x in ((a, a, n), (a, n, a))
    )
    assert np.isfinite([good, bad]).all()
    assert good < bad


def test_cross_entropy_over_classes_is_torchs_at_the_best_transpositions():
    torch.manual_seed(0)
    settings_ = preset("covernet", ce_loss_weight=0.7, temperature=0.2)
    x, label, other = (
        torch.stack([unit(3, 24, i) for i in (1, 2, 3)]),
        *torch.tensor([[0, 1, 2], [4, 5, 6]]),
    )
    of = losses.build(settings_, 12, 7, 24)
    vectors = torch.nn.functional.normalize(of.classes.W.detach().T, dim=1)
    logits = naive_similarity(x.flatten(0, 1), vectors, 12) / 0.2
    labels = torch.stack([label, label, other])
    classes = torch.nn.functional.cross_entropy(torch.as_tensor(logits), labels.flatten())
    metric = losses.build_metric(settings_, 12)(x, labels)
    assert float(of(x, labels)) == pytest.approx(float(metric + 0.7 * classes), rel=1e-5)


def naive_segment_loss(segments, labels, n_transpositions, gamma, top_k):
    """The paper's loss in loops over recordings and their segments."""
    m, positive, alone = len(segments), [], []
    for i in range(m):
        others = []
        for j in range(m):
            s = naive_similarity(segments[i], segments[j], n_transpositions)
            if labels[i] != labels[j]:
                others.append(np.exp(-gamma * (2 - 2 * s.max())))
            elif i < j:
                taken = []
                while s.size and len(taken) < top_k:
                    row, column = np.unravel_index(s.argmax(), s.shape)
                    taken.append(s[row, column])
                    s = np.delete(np.delete(s, row, 0), column, 1)
                positive.append(2 - 2 * np.mean(taken))
        alone.append(np.log(np.mean(others)))
    return gamma * np.mean(positive) + np.mean(alone)


@pytest.mark.parametrize(("n_segments", "top_k"), [(1, 3), (3, 1), (3, 3), (4, 2)])
def test_segment_loss_is_the_papers_in_loops(n_segments, top_k):
    segments = unit(6 * n_segments, 24, 5).reshape(6, n_segments, 24)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    found = losses.segment_loss(segments, labels, n_transpositions=12, gamma=5.0, top_k=top_k)
    expected = naive_segment_loss(segments, labels.numpy(), 12, 5.0, top_k)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_segment_loss_forgives_segments_in_another_order():
    segments = unit(12, 24, 6).reshape(4, 3, 24)
    moved = segments[:, [2, 0, 1]]
    labels, settings_ = (
        torch.tensor([0, 0, 1, 1]),
        {"n_transpositions": 12, "gamma": 5.0, "top_k": 3},
    )
    mixed = torch.stack([segments[0], moved[1], segments[2], moved[3]])
    torch.testing.assert_close(
        losses.segment_loss(mixed, labels, **settings_),
        losses.segment_loss(segments, labels, **settings_),
    )


def test_a_crop_is_cut_into_segments_in_order_and_put_back_in_place():
    settings_ = preset("covernet", loss="clews", n_segments=3)
    x = torch.arange(2 * 5 * 4 * 10.0).reshape(2, 5, 4, 10)
    pieces = losses.cut_segments(x, settings_.segments_per_crop)
    assert pieces.shape == (30, 4, 3)
    back = losses.group_embeddings(pieces.flatten(1), torch.zeros(2, 5), 3)
    torch.testing.assert_close(back[1, 2, 1], x[1, 2, :, 3:6].flatten())


def test_loss_without_cross_entropy_has_no_weights():
    assert not list(losses.build(preset("covernet", ce_loss_weight=0.0), 12, 7, 24).parameters())


def test_presets_are_the_writeups():
    assert (PRESETS["resnet18_last_block"].batch_size, PRESETS["cnn"].epochs) == (64, 10)
    theirs = ("cnn", "resnet18_all", "resnet18_last_block")
    assert {PRESETS[name].margin for name in theirs} == {1.0}


def test_settings_know_what_their_loss_asks_of_the_batches():
    assert not PRESETS["covernet"].own_negatives
    assert preset("covernet", loss="triplet").own_negatives
    assert preset("covernet", loss="clews").segments_per_crop == 3
    assert preset("covernet", loss="supcon").segments_per_crop == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "hinge"}, "loss must be one of"),
        ({"epochs": -1}, "epochs must be positive, got -1"),
        ({"epochs": 1.5}, "epochs must be an integer, got 1.5"),
        ({"epochs": True}, "epochs must be an integer, got True"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number, got nan"),
        ({"augment": 1}, "augment must be true or false, got 1"),
        ({"patience": -1}, "patience must be 0 or more, got -1"),
        ({"samples_per_class": 3}, "samples_per_class must be 0 or an even number, got 3"),
        ({"samples_per_class": 4}, "samples_per_class must be 0 for the loss triplet"),
        ({"whiten_head": True}, "whiten_head must be false for 'cnn'"),
    ],
)
def test_impossible_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        preset("cnn", **changes)


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="preset must be one of"):
        preset("vgg")


def test_settings_as_text_have_the_declared_types():
    types = types_of(TrainConfig)
    pairs = ["epochs=3", "learning_rate=1e-3", "augment=false", "init_weights=none", "loss=clews"]
    assert parse_settings(pairs, types) == {
        "epochs": 3, "learning_rate": 1e-3, "augment": False, "init_weights": None, "loss": "clews",
    }  # fmt: skip
    assert parse_settings(["init_weights=w.safetensors"], types)["init_weights"] == "w.safetensors"


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("epochs", "must be KEY=VALUE, got 'epochs'"),
        ("epochs=x", "epochs must be an integer, got 'x'"),
        ("augment=1", "augment must be true or false, got '1'"),
        ("margin=nan", "margin must be a finite number, got 'nan'"),
        ("micro_batch=2", "setting 'micro_batch' is unknown; closest: micro_batches"),
    ],
)
def test_text_that_is_no_setting_is_refused(pair, words):
    with pytest.raises(ValueError, match=words):
        parse_settings([pair], types_of(TrainConfig))
