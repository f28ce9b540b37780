//! Who may see what. [`may_see`] decides, and every query asks it: of what is about an elder through
//! [`sees_wearer`] or [`sees_about`], of what belongs to a part of the tree through [`visible_to`].

use model::{Actor, Device, Entity, Event, OrgPath, Role, Wearer, WearerId};
use store::{Among, State};

/// The scope that is the whole tree.
const ROOT: &str = "/";

/// Whose something is, as far as it decides who may see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Whose<'a> {
    /// A part of the tree's: an organisation, a roster, a campaign.
    Tree,
    /// An elder's; `None`: of nobody who is known.
    Elder(Option<&'a Wearer>),
}

/// Whether a role sees single elders, and not a part of the tree: a doctor their patients, a guardian whom they care for.
#[must_use]
pub fn sees_own_elders_only(role: Role) -> bool {
    matches!(role, Role::Doctor | Role::Guardian)
}

/// Whether somebody may see what belongs to an organisation: theirs, or one below it. What belongs to none (an unbound
/// device, an unknown sender) is for those who see everything, scope `/`. A doctor sees their own patients there, a guardian
/// whom they care for, and nobody else.
#[must_use]
pub fn may_see(actor: &Actor, org: Option<&OrgPath>, whose: Whose<'_>) -> bool {
    let is_theirs = match (actor.role, whose) {
        (Role::Doctor, Whose::Elder(elder)) => elder.is_some_and(|elder| elder.doctor.as_ref() == Some(&actor.person)),
        (Role::Guardian, Whose::Elder(elder)) => elder.is_some_and(|elder| elder.guardians.contains(&actor.person)),
        _ => true,
    };
    is_theirs && is_inside(&actor.scope, org)
}

/// Whether what belongs to an organisation, or to none, lies in a scope.
#[must_use]
pub fn is_inside(scope: &OrgPath, org: Option<&OrgPath>) -> bool {
    org.map_or_else(|| scope.as_str() == ROOT, |org| scope.contains(org))
}

/// Whether somebody may see an elder.
#[must_use]
pub fn sees_wearer(actor: &Actor, wearer: &Wearer) -> bool {
    may_see(actor, Some(&wearer.org), Whose::Elder(Some(wearer)))
}

/// Whether somebody may see what is about an elder, or about nobody, in an organisation. Only for those who see
/// single elders is it looked up who that is; what cannot be read is not shown.
#[must_use]
pub fn sees_about(view: &State, actor: &Actor, org: Option<&OrgPath>, wearer: Option<&WearerId>) -> bool {
    let found = match wearer.filter(|_| sees_own_elders_only(actor.role)) {
        Some(id) => view.wearer(id).ok().flatten(),
        None => None,
    };
    may_see(actor, org, Whose::Elder(found.as_ref()))
}

/// Whether somebody may see a device: its wearer's, or nobody's.
#[must_use]
pub fn sees_device(view: &State, actor: &Actor, device: &Device) -> bool {
    match &device.wearer {
        None => may_see(actor, None, Whose::Elder(None)),
        Some(id) => match view.wearer(id) {
            Ok(Some(wearer)) => sees_wearer(actor, &wearer),
            Ok(None) => may_see(actor, None, Whose::Elder(None)),
            Err(_) => false,
        },
    }
}

/// Whether somebody may see an event.
#[must_use]
pub fn sees_event(view: &State, actor: &Actor, event: &Event) -> bool {
    if !sees_own_elders_only(actor.role) {
        return visible_to(actor, event.org.as_ref());
    }
    let wearer = match &event.entity {
        Entity::Incident(incident) => Some(&incident.wearer),
        Entity::Case(case) => case.wearer.as_ref(),
        Entity::Attempt(attempt) => Some(&attempt.wearer),
        Entity::Device(device) => device.wearer.as_ref(),
        Entity::Task(task) => Some(&task.wearer),
        Entity::CampaignCall(call) => Some(&call.wearer),
        Entity::DownCommand(command) => {
            return view.device(&command.device).ok().flatten().is_some_and(|device| sees_device(view, actor, &device));
        }
        Entity::Registry(_) | Entity::Campaign(_) | Entity::Patrol(_) | Entity::Duty(_) | Entity::Erasure(_) => None,
    };
    sees_about(view, actor, event.org.as_ref(), wearer)
}

/// Whether somebody may see what belongs to a part of the tree and is about nobody.
#[must_use]
pub fn visible_to(actor: &Actor, org: Option<&OrgPath>) -> bool {
    may_see(actor, org, Whose::Tree)
}

/// Among whose wearers those are whom somebody may see; `None`: everybody's.
#[must_use]
pub fn sees_among(actor: &Actor) -> Option<Among<'_>> {
    match actor.role {
        Role::Doctor | Role::Guardian => Some(Among::Person(&actor.person)),
        _ if sees_everything(actor) => None,
        _ => Some(Among::Scope(&actor.scope)),
    }
}

