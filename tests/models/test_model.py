"""Models: the pretrained one, files, random weights; loading changes nothing else in the process."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save

from covers.errors import InputError
from covers.models import factory, registry
from covers.models.card import ModelCard
from covers.models.model import EmbeddingModel, load_module, load_pretrained, untrained

load_anew = load_module.__wrapped__  # without the cache


def test_the_shipped_network_is_what_its_card_describes_and_loads():
    model = registry.resolve(None, "shipped")
    assert hashlib.sha256(model.weights).hexdigest() == model.card.details["sha256"]
    load_anew(model.card.architecture, model.weights, 0)
    assert "covers80" not in json.dumps(model.card.to_dict())


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"got no file there: 'nowhere\.safetensors'"):
        registry.resolve(None, "nowhere.safetensors")


def test_weights_of_another_architecture_are_refused_with_the_files_name(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(save(factory.build("cnn").state_dict()))
    with pytest.raises(InputError, match=r"weights must be those of covernet.*w\.safetensors"):
        registry.resolve(None, str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("name", ["latest", "covernet-12", "shiped"])
def test_a_name_that_needs_a_lake_is_refused_without_one(name):
    with pytest.raises(InputError, match=f"where there is no lake, got '{name}'"):
        registry.resolve(None, name)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("{", "Expecting property name"),
        ('{"architecture": "vgg"}', "architecture on a model's card"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_the_files_name(tmp_path, card, words):
    (tmp_path / "w.safetensors").write_bytes(save(factory.build("covernet").state_dict()))
    (tmp_path / "w.json").write_text(card)
    with pytest.raises(InputError, match=rf"{words}.*w\.safetensors"):
        registry.resolve(None, str(tmp_path / "w.safetensors"))


def test_an_untrained_network_is_the_same_for_the_same_seed():
    a, b, other = (load_anew("covernet", None, seed) for seed in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(next(a.parameters()), next(other.parameters()))


@pytest.mark.parametrize("weights", [None, save(factory.build("covernet").state_dict())])
def test_loading_leaves_torchs_random_state_and_threads_as_they_were(weights):
    torch.manual_seed(5)
    expected, n_threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    load_anew("covernet", weights, 7)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert torch.get_num_threads() == n_threads


def test_weights_with_keys_of_an_earlier_version_load():
    stored = factory.build("covernet", n_backbones=2).eval()
    keys = {k.replace("backbones.", "towers."): v for k, v in stored.state_dict().items()}
    assert any(k.startswith("towers.1.") for k in keys)
    x = torch.rand(1, 36, 64)
    torch.testing.assert_close(load_anew("covernet", save(keys), 0)(x), stored(x))


def test_a_model_knows_its_embeddings_shape_and_transpositions():
    covernet, cnn = untrained("covernet"), untrained("cnn")
    assert (covernet.embedding_shape, covernet.n_transpositions) == ((12, 64), 12)
    assert (len(cnn.embedding_shape), cnn.n_transpositions) == (1, 1)
    assert not covernet.module.training


def test_a_model_with_another_card_has_the_same_weights():
    model = load_pretrained()
    alone = model.with_card(segment_s=None, frame_s=None)
    assert (alone.card.segment_s, alone.card.frame_s) == (None, None)
    assert alone.module is model.module
    with pytest.raises(InputError, match=r"tempo_factors on .* must be 0\.25 to 4"):
        model.with_card(tempo_factors=(9.0,))


@pytest.mark.parametrize("card", [ModelCard("covernet", "chroma"), untrained().card])
def test_a_model_can_be_pickled(card):
    model = EmbeddingModel("m", None, card)
    back = pickle.loads(pickle.dumps(model))
    assert back == model
    x = np.zeros((1, 36, 32), np.float32)
    torch.testing.assert_close(back.module(torch.from_numpy(x)), model.module(torch.from_numpy(x)))
