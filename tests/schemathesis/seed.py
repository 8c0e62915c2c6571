"""Makes what the examples of the document name: an article with stock, a reservation of it, a subscription."""

import sys
import uuid

import requests

MADE = [
    ("PUT", "/inventory/mug", {"available": 99_999_999}),
    ("POST", "/inventory/mug/reservations", {"quantity": 1}),
    ("POST", "/subscriptions", {"customer": "ann", "plan": "basic"}),
]

for method, path, body in MADE:
    headers = {"Authorization": "Bearer acme-demo-key", "Idempotency-Key": str(uuid.uuid4())}
    made = requests.request(method, sys.argv[1] + path, json=body, headers=headers, timeout=10)
    made.raise_for_status()
