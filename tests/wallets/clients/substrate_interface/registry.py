"""An oracle for values of types that metadata describes: reads and writes them with scalecodec.

Standard input: one line of metadata as hex, then JSON lines {type, hex}. Standard output: one JSON line each,
the hex of what the bytes decode to, written again, or null when they are refused.
"""

import json
import sys
from typing import Any

from scalecodec.base import (  # type: ignore[import-not-found]  # lives in the client's own environment
    RuntimeConfigurationObject,
    ScaleBytes,
)
from scalecodec.type_registry import (  # type: ignore[import-not-found]  # lives in the client's own environment
    load_type_registry_preset,
)


def read_metadata(metadata: str) -> Any:
    configuration = RuntimeConfigurationObject(ss58_format=42, implements_scale_info=True)
    configuration.update_type_registry(load_type_registry_preset("core"))
    described = configuration.create_scale_object("MetadataVersioned", ScaleBytes(metadata))
    described.decode()
    configuration.add_portable_registry(described)
    return described


def answer(described: Any, request: dict[str, Any]) -> str | None:
    def subject() -> Any:
        name = f"scale_info::{request['type']}"
        return described.runtime_config.create_scale_object(name, metadata=described)

    try:
        read = subject()
        read.decode(ScaleBytes(request["hex"]), check_remaining=True)
        return str(subject().encode(read.value).to_hex())
    except Exception:  # noqa: BLE001 - whatever the library raises is a refusal
        return None


def main() -> None:
    described = read_metadata(sys.stdin.readline().strip())
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(described, json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
