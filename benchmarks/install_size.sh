#!/usr/bin/env bash
# How much disk a plain `pip install` of unislu takes, package by package (without pip itself).
#   benchmarks/install_size.sh [EXTRA,...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras=${1:+[$1]}
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt ".$extras"
"$venv/bin/pip" uninstall --quiet --yes setuptools 2>/dev/null || true
"$venv/bin/python" - <<'PYTHON'
import sysconfig
from collections import Counter
from importlib.metadata import distributions
from pathlib import Path

site = Path(sysconfig.get_path("purelib"))
sizes = Counter()
for distribution in distributions(path=[str(site)]):
    files = {Path(distribution.locate_file(file)) for file in distribution.files or ()}
    # The compiled modules are not listed by every installer.
    folders = {file.parent for file in files if file.suffix == ".py"}
    files |= {cached for folder in folders for cached in folder.glob("__pycache__/*.pyc")}
    sizes[distribution.name] = sum(file.stat().st_size for file in files if file.is_file() and site in file.parents)
del sizes["pip"]
for name, size in sizes.most_common():
    print(f"{size / 1e6:8.1f} MB  {name}")
print(f"{sum(sizes.values()) / 1e6:8.1f} MB  in all")
PYTHON
