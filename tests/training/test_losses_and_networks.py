import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from covers.models import networks
from covers.models import similarity as distances
from covers.training import config, loop, losses
from covers.training.config import PRESETS, preset


def unit(n, d, seed=0):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=1)


def naive_best_roll(a, b, n_transpositions):
    """The similarity in loops: every row against every roll."""
    found = np.empty((len(a), len(b)))
    for i, x in enumerate(a.numpy()):
        for j, y in enumerate(b.numpy()):
            rows = y.reshape(n_transpositions, -1)
            found[i, j] = max(x @ np.roll(rows, s, axis=0).ravel() for s in range(n_transpositions))
    return found


@pytest.mark.parametrize("n_transpositions", [1, 12])
def test_best_roll_equals_the_loop_over_rolls(n_transpositions):
    a, b = unit(4, 36, 1), unit(5, 36, 2)
    found = distances.similarity_matrix(a, b, n_transpositions).numpy()
    np.testing.assert_allclose(found, naive_best_roll(a, b, n_transpositions), atol=1e-6)


def test_paired_distance_is_the_diagonal_of_the_matrix():
    a, b = unit(6, 24, 1), unit(6, 24, 2)
    matrix = distances.distance(distances.similarity_matrix(a, b, 12))
    torch.testing.assert_close(distances.paired_distance(a, b, 12), matrix.diagonal())


def test_embedding_rolled_by_a_key_is_at_distance_zero():
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
        losses.MetricLoss(settings_, 12)(torch.stack([a, p, n]), torch.stack([label, label, other]))
    )
    z, y = torch.cat([a, p, n]), np.concatenate([label, label, other])
    s = naive_best_roll(z, z, 12) / 0.2
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
    of = losses.MetricLoss(settings_, 12)
    good, bad = (
        float(of(torch.stack(x), torch.stack([label, label, other])))
        for x in ((a, a, n), (a, n, a))
    )
    assert np.isfinite([good, bad]).all()
    assert good < bad


def test_cross_entropy_over_classes_is_torchs_of_the_best_rolls():
    torch.manual_seed(0)
    settings_ = preset("covernet", class_weight=0.7, temperature=0.2)
    x, label, other = (
        torch.stack([unit(3, 24, i) for i in (1, 2, 3)]),
        *torch.tensor([[0, 1, 2], [4, 5, 6]]),
    )
    of = losses.build(settings_, 12, 7, 24)
    vectors = torch.nn.functional.normalize(of.classes.W.detach().T, dim=1)
    logits = naive_best_roll(x.flatten(0, 1), vectors, 12) / 0.2
    labels = torch.stack([label, label, other])
    classes = torch.nn.functional.cross_entropy(torch.as_tensor(logits), labels.flatten())
    metric = losses.MetricLoss(settings_, 12)(x, labels)
    assert float(of(x, labels)) == pytest.approx(float(metric + 0.7 * classes), rel=1e-5)


def naive_segment_loss(segments, labels, n_transpositions, gamma, best):
    """The paper's loss in loops over recordings and their segments."""
    m, positive, alone = len(segments), [], []
    for i in range(m):
        others = []
        for j in range(m):
            s = naive_best_roll(segments[i], segments[j], n_transpositions)
            if labels[i] != labels[j]:
                others.append(np.exp(-gamma * (2 - 2 * s.max())))
            elif i < j:
                taken = []
                while s.size and len(taken) < best:
                    row, column = np.unravel_index(s.argmax(), s.shape)
                    taken.append(s[row, column])
                    s = np.delete(np.delete(s, row, 0), column, 1)
                positive.append(2 - 2 * np.mean(taken))
        alone.append(np.log(np.mean(others)))
    return gamma * np.mean(positive) + np.mean(alone)


@pytest.mark.parametrize(("n_segments", "best"), [(1, 3), (3, 1), (3, 3), (4, 2)])
def test_segment_loss_is_the_papers_in_loops(n_segments, best):
    segments = unit(6 * n_segments, 24, 5).reshape(6, n_segments, 24)
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    found = losses.segment_loss(segments, labels, n_transpositions=12, gamma=5.0, best=best)
    expected = naive_segment_loss(segments, labels.numpy(), 12, 5.0, best)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_segment_loss_forgives_segments_in_another_order():
    segments = unit(12, 24, 6).reshape(4, 3, 24)
    moved = segments[:, [2, 0, 1]]
    labels, told = torch.tensor([0, 0, 1, 1]), {"n_transpositions": 12, "gamma": 5.0, "best": 3}
    mixed = torch.stack([segments[0], moved[1], segments[2], moved[3]])
    torch.testing.assert_close(
        losses.segment_loss(mixed, labels, **told), losses.segment_loss(segments, labels, **told)
    )


def test_a_crop_is_cut_into_segments_in_order_and_put_back_in_place():
    settings_ = preset("covernet", loss="clews", segments=3)
    x = torch.arange(2 * 5 * 4 * 10.0).reshape(2, 5, 4, 10)
    pieces = loop.pieces_of(x, settings_)
    assert pieces.shape == (30, 4, 3)
    back = loop.as_compared(pieces.flatten(1), torch.zeros(2, 5), settings_)
    torch.testing.assert_close(back[1, 2, 1], x[1, 2, :, 3:6].flatten())


