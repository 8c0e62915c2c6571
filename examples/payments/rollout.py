#!/usr/bin/env python3
"""Walks a running API from `off` to `enforce` under clients that retry, and prints what each mode reports.

    cargo run -p payments -- --admin-key operator
    python3 examples/payments/rollout.py --operator operator

Each client pays with a key of its own and sends the same request twice more. No request may fail because of a
switch, and none may be paid twice once its mode is `enforce`: else the script says so and ends with 1. The rule of
the last step, `POST /payments=enforce`, stays in the table.
"""

import argparse
import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter

STEPS = ["off", "observe", "validate", "validate>enforce@50%", "validate>enforce@90%", "enforce"]
# SHA-256 puts acme at 72 and globex at 99 of 100.
TENANTS = ["acme", "globex"]
# How long the apps may take to follow, in seconds.
PATIENCE = 60
SAMPLE = re.compile(r'^idem_attempts_total\{(.*)\} (\S+)$')


def send(method, url, token, body=None, key=None):
    request = urllib.request.Request(url, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {token}")
    if body:
        request.add_header("Content-Type", "application/json")
    if key:
        request.add_header("Idempotency-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return 0, str(error).encode()


class Clients:
    """Clients that pay and retry until they are stopped."""

    def __init__(self, apps, at_once):
        self.apps, self.step, self.is_over = apps, None, threading.Event()
        self.lock, self.seen, self.failures = threading.Lock(), {}, []
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(at_once)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        tenant = TENANTS[number % len(TENANTS)]
        while not self.is_over.is_set():
            key, body = str(uuid.uuid4()), {"amount": 100, "currency": "EUR"}
            begun, ids = self.step, set()
            for attempt in range(3):
                # A retry may reach another node.
                app = self.apps[(number + attempt) % len(self.apps)]
                status, answer = send("POST", f"{app}/payments", f"{tenant}-demo-key", body, key)
                if status == 201:
                    ids.add(json.loads(answer)["id"])
                else:
                    with self.lock:
                        self.failures.append((begun, status, answer.decode(errors="replace")))
            with self.lock:
                # What a switch came between belongs to no step.
                if begun is not None and begun == self.step:
                    payments, keys = self.seen.get((begun, tenant), (0, 0))
                    self.seen[(begun, tenant)] = (payments + len(ids), keys + 1)

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def attempts(apps):
    """What each app has counted, by mode and outcome."""
    counted = Counter()
    for app in apps:
        with urllib.request.urlopen(f"{app}/metrics", timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if found := SAMPLE.match(line):
                    labels = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
                    if labels["operation"] == "POST /payments":
                        counted[f'{labels["mode"]} {labels["outcome"]}'] += int(float(found[2]))
    return counted


def switch(apps, operator, rule):
    """Moves all apps: the first writes the table, each follows it."""
    body = {"operation": "POST /payments", "rule": rule}
    status, answer = send("PUT", f"{apps[0]}/admin/rollout", operator, body)
    if status != 200:
        sys.exit(f"the rollout cannot be changed: {status} {answer.decode()}")
    end = time.monotonic() + PATIENCE
    for app in apps:
        while f"POST /payments={rule}" not in send("GET", f"{app}/admin/rollout", operator)[1].decode():
            if time.monotonic() > end:
                sys.exit(f"{app} does not follow the table: is its --admin-key the same?")
            time.sleep(0.05)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--app", action="append", help="default http://localhost:8080; more than one for nodes")
    options.add_argument("--operator", required=True, help="what the apps were given as --admin-key")
    options.add_argument("--seconds", type=float, default=3, help="how long each step takes")
    options.add_argument("--clients", type=int, default=4)
    options = options.parse_args()
    apps = options.app or ["http://localhost:8080"]

    # Before the first payment, so that a wrong key costs none.
    switch(apps, options.operator, STEPS[0])
    clients = Clients(apps, options.clients)
    try:
        wrong = walk(apps, clients, options)
    finally:
        clients.stop()
    wrong.extend(f"{step}: {status} {answer}" for step, status, answer in clients.failures)
    print(f"\nrequests that failed: {len(clients.failures)}")
    for line in wrong[:20]:
        print(f"WRONG {line}")
    sys.exit(1 if wrong else 0)


def walk(apps, clients, options):
    """Takes the steps and prints what each reports; what was wrong is returned."""
    wrong = []
    for step in STEPS:
        switch(apps, options.operator, step)
        before, clients.step = attempts(apps), step
        time.sleep(options.seconds)
        clients.step = None
        print(f"\n{step}")
        for outcome, count in sorted((attempts(apps) - before).items()):
            print(f"  {outcome:<28}{count:>6}")
        with clients.lock:
            for tenant in TENANTS:
                payments, keys = clients.seen.get((step, tenant), (0, 0))
                print(f"  {tenant + ': payments for keys':<28}{payments:>6} for {keys}")
                # acme's share is below 90, globex is the last.
                is_enforced = step == "enforce" or (tenant == "acme" and step.endswith("@90%"))
                if keys == 0 or (payments != keys if is_enforced else payments != 3 * keys):
                    wrong.append(f"{step}: {payments} payments for {keys} keys of {tenant}")
    return wrong


if __name__ == "__main__":
    main()
