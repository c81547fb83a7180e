"""Makes stripe_schemas.json of Stripe's description: `python tests/simulator/reduce_schemas.py spec3.json`.

The description comes with the Go module github.com/stripe/stripe-mock as embedded/openapi/spec3.json, under the licence
in STRIPE_LICENSE. Of its schemas those that the simulator's answers need are kept, without their prose; what they
refer to beyond these may be anything.
"""

import json
import sys
from pathlib import Path
from typing import Any

KEPT = (
    "api_errors", "billing_details", "charge", "checkout.session", "error", "event", "payment_intent",
    "payment_intent_next_action", "payment_intent_next_action_redirect_to_url", "payment_method", "refund",
    "webhook_endpoint",
)  # fmt: skip
REFERENCE = "#/components/schemas/"


def reduced(node: Any) -> Any:
    """JSON Schema of OpenAPI's dialect: `nullable` becomes a type, references to what is not kept become anything."""
    if isinstance(node, list):
        return [reduced(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].removeprefix(REFERENCE)
        return {"$ref": f"#/$defs/{name}"} if name in KEPT else {}
    kept = {
        name: {inner: reduced(schema) for inner, schema in value.items()} if name == "properties" else reduced(value)
        for name, value in node.items()
        if name in ("type", "properties", "required", "items", "anyOf", "enum", "maxLength", "additionalProperties")
    }
    return {"anyOf": [kept, {"type": "null"}]} if node.get("nullable") else kept


def main() -> None:
    description = json.loads(Path(sys.argv[1]).read_text())
    schemas = description["components"]["schemas"]
    made = {
        "source": "github.com/stripe/stripe-mock, embedded/openapi/spec3.json; see STRIPE_LICENSE",
        "version": description["info"]["version"],
        "$defs": {name: reduced(schemas[name]) for name in KEPT},
    }
    sys.stdout.write(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
