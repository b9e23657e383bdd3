"""train_siamese's command line: flags, --set, and flags of earlier versions."""

import pytest

from covers.jobs import train_siamese


def parse(*argv):
    return train_siamese.parse_args(["--lake", "lake", *argv])


def test_set_reaches_the_training_and_its_launch():
    config, launching = train_siamese.configs_of(
        parse("--crop-seconds", "20", "--set", "micro_batches=4", "--set", "stall_timeout_s=9")
    )
    assert (config.crop_s, config.micro_batches) == (20.0, 4)
    assert (launching.stall_timeout_s, launching.checkpoint_steps) == (9.0, 200)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--set", "micro_batch=4"), "setting 'micro_batch' is unknown; closest: micro_batches"),
        (("--set", "checkpoint_steps=-1"), "checkpoint_steps must be 0 or more, got -1"),
        (("--crop-seconds", "-1"), "crop_s must be positive, got -1.0"),
        (("--set", "run_dir=x"), "setting 'run_dir' is unknown"),
        (("--parts", "4"), "--parts is now --set micro_batches=N"),
        (("--no-mixed-precision",), "--no-mixed-precision is now --set mixed_precision=false"),
        (("--work-folder", "x"), "--work-folder is now --run-dir"),
    ],
)
def test_wrong_and_renamed_flags_end_with_exit_code_2_and_the_way_out(capsys, argv, words):
    with pytest.raises(SystemExit) as ended:
        parse(*argv)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
