import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.models import factory


@pytest.mark.parametrize("n_backbones", [1, 2])
def test_covernet_starts_from_the_weights_of_a_file(tmp_path, n_backbones):
    path, x = tmp_path / "w.safetensors", torch.rand(2, 36, 40)
    saved = factory.build("covernet", n_backbones=n_backbones).eval()
    save_file(saved.state_dict(), path)
    started = factory.build("covernet", init_weights=str(path)).eval()
    torch.testing.assert_close(started(x), saved(x))


def test_other_weights_than_covernets_are_refused_in_one_line(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(factory.build("cnn").state_dict(), path)
    with pytest.raises(ValueError, match=r"must be covernet's, got others in .*w\.safe"):
        factory.build("covernet", init_weights=str(path))
    with pytest.raises(ValueError, match=r"must be a \.safetensors file, got 'nowhere'"):
        factory.build("covernet", init_weights="nowhere")


@pytest.mark.parametrize("name", factory.ARCHITECTURES)
def test_embeddings_have_unit_norm_and_the_networks_shape(name):
    torch.manual_seed(0)
    network = factory.build(name).eval()
    n_bins = {"covernet": 36, "cqtnet": 84}.get(name, 128)
    with torch.no_grad():
        y = network(torch.rand(2, n_bins, 64))
    assert y.shape == (2, int(np.prod(factory.embedding_shape(network))))
    torch.testing.assert_close(y.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("name", ["cnn", "resnet18_all"])
def test_an_example_is_embedded_the_same_whatever_else_is_in_the_batch(name):
    # The write-up's view(-1, 8192) mixed the examples of a batch.
    network = factory.build(name).eval()
    x = torch.rand(3, 128, 60)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[:1], network(x[:1]), atol=1e-5, rtol=1e-4)


def test_last_block_trains_layer4_and_fc_alone():
    network = factory.build("resnet18_last_block")
    trained = {n.split(".")[1] for n, p in network.named_parameters() if p.requires_grad}
    assert trained == {"layer4", "fc"}


def test_cqtnet_has_the_papers_layers():
    network = factory.build("cqtnet")
    shapes = [tuple(m.weight.shape) for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert shapes[:3] == [(32, 1, 12, 3), (64, 32, 13, 3), (64, 64, 13, 3)]
    assert shapes[-1] == (512, 512, 3, 3)
    assert factory.embedding_shape(network) == (300,)


def test_cqtnet_finds_a_short_recording_by_what_it_plays_not_by_its_length():
    torch.manual_seed(0)
    network, x = factory.build("cqtnet").eval(), torch.rand(1, 84, 50)
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x.repeat(1, 1, 4)), atol=1e-5, rtol=1e-4)


def test_unknown_architectures_and_missing_weights_are_refused():
    with pytest.raises(ValueError, match="architecture must be one of"):
        factory.build("vgg")
    with pytest.raises(ValueError, match="weights must be a file or 'imagenet', got 'nowhere'"):
        factory.build("resnet18_all", init_weights="nowhere")
