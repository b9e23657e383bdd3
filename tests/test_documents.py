"""Documents that are made from the code say what the code says."""

from pathlib import Path

from covers.audio.augmentation.spec import EFFECTS
from covers.audio.sandbox import REASONS
from covers.schemas.registry import TABLES
from tests.snapshots import tables_document

ROOT = Path(__file__).resolve().parent.parent


def test_document_of_the_tables_is_as_the_schemas_make_it():
    assert (ROOT / "docs" / "tables.md").read_text() == tables_document(), "make snapshots"


def test_every_schema_is_registered():
    modules = {p.stem for p in (ROOT / "schemas").glob("[a-z]*.py")} - {"table", "registry"}
    assert {t.name for t in TABLES} == modules


def test_readme_names_every_job():
    readme = (ROOT / "README.md").read_text()
    jobs = [p.stem for p in (ROOT / "jobs").glob("[a-z]*.py")]
    shown_elsewhere = {"maintain_tables", "make_demo_data"}
    assert not [j for j in jobs if j not in readme and j not in shown_elsewhere]


def test_document_of_audio_tells_every_reason_and_every_effect():
    said = (ROOT / "docs" / "audio.md").read_text()
    rows = {f"| `{code}` | {meaning} |" for code, meaning in REASONS.items()}
    rows |= {f"| `{name}` | {e.about} | {e.unit} |" for name, e in EFFECTS.items()}
    assert not [row for row in rows if row not in said]


def test_no_generated_data_and_no_audio_is_in_the_repository():
    import subprocess

    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split()
    forbidden = (".mp3", ".wav", ".flac", ".jar", ".whl", ".parquet", ".mid")
    assert not [f for f in listed if f.endswith(forbidden)]
