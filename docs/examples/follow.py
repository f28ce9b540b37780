#!/usr/bin/env python3
"""Follows the feed without a gap or a repeat, and takes every case from its filing to its end.

usage: follow.py URL TOKEN CURSOR_FILE HANDLER [UNTIL_CLOSED]

What must survive is one line in one file: the cursor of the last event that was dealt with. Whatever is done about an
event carries the event's id as its Idempotency-Key, so doing it again after a crash, of ours or the server's, does
nothing twice. HANDLER is the id of the person who is sent. Ends after UNTIL_CLOSED cases, if given.
"""
import json, os, sys, time, urllib.error, urllib.request

url, token, cursor_file, handler = sys.argv[1:5]
until_closed = int(sys.argv[5]) if len(sys.argv) > 5 else None

def ask(method, path, body=None, headers=None):
    """One request, repeated until the server answers. A refusal (4xx) is an answer."""
    data = None if body is None else json.dumps(body).encode()
    while True:
        request = urllib.request.Request(url + "/api/v1" + path, data, {"Authorization": "Bearer " + token,
                                         "Content-Type": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            if refusal.code < 500 and refusal.code != 429:
                return refusal.code, json.load(refusal)
        except (OSError, ValueError) as error:  # it is down, or went down while it spoke
            print("waiting:", error, file=sys.stderr)
        time.sleep(0.2)

def act(event, case, action, body, version=None):
    headers = {"Idempotency-Key": f"{event['id']}-{action}", **({"If-Match": f'"{version}"'} if version else {})}
    status, said = ask("POST", f"/cases/{case}/actions/{action}", body, headers)
    print(json.dumps({"did": action, "case": case, "status": status, "said": said.get("state") or said.get("code")}))

def deal_with(event):
    data, kind = event["data"], event["type"]
    if kind == "incident.raised":  # an SOS has its case already and the same one is answered; others get one
        ask("POST", "/cases", {"incident": data["id"]}, {"Idempotency-Key": event["id"] + "-file"})
    elif kind == "case.filed":
        act(event, data["id"], "dispatch", {"handler": handler}, data["version"])
    elif kind == "case.dispatched":
        act(event, data["id"], "accept", {"note": "on the way"})
        act(event, data["id"], "arrive", {"note": "at the door"})
    elif kind == "case.on_site":
        act(event, data["id"], "close", {"disposition": "helped", "note": "all is well"}, data["version"])

cursor, closed = (open(cursor_file).read().strip() if os.path.exists(cursor_file) else ""), 0
while until_closed is None or closed < until_closed:
    status, page = ask("GET", "/events?limit=100" + (f"&after={cursor}" if cursor else ""))
    if status == 410:  # restored, or too long away: read the snapshots, then go on from their as_of_cursor
        sys.exit("cursor expired; snapshots: " + ", ".join(page["snapshots"]))
    for event in page["data"]:
        print(json.dumps({"seq": event["seq"], "type": event["type"], "subject": event["subject"]}), flush=True)
        deal_with(event)
        closed += event["type"] == "case.closed"
    cursor = page["next_cursor"]
    with open(cursor_file + ".new", "w") as file: file.write(cursor)
    os.replace(cursor_file + ".new", cursor_file)  # dealt with: never the half of a cursor
    if not page["has_more"]: time.sleep(0.1)
