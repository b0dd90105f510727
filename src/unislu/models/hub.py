"""Bundles on the Hugging Face hub, through `huggingface_hub`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unislu.bundle import MANIFEST, MODEL_CARD, Bundle, read_manifest
from unislu.errors import BundleError, BundleNotFoundError, needs

from .place import missing

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_OWN_FOLDER = ".cache"
"""In which the library keeps what it needs to go on with a download."""
_TRIES = 2


def _api(what: str) -> HfApi:
    with needs(what, "hub"):
        from huggingface_hub import HfApi
    return HfApi(library_name="unislu")


def fetch_from_hub(repository: str, revision: str | None, folder: Path) -> dict[str, str]:
    """Fill `folder` with a bundle; returns the commit it is of. What broke off goes on there the next time.

    Raises:
        BundleNotFoundError: it could not be downloaded.
        BundleError: it is no bundle of this schema, or damaged.
        MissingDependencyError: `huggingface_hub` is missing.
    """
    what = f"hf:{repository}" + (f"@{revision}" if revision else "")
    api = _api(what)
    try:
        commit = api.model_info(repository, revision=revision).sha
        api.hf_hub_download(repository, MANIFEST, revision=commit, local_dir=folder)
        manifest = read_manifest(folder)
        names = missing(manifest, folder)
        for attempt in range(_TRIES):
            if not names:
                break
            for name in names:  # a damaged file must not be taken for one that is up to date
                (folder / name).unlink(missing_ok=True)
            try:
                api.snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=names)
            except Exception:  # older versions of the library do not go on by themselves
                if attempt + 1 == _TRIES:
                    raise
            names = missing(manifest, folder)
        if names:
            raise BundleError(
                f"{what}: {names[0]} is missing or damaged: its sha256 is not that of {MANIFEST}; "
                "nothing was installed"
            )
    except BundleError:
        raise
    except Exception as error:  # network, permission and name errors of several libraries
        raise BundleNotFoundError(
            f"{what}: could not be downloaded ({_reason(error)}); check the name, your access and the "
            "connection"
        ) from None
    shutil.rmtree(folder / _OWN_FOLDER, ignore_errors=True)
    return {"commit": str(commit)}


def push(
    bundle: Bundle,
    repository: str,
    revision: str | None = None,
    *,
    private: bool = False,
    message: str | None = None,
) -> str:
    """Publish a bundle in one commit; returns `hf:owner/name@COMMIT`.

    The repository is made if there is none. `revision` is a branch. The model card is also its README.

    Raises:
        BundleError: the bundle is damaged, or the hub refuses it.
        MissingDependencyError: `huggingface_hub` is missing.
    """
    what = f"hf:{repository}"
    api = _api(what)
    bundle.verify()
    from huggingface_hub import CommitOperationAdd

    added: list[Any] = [
        CommitOperationAdd(name, str(bundle.path / name)) for name in (MANIFEST, *bundle.manifest.files)
    ]
    added.append(CommitOperationAdd("README.md", _readme(bundle).encode()))
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        created = api.create_commit(
            repository, added, commit_message=message or f"{bundle.label}", revision=revision
        )
    except Exception as error:  # network, permission and name errors of several libraries
        raise BundleError(
            f"{what}: could not be published ({_reason(error)}); log in with `hf auth login`, and check the "
            "name"
        ) from None
    return f"{what}@{created.oid}"


def _readme(bundle: Bundle) -> str:
    """The model card, with the head that the hub reads."""
    card = (bundle.path / MODEL_CARD).read_text(encoding="utf-8", errors="replace")
    if card.startswith("---\n"):
        return card
    lines = ["library_name: unislu", "pipeline_tag: automatic-speech-recognition", "language:"]
    lines += [f"- {code}" for code in bundle.manifest.languages]
    return "\n".join(["---", *lines, "---", "", card])


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
