#!/usr/bin/env python3
"""Follows the feed without a gap or a repeat, and takes every case from its filing to its end.

usage: follow.py URL TOKEN CURSOR_FILE HANDLER [UNTIL_CLOSED]

What must survive is one line in one file: the cursor of the last event that was dealt with. What is done about an event
carries the event's id as its Idempotency-Key: doing it again after a crash, of ours or the server's, does nothing twice.
HANDLER is who is sent. Ends after UNTIL_CLOSED cases, if given."""
import http.client, json, os, pathlib, sys, time, urllib.error, urllib.request
url, token, cursor_file, handler = sys.argv[1:5]
until_closed = int(sys.argv[5]) if len(sys.argv) > 5 else float("inf")
STEPS = {"case.filed": ("dispatch", {"handler": handler}), "case.dispatched": ("accept", {"note": "on the way"}),
         "case.accepted": ("arrive", {"note": "at the door"}), "case.on_site": ("close", {"disposition": "helped"})}

def ask(method, path, body=None, headers={}):
    """One request, repeated until the server answers. A refusal (4xx) is an answer."""
    head = {"Authorization": "Bearer " + token, "Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"{url}/api/v1{path}", body and json.dumps(body).encode(), head, method=method)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer: return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            if refusal.code < 500 and refusal.code != 429: return refusal.code, json.load(refusal)
        except (OSError, ValueError, http.client.HTTPException) as error:  # it is down, or went down while it spoke
            print("waiting:", error, file=sys.stderr)
        time.sleep(0.2)

def deal_with(event):
    data, (action, body) = event["data"], STEPS.get(event["type"], ("", None))
    if event["type"] == "incident.raised": body = {"incident": data["id"]}  # an SOS has its case already: that is answered
    if body:
        headers = {"Idempotency-Key": f"{event['id']}-{action or 'file'}"}
        if action in ("dispatch", "close"): headers["If-Match"] = f'"{data["version"]}"'
        status, said = ask("POST", f"/cases/{data['id']}/actions/{action}" if action else "/cases", body, headers)
        print(json.dumps({"did": action or "file", "on": data["id"], "status": status, "said": said.get("code")}))

def begin_anew():
    """What is open is dealt with as if it were told now; the feed goes on where the first of the lists says."""
    lists, cursor = ["/incidents?state=open", "/cases?state=open"], None
    while lists:
        page = ask("GET", lists[0])[1]
        cursor = cursor or page["as_of_cursor"]
        for data in page["data"]:
            kind = "incident.raised" if lists[0].startswith("/incidents") else "case." + data["state"]
            deal_with({"id": f"{cursor}-{data['id']}", "type": kind, "data": data})
        lists[:1] = [page["next"].removeprefix("/api/v1")] if page["next"] else []
    return {"data": [], "next_cursor": cursor, "has_more": True}

cursor, closed = pathlib.Path(cursor_file).read_text() if os.path.exists(cursor_file) else "", 0
while closed < until_closed:
    status, page = ask("GET", "/events?limit=100" + (f"&after={cursor}" if cursor else ""))
    if status == 410: page = begin_anew()  # the server was restored, or we were away for too long
    for event in page["data"]:
        print(json.dumps({"seq": event["seq"], "type": event["type"], "subject": event["subject"]}), flush=True)
        deal_with(event)
        closed += event["type"] == "case.closed"
    cursor = page["next_cursor"]
    pathlib.Path(cursor_file + ".new").write_text(cursor)
    os.replace(cursor_file + ".new", cursor_file)  # dealt with: never the half of a cursor
    if not page["has_more"]: time.sleep(0.1)
