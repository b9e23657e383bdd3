"""Package `covers`: the library, its schemas and its jobs under one import name.

The source root is ``lib``; ``lib/covers/schemas`` and ``lib/covers/jobs`` are links to the folders of
the same names (docs/decisions/0013). Ranges stand here, pins in environment/requirements.lock.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
_INIT = (ROOT / "lib" / "covers" / "__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "(.+)"$', _INIT, re.MULTILINE)[
    1
]  # read, not imported: no torch yet
CORE = [  # embed, compare, search and evaluate, without Spark
    "numpy>=1.26", "scipy>=1.11", "pandas>=2.0", "scikit-learn>=1.4", "numba>=0.60", "joblib>=1.3",
    "threadpoolctl>=3.1", "torch>=2.4", "torchaudio>=2.4", "soundfile>=0.13", "soxr>=0.5", "safetensors>=0.4",
    "pyarrow>=15", "deltalake>=1.0",
]  # fmt: skip
EXTRAS = {
    "spark": [
        "pyspark>=4.0", "delta-spark>=4.0", "psutil>=5.9", "rich>=13", "tenacity>=8", "xgboost>=2.0",
        "skops>=0.11", "faiss-cpu>=1.8", "mido>=1.3", "audiomentations>=0.40", "torchcodec>=0.5",
    ],
    "train": [
        "petastorm>=0.12.1", "horovod>=0.28.1", "pytorch-metric-learning>=2.5", "torchvision>=0.19",
        "mlflow-skinny>=3.0", "tensorboard>=2.16", "setuptools<70",
    ],
    "report": ["jinja2>=3.1", "matplotlib>=3.8"],
}  # fmt: skip

setup(
    name="covers",
    version=VERSION,
    description="Find cover songs: a pretrained network, and the Spark and Horovod jobs that train one",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"covers.evaluation": ["*.j2"], "covers.models": ["pretrained/*"]},
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["covers = covers.cli.main:main"]},
)
