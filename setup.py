"""
The description of the package where the repository is not: on an index, in metadata.

Everything else is in pyproject.toml. README.md has a picture and links into the
repository, which would lead nowhere there: the picture is left out, and of a link its
words stay.
"""

from pathlib import Path
import re

from setuptools import setup


def description(readme: str) -> str:
    """README without what is in the repository alone."""
    outside = r"\((?!https?://|#)[^)]*\)"
    text = re.sub(rf"^!\[[^\]]*\]{outside}\n+", "", readme, flags=re.MULTILINE)
    return re.sub(rf"\[([^\]]*)\]{outside}", r"\1", text)


setup(
    long_description=description(
        (Path(__file__).resolve().parent / "README.md").read_text(encoding="utf-8")
    ),
    long_description_content_type="text/markdown",
)
