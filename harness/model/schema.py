"""The published JSON Schema of the topology file, for editors and other programs."""

from __future__ import annotations

import json

from harness.model.topology import Topology

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as docs/topology.schema.json has it."""
    described = Topology.model_json_schema()
    schema = {"$schema": DIALECT, **described, "title": "Topology of a testbed"}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
