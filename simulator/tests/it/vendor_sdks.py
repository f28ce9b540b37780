"""The vendors' own SDKs, pointed at our phones. Prints one line of JSON per step; any exception is told as such.

    vendor_sdks.py send BASE_URL ALIYUN_SECRET TENCENT_KEY TWILIO_TOKEN [PHONE]
    vendor_sdks.py verify TWILIO_TOKEN URL SIGNATURE BODY
"""
import datetime
import json
import sys
import time
from urllib.parse import parse_qsl

PHONE = "+8613800000001"


def tell(step, **what):
    print(json.dumps({"step": step, **what}), flush=True)


def attempt(step, action):
    try:
        tell(step, **action())
    except Exception as error:  # the test decides whether it should have been
        code = getattr(error, "code", None)
        tell(step, error=str(code or type(error).__name__))


def aliyun(base, secret):
    from alibabacloud_dysmsapi20170525 import models as sms
    from alibabacloud_dysmsapi20170525.client import Client as Sms
    from alibabacloud_dyvmsapi20170525 import models as vms
    from alibabacloud_dyvmsapi20170525.client import Client as Vms
    from alibabacloud_tea_openapi import models as api

    def config():
        return api.Config(
            access_key_id="LTAI5t", access_key_secret=secret, endpoint=base.split("://")[1], protocol="http",
            region_id="cn-hangzhou",
        )

    params = json.dumps({"name": "王桂兰", "place": "31.82061,117.22720"}, ensure_ascii=False)

    def text(**more):
        fields = {"phone_numbers": PHONE[3:], "sign_name": "银铃", "template_code": "SMS_1", "template_param": params,
                  "out_id": "a1a", **more}
        body = Sms(config()).send_sms(sms.SendSmsRequest(**fields)).body
        return {"code": body.code, "reference": body.biz_id}

    def ask():
        keys = [vms.IvrCallRequestMenuKeyMap(key="1", code="TTS_2"), vms.IvrCallRequestMenuKeyMap(key="2", code="TTS_3")]
        request = vms.IvrCallRequest(
            called_number=PHONE[3:], called_show_number="05510000000", start_code="TTS_1", start_tts_params=params,
            menu_key_map=keys, play_times=3, timeout=10000, out_id="a1b",
        )
        body = Vms(config()).ivr_call(request).body
        return {"code": body.code, "reference": body.call_id}

    def tell_only():
        request = vms.SingleCallByTtsRequest(
            called_number=PHONE[3:], called_show_number="05510000000", tts_code="TTS_4", tts_param=params, out_id="a1c"
        )
        body = Vms(config()).single_call_by_tts(request).body
        return {"code": body.code, "reference": body.call_id}

    attempt("aliyun sms", text)
    def books():
        china = datetime.timezone(datetime.timedelta(hours=8))
        request = sms.QuerySendDetailsRequest(
            phone_number=PHONE[3:], send_date=datetime.datetime.now(china).strftime("%Y%m%d"), page_size=50, current_page=1
        )
        body = Sms(config()).query_send_details(request).body
        found = [one.out_id for one in body.sms_send_detail_dtos.sms_send_detail_dto]
        return {"code": body.code if "a1a" in found else "not there"}

    attempt("aliyun books", books)
    attempt("aliyun sms to nobody", lambda: text(phone_numbers="13800000099"))
    attempt("aliyun sms with a link", lambda: text(template_param='{"name":"http://x.example"}'))
    attempt("aliyun ivr", ask)
    attempt("aliyun tts", tell_only)


def tencent(base, key):
    from tencentcloud.common import credential
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile
    from tencentcloud.sms.v20210111 import models as sms
    from tencentcloud.sms.v20210111.sms_client import SmsClient
    from tencentcloud.vms.v20200902 import models as vms
    from tencentcloud.vms.v20200902.vms_client import VmsClient

    http = HttpProfile(protocol="http", endpoint=base.split("://")[1])
    profile = ClientProfile(signMethod="TC3-HMAC-SHA256", httpProfile=http)
    who = credential.Credential("AKID", key)

    def text(number=PHONE):
        request = sms.SendSmsRequest()
        request.PhoneNumberSet, request.SmsSdkAppId, request.SignName = [number], "1400006666", "银铃"
        request.TemplateId, request.TemplateParamSet, request.SessionContext = "449739", ["王桂兰", "按下求助键"], "a2a"
        status = SmsClient(who, "ap-guangzhou", profile).SendSms(request).SendStatusSet[0]
        return {"code": status.Code, "reference": status.SerialNo}

    def call():
        request = vms.SendTtsVoiceRequest()
        request.CalledNumber, request.VoiceSdkAppid, request.TemplateId = PHONE, "1400006666", "449740"
        request.TemplateParamSet, request.PlayTimes, request.SessionContext = ["王桂兰"], 3, "a2b"
        status = VmsClient(who, "ap-guangzhou", profile).SendTtsVoice(request).SendStatus
        return {"code": "Ok", "reference": status.CallId}

    attempt("tencent sms", text)
    def books():
        request = sms.PullSmsSendStatusByPhoneNumberRequest()
        request.BeginTime, request.Offset, request.Limit = int(time.time()) - 600, 0, 100
        request.PhoneNumber, request.SmsSdkAppId = PHONE, "1400006666"
        found = SmsClient(who, "ap-guangzhou", profile).PullSmsSendStatusByPhoneNumber(request).PullSmsSendStatusSet
        return {"code": "Ok" if any(one.SessionContext == "a2a" for one in found) else "not there"}

    attempt("tencent books", books)
    attempt("tencent sms to nobody", lambda: text("+8613800000099"))
    attempt("tencent voice", call)


def twilio(base, token):
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    class Here(TwilioHttpClient):
        def request(self, method, url, *arguments, **named):
            return super().request(method, url.replace("https://api.twilio.com", base), *arguments, **named)

    client = Client("AC0123", token, http_client=Here())

    def text(to=PHONE):
        message = client.messages.create(to=to, from_="+12025550199", body="王桂兰按下求助键 <1>")
        return {"code": message.status, "reference": message.sid}

    def call():
        twiml = '<Response><Gather action="http://127.0.0.1:1/"><Say>王桂兰按下求助键</Say></Gather></Response>'
        return {"code": "queued", "reference": client.calls.create(to=PHONE, from_="+12025550199", twiml=twiml).sid}

    attempt("twilio sms", text)
    def books():
        made = client.messages.list(to=PHONE, from_="+12025550199", limit=20)
        return {"code": "queued" if made and made[0].date_created.year > 2020 and made[0].body else "not there"}

    attempt("twilio books", books)
    attempt("twilio sms to nobody", lambda: text("+8613800000099"))
    attempt("twilio voice", call)
    attempt("twilio calls off", lambda: {"code": client.calls(call()["reference"]).update(status="canceled").status})
    attempt("twilio calls off what was never made", lambda: {"code": client.calls("CA0").update(status="canceled").status})


def verify(token, url, signature, body):
    from twilio.request_validator import RequestValidator

    fields = dict(parse_qsl(body, keep_blank_values=True))
    tell("verify", valid=RequestValidator(token).validate(url, fields, signature))


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        verify(*sys.argv[2:])
    else:
        _, _, base_url, aliyun_secret, tencent_key, twilio_token = sys.argv
        aliyun(base_url, aliyun_secret)
        tencent(base_url, tencent_key)
        twilio(base_url, twilio_token)
