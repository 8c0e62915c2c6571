"""What Schemathesis checks of idempotency, beyond what it checks of any API."""

import json
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
            self.judge(response)
            self.judged.add(case.operation.label)

    def after_run(self, ctx):
        unjudged = sorted(self.operations - self.judged)
        assert self.operations, "no operation declares a key"
        assert not unjudged, f"never accepted, so never judged: {', '.join(unjudged)}"


@schemathesis.check
class RetryIsAReplay(OfAccepted):
    """The same request once more gets the first response, marked as a replay."""

    def judge(self, response):
        retry = send(response.request)
        seen = (retry.status_code, retry.headers.get(REPLAYED), retry.content)
        expected = (response.status_code, "true", response.content)
        assert seen == expected, f"the retry got {seen} instead of {expected}"


@schemathesis.check
class ChangedRequestIsRefused(OfAccepted):
    """The same key with another body, for each member of it, gets 422."""

    def judge(self, response):
        body = json.loads(response.request.body)
        for name, value in body.items():
            request = response.request.copy()
            request.prepare_body(json.dumps({**body, name: changed(value)}), None)
            status = send(request).status_code
            assert status == 422, f"another {name!r} under the same key got {status} instead of 422"


def schema_of_key(operation):
    keys = (parameter for parameter in operation.headers if parameter.name == KEY)
    key = next(keys, None)
    return key.definition["schema"] if key else None


def is_valid(key, schema):
    return len(key) <= schema["maxLength"] and re.fullmatch(schema["pattern"], key)


def changed(value):
    """Another value of the same type, so that the application reads it."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case list():
            return [*value, None]
        case dict():
            return {**value, "another": None}
        case _:
            return "x"


def send(request):
    with requests.Session() as session:
        return session.send(request, timeout=10)