@pytest.mark.parametrize("backbones", [1, 2])
def test_covernet_begins_with_the_weights_of_a_file(tmp_path, backbones):
    path, x = tmp_path / "w.safetensors", torch.rand(2, 36, 40)
    saved = networks.build("covernet", backbones=backbones).eval()
    save_file(saved.state_dict(), path)
    begun = networks.build("covernet", weights=str(path)).eval()
    torch.testing.assert_close(begun(x), saved(x))


def test_other_weights_than_covernets_are_refused_in_one_line(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(networks.build("cnn").state_dict(), path)
    with pytest.raises(ValueError, match=r"must be covernet's, got others in .*w\.safe"):
        networks.build("covernet", weights=str(path))
    with pytest.raises(ValueError, match=r"must be a \.safetensors file, got 'nowhere'"):
        networks.build("covernet", weights="nowhere")


def test_loss_without_class_weight_has_no_weights():
    assert not list(losses.build(preset("covernet", class_weight=0.0), 12, 7, 24).parameters())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 11), st.integers(0, 1000))
def test_covernet_embeds_a_transposed_recording_the_same(shift, seed):
    torch.manual_seed(0)
    network = networks.build("covernet").eval()
    x = torch.rand(1, 36, 80, generator=torch.Generator().manual_seed(seed))
    rolled = x.reshape(1, 3, 12, 80).roll(shift, dims=2).reshape(1, 36, 80)
    with torch.no_grad():
        near = distances.paired_distance(network(x), network(rolled), 12)
    assert float(near) < 5e-3


def test_pitch_circle_is_a_plain_convolution_of_the_input_repeated_around():
    torch.manual_seed(0)
    circle, x = networks.CircularPitchConv(3, 5), torch.rand(2, 3, 12, 7)
    around = torch.cat([x, x[:, :, :11]], dim=2)
    plain = torch.nn.functional.conv2d(around, circle.weight)
    torch.testing.assert_close(circle(x), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_embeddings_have_unit_norm_and_the_networks_shape(name):
    torch.manual_seed(0)
    network = networks.build(name).eval()
    n_bins = {"covernet": 36, "cqtnet": 84}.get(name, 128)
    with torch.no_grad():
        y = network(torch.rand(2, n_bins, 64))
    assert y.shape == (2, int(np.prod(networks.shape_of(network))))
    torch.testing.assert_close(y.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", ["cnn", "resnet18_all"])
def test_an_example_is_embedded_the_same_whatever_else_is_in_the_batch(name):
    # The write-up's view(-1, 8192) mixed the examples of a batch.
    network = networks.build(name).eval()
    x = torch.rand(3, 128, 60)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[:1], network(x[:1]), atol=1e-5, rtol=1e-4)


def test_last_block_trains_layer4_and_fc_alone():
    network = networks.build("resnet18_last_block")
    trained = {n.split(".")[1] for n, p in network.named_parameters() if p.requires_grad}
    assert trained == {"layer4", "fc"}


def test_presets_are_the_writeups():
    assert (PRESETS["resnet18_last_block"].batch_size, PRESETS["cnn"].epochs) == (64, 10)
    theirs = ("cnn", "resnet18_all", "resnet18_last_block")
    assert {PRESETS[name].margin for name in theirs} == {1.0}


def test_cqtnet_has_the_papers_layers():
    network = networks.build("cqtnet")
    told = [tuple(m.weight.shape) for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert told[:3] == [(32, 1, 12, 3), (64, 32, 13, 3), (64, 64, 13, 3)]
    assert told[-1] == (512, 512, 3, 3)
    assert networks.shape_of(network) == (300,)


def test_cqtnet_finds_a_short_recording_by_what_it_plays_not_by_its_length():
    torch.manual_seed(0)
    network, x = networks.build("cqtnet").eval(), torch.rand(1, 84, 50)
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x.repeat(1, 1, 4)), atol=1e-5, rtol=1e-4)


def test_unknown_names_and_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="network must be one of"):
        networks.build("vgg")
    with pytest.raises(ValueError, match="preset must be one of"):
        preset("vgg")
    with pytest.raises(ValueError, match="loss must be one of"):
        preset("cnn", loss="hinge")
    with pytest.raises(ValueError, match="epochs must be positive, got -1"):
        preset("cnn", epochs=-1)
    with pytest.raises(ValueError, match="weights must be a file or 'imagenet', got 'nowhere'"):
        networks.build("resnet18_all", weights="nowhere")


def test_covernets_side_by_side_tell_what_each_tells_alone():
    torch.manual_seed(3)
    alone = [networks.build("covernet", backbones=n).eval() for n in (1, 2)]
    both, x = networks.join_backbones(alone).eval(), torch.rand(3, 36, 80)
    torch.testing.assert_close(both.spread(x), torch.cat([n.spread(x) for n in alone], dim=1))
    assert networks.count_backbones(both.state_dict()) == 3
    assert both(x).norm(dim=1).allclose(torch.ones(3))
    rolled = torch.roll(x.reshape(3, 3, 12, -1), 5, dims=2).reshape(x.shape)
    torch.testing.assert_close(both(rolled), both(x), atol=1e-5, rtol=0)
