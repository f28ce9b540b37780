//! Who is told what, word for word.

use expect_test::expect;
use model::{Channel, Language, Purpose};

use crate::ward::{Home, Ward};

#[test]
fn the_messages_of_a_whole_story() {
    let mut home = Home::default();
    home.guardians[1].lang = Language::En;
    let mut ward = Ward::new(home);
    ward.play("sos; wait 16s; key g2 1; wait 10m; arrive by s1; resolve by s1 helped");
    let mut seen = std::collections::BTreeSet::new();
    let mut lines = Vec::new();
    for attempt in &ward.started {
        let channel = if attempt.channel == Channel::Voice { "call" } else { "text" };
        let key = (attempt.callee.role, attempt.lang, channel, attempt.purpose, attempt.text.clone());
        if seen.insert(key) {
            let to = &attempt.callee.person;
            lines.push(format!("{to} {channel} {:?}: {}", attempt.purpose, attempt.text));
        }
    }
    expect![[r#"
        g1 text Alert: 银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82060,117.22720。回复1确认前往。
        g2 text Alert: 银杏社区: 王桂兰 pressed the SOS button at 08:00. Position 31.82060,117.22720. Reply 1 if you are going.
        desk text Alert: 银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82060,117.22720。回复1确认前往。
        d1 text Alert: 银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82060,117.22720。
        g1 call Alert: 这里是银杏社区。王桂兰于08:00按下求助键，位置见短信。确认并前往请按 1；无法处理请按 2；重听请按 3。
        g2 call Alert: This is 银杏社区. 王桂兰 pressed the SOS button at 08:00; the place is in the text message. If you are going, press 1; if you cannot, press 2; to hear this again, press 3.
        g1 text Taken: 银杏社区：王桂兰按下求助键，王强 已接警，正在赶去。
        desk text Taken: 银杏社区：王桂兰按下求助键，王强 已接警，正在赶去。
        d1 text Taken: 银杏社区：王桂兰按下求助键，王强 已接警，正在赶去。
        g1 text Reminder: 银杏社区提醒：王桂兰于08:00按下求助键，王强已接警但尚未到场，仍需有人前往。回复1确认前往。
        g2 text Reminder: 银杏社区: 王桂兰 pressed the SOS button at 08:00. 王强 took it but has not arrived; somebody still has to go. Reply 1 if you are going.
        desk text Reminder: 银杏社区提醒：王桂兰于08:00按下求助键，王强已接警但尚未到场，仍需有人前往。回复1确认前往。
        d1 text Reminder: 银杏社区提醒：王桂兰于08:00按下求助键，王强已接警但尚未到场，仍需有人前往。
        g1 text Taken: 银杏社区：王桂兰按下求助键，张敏 已到场。
        g2 text Taken: 银杏社区: 王桂兰 pressed the SOS button. 张敏 is there.
        desk text Taken: 银杏社区：王桂兰按下求助键，张敏 已到场。
        d1 text Taken: 银杏社区：王桂兰按下求助键，张敏 已到场。
        g1 text Ended: 银杏社区：王桂兰于08:00按下求助键，现已处理完毕：已得到帮助。
        g2 text Ended: 银杏社区: 王桂兰 pressed the SOS button at 08:00. It has ended: helped.
        desk text Ended: 银杏社区：王桂兰于08:00按下求助键，现已处理完毕：已得到帮助。
        d1 text Ended: 银杏社区：王桂兰于08:00按下求助键，现已处理完毕：已得到帮助。"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_template_gets_its_parameters_by_name() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; key g1 1");
    let params = |channel, purpose| {
        let attempt = ward.started.iter().find(|a| a.channel == channel && a.purpose == purpose).unwrap();
        attempt.params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    expect![
        "community=银杏社区 name=王桂兰 time=08:00 event=按下求助键 explain= place=位置 31.82060,117.22720 code=i1"
    ]
    .assert_eq(&params(Channel::Sms, Purpose::Alert));
    expect!["community=银杏社区 name=王桂兰 time=08:00 event=按下求助键 place=位置见短信 code=i1"]
        .assert_eq(&params(Channel::Voice, Purpose::Alert));
    expect!["community=银杏社区 name=王桂兰 event=按下求助键 holder=王芳"]
        .assert_eq(&params(Channel::Sms, Purpose::Taken));
}
