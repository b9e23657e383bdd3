"""Package of the jobs and their library, for clusters that install wheels (Databricks, YARN)."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def requirements() -> list[str]:
    """Return what the code needs at run time; `environment/requirements.lock` pins all of it."""
    lines = (ROOT / "environment" / "requirements.in").read_text().split("# what Horovod's")[0]
    return [line for line in lines.splitlines() if line and not line.startswith("#")]


setup(
    name="covers",
    version="0.1.0",
    description="Spark and Horovod jobs that train a network to recognise cover songs",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["jobs", "lib", "lib.*", "schemas"]),
    package_data={"lib.evaluation": ["*.j2"], "lib.retrieval": ["shipped/*"]},
    install_requires=requirements(),
    extras_require={"horovod": ["horovod==0.28.1"]},
)
