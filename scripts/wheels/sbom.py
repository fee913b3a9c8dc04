"""The bill of materials inside a wheel (PEP 770): a CycloneDX document of what the binary was made of."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from os import environ
from pathlib import Path
from typing import Any

from .compiler import compiler
from .targets import Target


def write_sbom(info: Path, target: Target) -> None:
    """Write `sboms/gleenlet.cdx.json` into the wheel's `.dist-info` folder."""
    folder = info / "sboms"
    folder.mkdir(exist_ok=True)
    (folder / "gleenlet.cdx.json").write_text(
        json.dumps(sbom(info.name.removesuffix(".dist-info").split("-")[1], target), indent=2)
    )


def sbom(gleenlet: str, target: Target) -> dict[str, Any]:
    """The document: gleenlet itself, greenlet whose header is compiled in, the unwinder, and the compiler."""
    name = f"pkg:pypi/gleenlet@{gleenlet}"
    greenlet = f"pkg:pypi/greenlet@{version('greenlet')}"
    moment = datetime.fromtimestamp(int(environ["SOURCE_DATE_EPOCH"]), UTC)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same for the same wheel: a document's number would else be the one thing that differs between two builds.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{name}#{target}')}",
        "version": 1,
        "metadata": {
            "timestamp": moment.isoformat(),
            "tools": {"components": [{"type": "application", "name": "ziglang", "version": version("ziglang")}]},
            "component": {
                "type": "library",
                "bom-ref": name,
                "name": "gleenlet",
                "version": gleenlet,
                "purl": name,
                "licenses": [{"license": {"id": "MIT"}}],
                "properties": [
                    {"name": "gleenlet:target", "value": str(target)},
                    {"name": "gleenlet:compiler", "value": f"zig cc {compiler()} -target {target.triple}"},
                ],
            },
        },
        "components": [
            {
                "type": "library",
                "bom-ref": greenlet,
                "name": "greenlet",
                "version": version("greenlet"),
                "purl": greenlet,
                "description": "its header greenlet.h is compiled in; the library itself is a dependency",
                "licenses": [{"expression": "MIT AND PSF-2.0"}],
            },
            {
                "type": "library",
                "bom-ref": "libunwind",
                "name": "libunwind",
                "version": version("ziglang"),
                "description": "LLVM's, as this version of zig brings it, linked into the core's module",
                "licenses": [{"expression": "Apache-2.0 WITH LLVM-exception"}],
            },
        ],
        "dependencies": [{"ref": name, "dependsOn": [greenlet, "libunwind"]}, {"ref": greenlet}, {"ref": "libunwind"}],
    }
