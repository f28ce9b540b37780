"""What apprise would post to a group's robot, one line of JSON for each kind; nothing is sent.

    apprise_robots.py TEXT
"""
import json
import sys
from unittest import mock
from urllib.parse import unquote

import apprise


class Taken:
    status_code, content, text, headers = 200, b'{"errcode":0,"code":0}', '{"errcode":0,"code":0}', {}

    def json(self):
        return {"errcode": 0, "code": 0}


def post(url, data=None, params=None, **_):
    params = params or {}
    told = {"kind": kind, "url": url.rstrip("/"), "body": json.loads(data)}
    told.update(timestamp=params.get("timestamp"), sign=params.get("sign") and unquote(params["sign"]))
    print(json.dumps(told), flush=True)
    return Taken()


for kind, address in [
    ("wecom", "wecombot://693a91f6-7acc-4bc4-97a0-0ec2c1f55aaa/"),
    ("dingtalk", "dingtalk://SECtulip@token123/"),
    ("feishu", "feishu://token1234567890/"),
]:
    with mock.patch("requests.post", side_effect=post):
        assert apprise.Apprise.instantiate(address).notify(body=sys.argv[1]), kind