/// Whether somebody's scope is the whole tree.
#[must_use]
pub fn sees_everything(actor: &Actor) -> bool {
    actor.scope.as_str() == ROOT
}

#[cfg(test)]
mod tests {
    use model::{PersonId, Role};

    use super::*;

    #[test]
    fn a_scope_is_a_subtree_and_what_belongs_to_nobody_is_for_the_root_only() {
        let see = |scope: &str, org: Option<&str>| {
            let actor = Actor { person: PersonId::new("p"), role: Role::Desk, scope: OrgPath::new(scope) };
            visible_to(&actor, org.map(OrgPath::new).as_ref())
        };
        for (scope, org, expected) in [
            ("/", Some("/luyang/"), true),
            ("/", None, true),
            ("/luyang/", Some("/luyang/"), true),
            ("/luyang/", Some("/luyang/xinghua/yinxing/"), true),
            ("/luyang/", Some("/luyangxi/"), false),
            ("/luyang/xinghua/", Some("/luyang/"), false),
            ("/luyang/", None, false),
        ] {
            assert_eq!(see(scope, org), expected, "{scope} sees {org:?}");
        }
    }

    /// Every role that sees a part of the tree.
    const OTHERS: [Role; 8] = [
        Role::Admin,
        Role::Operator,
        Role::Integration,
        Role::Desk,
        Role::GridWorker,
        Role::Volunteer,
        Role::Street,
        Role::Department,
    ];

    proptest::proptest! {
        /// Over any tree and any elders: a doctor sees exactly their own patients inside, a guardian exactly whom they care
        /// for; everybody else the whole subtree, whoever cares for them; nobody anything outside.
        #[test]
        fn who_sees_single_elders_sees_their_own_and_nobody_else(
            scope in proptest::collection::vec("(a|b|ab|银)", 0..4),
            org in proptest::collection::vec("(a|b|ab|银)", 1..6),
            doctor in proptest::option::of("p[1-3]"),
            guardian in proptest::option::of("p[1-3]"),
            person in "p[1-3]",
            other in 0..OTHERS.len(),
        ) {
            let path = |segments: &[String]| {
                OrgPath::new(&segments.iter().fold("/".to_owned(), |path, segment| format!("{path}{segment}/")))
            };
            let is = |known: &Option<String>| known.as_ref() == Some(&person);
            let (is_inside, org) = (org.starts_with(&scope), path(&org));
            let elder = Wearer {
                id: WearerId::new("w1"),
                name: "王桂兰".to_owned(),
                org: org.clone(),
                birth_year: None,
                lives_alone: false,
                phone: None,
                guardians: guardian.iter().map(|id| PersonId::new(id)).collect(),
                doctor: doctor.as_ref().map(|id| PersonId::new(id)),
                fences: Vec::new(),
                thresholds: model::Thresholds::default(),
                plan: model::Plan::default(),
                suspension: None,
                availability: Vec::new(),
                mode: model::registry::WearerMode::default(),
                consents: Vec::new(),
            };
            let whose = Whose::Elder(Some(&elder));
            for (role, is_theirs) in
                [(Role::Doctor, is(&doctor)), (Role::Guardian, is(&guardian)), (OTHERS[other], true)]
            {
                let actor = Actor { person: PersonId::new(&person), role, scope: path(&scope) };
                proptest::prop_assert_eq!(may_see(&actor, Some(&org), whose), is_inside && is_theirs, "{:?}", role);
                proptest::prop_assert_eq!(may_see(&actor, Some(&org), Whose::Tree), is_inside);
                proptest::prop_assert!(!may_see(&actor, None, whose) || scope.is_empty());
                let of_nobody = may_see(&actor, Some(&org), Whose::Elder(None));
                proptest::prop_assert_eq!(of_nobody, is_inside && !sees_own_elders_only(role));
            }
        }
    }

    proptest::proptest! {
        /// Over any tree: somebody sees an organisation exactly when it is theirs or lies below, segment by segment.
        #[test]
        fn nobody_ever_sees_outside(
            scope in proptest::collection::vec("(a|b|ab|银|银杏)", 0..4),
            org in proptest::collection::vec("(a|b|ab|银|银杏)", 1..6),
        ) {
            let path = |segments: &[String]| {
                OrgPath::new(&segments.iter().fold("/".to_owned(), |path, segment| format!("{path}{segment}/")))
            };
            let actor = Actor { person: PersonId::new("p"), role: Role::Street, scope: path(&scope) };
            proptest::prop_assert_eq!(visible_to(&actor, Some(&path(&org))), org.starts_with(&scope));
            proptest::prop_assert_eq!(visible_to(&actor, None), scope.is_empty());
        }
    }
}
