//! Who lives there. The first eight are the cast of the demo's stories; the rest are drawn from lists.

use model::Role;

use super::plot::{Act, Plot};
use super::{Person, Persona};
use crate::dice::Dice;
use crate::phones::{CallScript, TextScript};

/// The index of the elder whose family's phones are left to the person at the page.
pub(super) const YOURS: usize = 6;

const SURNAMES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "高", "林",
    "罗",
];
const GIVEN_OF_ELDERS: &[&str] = &[
    "秀兰", "桂珍", "玉兰", "淑珍", "凤英", "桂芳", "素珍", "国强", "建国", "志明", "德才", "永年", "福生", "长林",
    "宝山", "瑞芝",
];
const GIVEN_OF_CHILDREN: &[&str] = &[
    "敏", "静", "丽", "磊", "强", "洋", "勇", "艳", "杰", "娟", "涛", "超", "霞", "刚", "雪梅", "志远", "晓东", "文婷",
    "海燕", "建华",
];
const RELATIONS: &[[&str; 2]] = &[
    ["女儿", "daughter"],
    ["儿子", "son"],
    ["儿媳", "daughter-in-law"],
    ["孙子", "grandson"],
    ["邻居", "neighbour"],
    ["老伴", "spouse"],
];

/// What the cast list says of an elder.
pub(super) struct Part {
    pub name: String,
    pub birth_year: u16,
    pub persona: Persona,
    pub fence_radius_m: f64,
    pub guardians: Vec<Guardian>,
    pub plan: Vec<(&'static str, u32)>,
    pub repeat_within_s: Option<u32>,
    pub plot: Vec<Plot>,
}

/// What it says of a guardian.
pub(super) struct Guardian {
    pub name: String,
    pub relation: [&'static str; 2],
    pub calls: Vec<CallScript>,
    pub texts: TextScript,
}

fn guardian(name: &str, relation: [&'static str; 2], call: CallScript) -> Guardian {
    Guardian { name: name.to_owned(), relation, calls: vec![call], texts: TextScript::Reads }
}

fn part(name: &str, birth_year: u16, persona: Persona, guardians: Vec<Guardian>, plot: Vec<Plot>) -> Part {
    let fence_radius_m = if persona == Persona::Wanderer { 120.0 } else { 300.0 };
    let name = name.to_owned();
    Part { name, birth_year, persona, fence_radius_m, guardians, plan: Vec::new(), repeat_within_s: None, plot }
}

/// The part of the `index`-th elder.
pub(super) fn role(index: usize, dice: &mut Dice) -> Part {
    const DAUGHTER: [&str; 2] = RELATIONS[0];
    const SON: [&str; 2] = RELATIONS[1];
    const NEIGHBOUR: [&str; 2] = RELATIONS[4];
    let listens = CallScript::AnswersWithoutKey { after_ms: 3_000, ends_after_ms: 6_000 };
    let mailbox = CallScript::Voicemail { after_ms: 4_000, ends_after_ms: 6_000 };
    match index {
        0 => part(
            "王桂兰",
            1943,
            Persona::Walker,
            vec![
                guardian("王芳", DAUGHTER, CallScript::no_answer_after(8)),
                guardian("王强", SON, listens),
                guardian("李梅", NEIGHBOUR, CallScript::presses_1_after(4)),
            ],
            vec![Plot::after(8, Act::Sos)],
        ),
        1 => part(
            "陈德福",
            1946,
            Persona::Wanderer,
            vec![guardian("陈静", DAUGHTER, CallScript::presses_1_after(6))],
            vec![Plot::after(15, Act::WalkAway { metres: 320.0 }), Plot::after(260, Act::WalkHome)],
        ),
        2 => Part {
            plan: vec![("fall_window_s", 15)],
            ..part(
                "刘秀英",
                1938,
                Persona::Homebody,
                vec![
                    guardian("刘建国", SON, CallScript::Busy),
                    guardian("刘洋", ["孙子", "grandson"], CallScript::Declines { after_ms: 3_000 }),
                    guardian("周敏", ["儿媳", "daughter-in-law"], CallScript::presses_1_after(5)),
                ],
                vec![Plot::after(30, Act::Fall)],
            )
        },
        3 => part(
            "赵永福",
            1950,
            Persona::Hypertensive,
            vec![Guardian {
                name: "赵丽".to_owned(),
                relation: DAUGHTER,
                calls: vec![CallScript::no_answer_after(10)],
                texts: TextScript::Replies { text: "1".to_owned(), after_ms: 14_000 },
            }],
            vec![
                Plot::after(25, Act::Cuff { systolic: 192, diastolic: 112 }),
                Plot::after(50, Act::Cuff { systolic: 188, diastolic: 110 }),
            ],
        ),
        4 => Part {
            repeat_within_s: Some(45),
            ..part(
                "孙玉珍",
                1948,
                Persona::Hypertensive,
                vec![guardian("孙磊", SON, CallScript::presses_1_after(7))],
                vec![Plot::after(40, Act::Cuff { systolic: 186, diastolic: 104 })],
            )
        },
        5 => part(
            "吴淑芬",
            1941,
            Persona::Walker,
            vec![guardian("吴杰", SON, CallScript::presses_1_after(5))],
            vec![Plot::after(35, Act::Fall), Plot::after(46, Act::FallCancel)],
        ),
        YOURS => part(
            "周国栋",
            1944,
            Persona::Walker,
            vec![
                guardian("周晓燕", DAUGHTER, CallScript::ByHand),
                guardian("周文博", SON, CallScript::ByHand),
                guardian("许姨", NEIGHBOUR, CallScript::ByHand),
            ],
            vec![Plot::after(75, Act::Sos)],
        ),
        7 => Part {
            plan: vec![("next_after_s", 10), ("ring_s", 15), ("gap_s", 10), ("cycles", 1)],
            ..part(
                "郑爱华",
                1939,
                Persona::Cardiac,
                vec![
                    guardian("郑勇", SON, CallScript::Unreachable),
                    guardian("郑艳", DAUGHTER, mailbox),
                    guardian("郑浩", ["孙子", "grandson"], CallScript::no_answer_after(12)),
                ],
                vec![Plot::after(90, Act::Sos)],
            )
        },
        _ => drawn(dice),
    }
}

fn drawn(dice: &mut Dice) -> Part {
    let surname = *dice.pick(SURNAMES);
    let persona =
        *dice.pick(&[Persona::Homebody, Persona::Walker, Persona::Walker, Persona::Hypertensive, Persona::Cardiac]);
    let guardians = (0..1 + dice.below(2)).map(|turn| {
        let relation = RELATIONS[(turn + dice.below(3)) % RELATIONS.len()];
        let own = if relation[0] == "邻居" || relation[0] == "儿媳" { *dice.pick(SURNAMES) } else { surname };
        let seconds = u32::try_from(4 + dice.below(8)).unwrap_or(4);
        let call = if turn == 0 && dice.chance(0.3) {
            CallScript::no_answer_after(12)
        } else {
            CallScript::presses_1_after(seconds)
        };
        guardian(&format!("{own}{}", dice.pick(GIVEN_OF_CHILDREN)), relation, call)
    });
    let guardians = guardians.collect();
    let name = format!("{surname}{}", dice.pick(GIVEN_OF_ELDERS));
    let birth_year = u16::try_from(1934 + dice.below(20)).unwrap_or(1940);
    Part {
        fence_radius_m: (20.0 * dice.between(10.0, 20.0)).round(),
        ..part(&name, birth_year, persona, guardians, Vec::new())
    }
}

/// Doctors and the people of the desks.
pub(super) fn staff() -> Vec<Person> {
    let staff = [
        ("d1", Role::Doctor, "于医生", "01", ["家庭医生", "family doctor"]),
        ("d2", Role::Doctor, "宋医生", "02", ["家庭医生", "family doctor"]),
        ("s1", Role::Desk, "何敏", "04", ["银杏社区值班", "desk of Yinxing"]),
        ("s2", Role::Desk, "韩亮", "05", ["桂花社区值班", "desk of Guihua"]),
        ("s3", Role::Street, "唐静", "06", ["杏花街道值班", "desk of Xinghua street"]),
        ("s4", Role::GridWorker, "马超", "03", ["网格员", "grid worker"]),
    ];
    let person = |(id, role, name, number, relation): (&str, Role, &str, &str, [&str; 2])| Person {
        id: id.to_owned(),
        role,
        name: name.to_owned(),
        phone: format!("+86138000000{number}"),
        relation: relation.map(str::to_owned),
        family: String::new(),
        push: false,
        calls: vec![CallScript::presses_1_after(6)],
        texts: TextScript::Reads,
    };
    staff.into_iter().map(person).collect()
}
