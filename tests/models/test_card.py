"""Cards: what they may hold, their stored form, and the stored forms of earlier versions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.errors import InputError
from covers.models.card import Calibration, ModelCard, card_from_dict
from covers.models.model import load_pretrained, untrained

LINE = Calibration(-9.0, 7.0, 3, 5, 0.25)


def test_a_covernet_has_segments_and_frames_unless_its_card_has_other_windows():
    assert untrained().card.segment_s == (40, 20)
    assert untrained().card.frame_s == (4, 2)
    assert load_pretrained().card.frame_s == (4, 2)
    without = card_from_dict({"architecture": "covernet", "segment_s": None, "frame_s": None})
    assert (without.segment_s, without.frame_s) == (None, None)


def test_the_defaults_of_a_card_are_its_architectures():
    card = card_from_dict({})
    assert (card.architecture, card.representation, card.tempo_factors) == (
        "covernet", "chroma", (1.0,),
    )  # fmt: skip
    assert card_from_dict({"architecture": "cnn"}).representation == "log_mel"
    assert card_from_dict({"architecture": "cnn"}).segment_s is None


@pytest.mark.parametrize("window", [[3, 2], [4, 1], [8, 4]])
def test_frames_that_are_no_steps_of_the_activations_are_refused(window):
    with pytest.raises(InputError, match=r"frame_s on a model's card must be a multiple of 2 s"):
        untrained().with_card(frame_s=window)


@pytest.mark.parametrize("key", ["segment_s", "frame_s"])
def test_only_a_covernet_can_have_segments_and_frames(key):
    assert untrained("cnn").card.segment_s is None
    with pytest.raises(InputError, match=rf"{key} on a model's card is for covernet, got .*cnn"):
        untrained("cnn").with_card(**{key: (4.0, 2.0)})


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"architecture": "vgg"}, r"architecture on a model's card must be one of .* got 'vgg'"),
        ({"tempo_factors": []}, r"tempo_factors .* must be 0\.25 to 4, the first 1, got \[\]"),
        ({"tempo_factors": [0.8, 1]}, r"must be 0\.25 to 4, the first 1, got \[0\.8, 1\.0\]"),
        ({"tempo_factors": [1, 5]}, r"must be 0\.25 to 4, the first 1, got \[1\.0, 5\.0\]"),
        ({"tempo_factors": 1.0}, "must have numbers where they belong, got .*tempo_factors"),
        ({"tempo_factors": ["fast"]}, "must have numbers where they belong, got .*fast"),
        ({"segment_s": [0, 20]}, r"segment_s .* a length and a hop above 0 \[s\], got \[0\.0, 20"),
        ({"segment_s": [40]}, r"segment_s .* a length and a hop above 0 \[s\], got \[40"),
        ({"segment_s": [float("inf"), 20]}, r"segment_s .* above 0 \[s\], got \[inf"),
        ({"frame_s": [4, -2]}, r"frame_s .* a length and a hop above 0 \[s\], got \[4\.0, -2"),
        ({"crop_s": "a minute"}, "must have numbers where they belong, got .*a minute"),
        ({"seed": None}, "must have numbers where they belong, got .*seed"),
        ({"calibration": {"distance": {"slope": 1}}}, "must have numbers .*missing .*intercept"),
        ({"calibration": {"distance": {"tilt": 1}}}, "must have numbers where they belong.*tilt"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_key_in_one_line(stored, words):
    with pytest.raises(InputError, match=words) as refused:
        card_from_dict(stored)
    assert "\n" not in str(refused.value)


factors = st.lists(st.floats(0.25, 4), max_size=3).map(lambda x: [1.0, *x])
windows = st.none() | st.tuples(st.floats(1, 99), st.floats(1, 99))
frames = st.none() | st.tuples(st.integers(1, 9).map(lambda n: 2.0 * n), st.just(2.0))


@given(factors, windows, frames, st.integers(0, 99), st.sampled_from(["s_norm", "fused"]))
def test_a_card_comes_back_from_its_json(tempo_factors, segment_s, frame_s, seed, kind):
    card = ModelCard(
        "covernet", "chroma", seed, 60.0, tuple(tempo_factors), segment_s, frame_s,
        {kind: LINE}, {"epochs": 3, "loss": "supcon"},
    )  # fmt: skip
    assert card_from_dict(json.loads(json.dumps(card.to_dict()))) == card


def test_the_shipped_card_comes_back_from_its_json():
    card = load_pretrained().card
    assert card_from_dict(json.loads(json.dumps(card.to_dict()))) == card


def test_a_card_of_an_earlier_version_is_read():
    line = {"slope": -9.0, "intercept": 7.0, "n_covers": 3, "n_others": 5}
    card = card_from_dict(
        {
            "network": "covernet", "representation": "chroma", "seed": 21, "crop_s": 60,
            "tempi": [1.0, 0.8, 1.25], "windows_s": [30, 15], "alignment_s": [6, 2],
            "towers": 7, "pairs_per_work": 2, "joined": ["a", "b"],
            "calibration": {
                "distance": line,
                "deviation": line,
                "distance and alignment": line | {"slope_of_alignment": 0.25},
                "deviation and alignment": line,
            },
        }
    )  # fmt: skip
    assert (card.architecture, card.seed, card.crop_s) == ("covernet", 21, 60.0)
    assert card.tempo_factors == (1.0, 0.8, 1.25)
    assert (card.segment_s, card.frame_s) == ((30, 15), (6, 2))
    assert card.details == {"backbones": 7, "samples_per_class": 4, "ensemble_of": ["a", "b"]}
    assert set(card.calibration) == {"distance", "s_norm", "distance_alignment"}
    assert card.calibration["distance_alignment"] == LINE
    assert card.calibration["s_norm"] == Calibration(-9.0, 7.0, 3, 5)


@pytest.mark.parametrize(("n_pairs", "n_samples"), [(1, 0), (2, 4), (4, 8)])
def test_pairs_per_work_of_an_earlier_version_are_twice_as_many_samples(n_pairs, n_samples):
    assert card_from_dict({"pairs_per_work": n_pairs}).details["samples_per_class"] == n_samples
