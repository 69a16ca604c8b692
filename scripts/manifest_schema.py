"""Write the published JSON Schema of manifest.json: python scripts/manifest_schema.py."""

import json
from pathlib import Path

from manifests.lineage.manifest import manifest_schema

PATH = Path(__file__).parent.parent / "manifests" / "lineage" / "tables" / "manifest.schema.json"

if __name__ == "__main__":
    PATH.write_text(json.dumps(manifest_schema(), indent=2) + "\n")
    print(f"{PATH}: written")
