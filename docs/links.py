"""For MkDocs: links of the pages to files of the repository that are not part of the site.

A link that leaves `docs/` must lead to a file. It becomes a link into the repository if `repo_url` is set,
plain text otherwise.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

from mkdocs.exceptions import PluginError

LINK = re.compile(r"(?<!!)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\((\.\.?/[^)\s]+)\)")
"""A link with a relative target; its text may be an image."""


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """The page with the links that leave `docs/` rewritten."""
    root = os.path.dirname(config.config_file_path)

    def outside(link: re.Match[str]) -> str:
        text, target = link.groups()
        path, hash_sign, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), path))
        if place.startswith("docs/"):
            return link.group()
        if not os.path.exists(os.path.join(root, place)):
            raise PluginError(f"{page.file.src_uri} links to {target}, which does not exist")
        if not config.repo_url:
            return f"{text} (`{place}`)"
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{place}{hash_sign}{anchor})"

    return LINK.sub(outside, markdown)
