import json
from pathlib import Path

import pytest

from lib.io.errors import InputError
from lib.io.files import sha256_of
from lib.retrieval import embed, registry


def test_shipped_network_is_what_its_card_says_and_loads():
    network = registry.resolve(None, "shipped")
    assert sha256_of(network.path) == network.config["sha256"]
    embed.load(network.config["network"], Path(network.path).read_bytes(), 0)
    assert "covers80" not in json.dumps(network.config)


def test_file_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"got no file there: 'nowhere\.safetensors'"):
        registry.resolve(None, "nowhere.safetensors")


def test_weights_of_another_network_are_refused():
    network = registry.resolve(None, "shipped")
    with pytest.raises(InputError, match="weights must be those of cnn"):
        embed.load("cnn", Path(network.path).read_bytes(), 0)
