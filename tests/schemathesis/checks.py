"""What Schemathesis checks of idempotency, beyond what it checks of any API."""

import functools
import json
import operator
import re
import uuid

import requests
import schemathesis

KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts a new key in the place of a valid one: the generator repeats the simplest one over and over."""
    schema = schema_of_key(case.operation)
    key = (case.headers or {}).get(KEY)
    if schema and isinstance(key, str) and is_valid(key, schema):
        case.headers[KEY] = f'"{uuid.uuid4()}"'


@schemathesis.hook
def map_body(context, body):
    """Writes `1.0` as `1`: JSON Schema calls both integers, a program with typed numbers only the latter."""
    if not isinstance(body, dict):
        return body
    whole = {name: value for name, value in body.items() if isinstance(value, float) and value.is_integer()}
    return {**body, **{name: int(value) for name, value in whole.items()}}


class OfAccepted:
    """Judges each first request that was accepted, and fails if there was none."""

    def __init__(self):
        self.operations = set()
        self.judged = set()

    def after_response(self, ctx, response, case):
        if not schema_of_key(case.operation):
            return
        self.operations.add(case.operation.label)
        if 200 <= response.status_code < 300 and REPLAYED.lower() not in response.headers:
            self.judge(response, case)
            self.judged.add(case.operation.label)

    def after_run(self, ctx):
        unjudged = sorted(self.operations - self.judged)
        assert self.operations, "no operation declares a key"
        assert not unjudged, f"never accepted, so never judged: {', '.join(unjudged)}"


@schemathesis.check
class RetryIsAReplay(OfAccepted):
    """The same request once more gets the first response, marked as a replay."""

    def judge(self, response, case):
        retry = send(response.request)
        seen = (retry.status_code, retry.headers.get(REPLAYED), retry.content)
        expected = (response.status_code, "true", response.content)
        assert seen == expected, f"the retry got {seen} instead of {expected}"


@schemathesis.check
class ChangedRequestIsRefused(OfAccepted):
    """The same key with another body, for each member of it, gets 422."""

    def judge(self, response, case):
        # A request without a body has nothing to change.
        body = json.loads(response.request.body or "{}")
        for name, value in body.items():
            request = response.request.copy()
            other = changed(value, schema_of_member(case.operation, name))
            request.prepare_body(json.dumps({**body, name: other}), None)
            status = send(request).status_code
            assert status == 422, f"another {name!r} under the same key got {status} instead of 422"


def schema_of_key(operation):
    keys = (parameter for parameter in operation.headers if parameter.name == KEY)
    key = next(keys, None)
    return key.definition["schema"] if key else None


def is_valid(key, schema):
    return len(key) <= schema["maxLength"] and re.fullmatch(schema["pattern"], key)


def schema_of_member(of, name):
    """The schema of a member of the operation's body, or none."""
    document = of.schema.raw_schema

    def resolved(schema):
        reference = schema.get("$ref")
        return functools.reduce(operator.getitem, reference.split("/")[1:], document) if reference else schema

    content = of.definition.raw["requestBody"]["content"]
    body = resolved(content["application/json"]["schema"])
    return resolved(body.get("properties", {}).get(name, {}))


def changed(value, schema):
    """Another value of the same type, so that the application reads it."""
    match value:
        case _ if "enum" in schema:
            return next(other for other in schema["enum"] if other != value)
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case list():
            return [*value, *value[-1:]] or [None]
        case dict():
            return {**value, "another": None}
        case _:
            return "x"


def send(request):
    with requests.Session() as session:
        return session.send(request, timeout=10)
