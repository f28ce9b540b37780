//! Who may see what. One function, asked by every query.

use model::{Actor, OrgPath};

/// Whether somebody may see what belongs to an organisation: theirs, or one below it. What belongs to none (an
/// unbound device, an unknown sender) is for those who see everything, scope `/`.
#[must_use]
pub fn visible_to(actor: &Actor, org: Option<&OrgPath>) -> bool {
    match org {
        Some(org) => actor.scope.contains(org),
        None => sees_everything(actor),
    }
}

/// Whether somebody's scope is the whole tree.
#[must_use]
pub fn sees_everything(actor: &Actor) -> bool {
    actor.scope.as_str() == "/"
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
