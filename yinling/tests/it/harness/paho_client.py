"""paho-mqtt against the door: the reference client of another house.

    paho_client.py publish HOST PORT VERSION ID SECRET TOPIC PAYLOAD   -> one line, the PUBACK's reason code
    paho_client.py listen  HOST PORT VERSION USER SECRET FILTER COUNT  -> `subscribed CODE`, then COUNT payloads
"""

import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

WAIT_SECONDS = 20


def client(host, port, version, user, secret):
    protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=protocol)
    made.username_pw_set(user, secret)

    def on_connect(_client, _userdata, _flags, reason, _properties):
        if reason != 0:
            print(f"refused {reason.value}", flush=True)
            sys.exit(3)

    made.on_connect = on_connect
    made.connect(host, int(port), keepalive=30)
    return made


def publish(host, port, version, device, secret, topic, payload):
    made = client(host, port, version, device, secret)
    reasons = []
    made.on_publish = lambda _c, _u, _mid, reason, _p: reasons.append(reason.value)
    made.loop_start()
    made.publish(topic, payload, qos=1).wait_for_publish(WAIT_SECONDS)
    made.disconnect()
    made.loop_stop()
    if not reasons:
        sys.exit("no PUBACK")
    print(reasons[0], flush=True)


def listen(host, port, version, user, secret, topic_filter, count):
    made = client(host, port, version, user, secret)
    left = [int(count)]

    def on_message(_client, _userdata, message):
        print(message.payload.decode(), flush=True)
        left[0] -= 1
        if left[0] == 0:
            made.disconnect()

    made.on_message = on_message
    made.on_subscribe = lambda _c, _u, _mid, codes, _p: print("subscribed", codes[0].value, flush=True)
    made.on_connect = lambda *_: made.subscribe(topic_filter, qos=1)
    made.loop_forever()


if __name__ == "__main__":
    {"publish": publish, "listen": listen}[sys.argv[1]](*sys.argv[2:])
