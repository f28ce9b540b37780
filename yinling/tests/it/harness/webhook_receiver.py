"""Receives webhooks and verifies them with the `standardwebhooks` package.

    webhook_receiver.py ANSWERS_FILE

Prints `port N`, then a line of JSON for each delivery. Reads secrets, one a line, and the statuses to answer, from
ANSWERS_FILE at every delivery: `{"secrets": [...], "statuses": [500, 200], "headers": {...}}`; the statuses are taken
in turn, the last one stays.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

answers_file = sys.argv[1]
count = 0


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with open(answers_file) as file:
            answers = json.load(file)
        verified = []
        for secret in answers["secrets"]:
            try:
                Webhook(secret).verify(body, dict(self.headers.items()))
                verified.append(True)
            except WebhookVerificationError:
                verified.append(False)
        statuses = answers["statuses"]
        status = statuses[min(count, len(statuses) - 1)]
        count += 1
        told = {"path": self.path, "id": self.headers["webhook-id"], "verified": verified, "answered": status}
        print(json.dumps({**told, "body": json.loads(body)}), flush=True)
        self.send_response(status)
        for name, value in answers.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"port {server.server_address[1]}", flush=True)
server.serve_forever()
