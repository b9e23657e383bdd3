import hashlib
import json

import pytest
from safetensors.torch import save

from covers.errors import InputError
from covers.models import networks, registry
from covers.retrieval import embed


def test_shipped_network_is_what_its_card_says_and_loads():
    network = registry.resolve(None, "shipped")
    assert hashlib.sha256(network.weights).hexdigest() == network.config["sha256"]
    embed.load(network.config["architecture"], network.weights, 0)
    assert "covers80" not in json.dumps(network.config)


def test_file_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"got no file there: 'nowhere\.safetensors'"):
        registry.resolve(None, "nowhere.safetensors")


def test_weights_of_another_network_are_refused_with_the_files_name(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(save(networks.build("cnn").state_dict()))
    with pytest.raises(InputError, match=r"weights must be those of covernet.*w\.safetensors"):
        registry.resolve(None, str(tmp_path / "w.safetensors"))
