//! Which wearers name a person, and which live under an organisation: so that a guardian's new number or a community's
//! fence does not cost a look at every elder of a city, for which an SOS would wait.

use std::collections::{BTreeMap, BTreeSet};

use model::{OrgPath, Person, PersonId, Wearer};

use super::slots::Slots;

/// By slots. It may hold what is no more, as when a slot was given to somebody else: whoever asks compares.
#[derive(Debug, Default)]
pub struct Mentions {
    /// A person and a wearer who names them.
    people: BTreeSet<(u32, u32)>,
    wearers_of: BTreeMap<OrgPath, BTreeSet<u32>>,
}

impl Mentions {
    /// Takes in what a wearer's registration names. People who are named were registered before.
    pub fn note(&mut self, people: &Slots<PersonId, Person>, slot: u32, wearer: &Wearer) {
        self.people.extend(named(people, wearer).map(|person| (person, slot)));
        match self.wearers_of.get_mut(&wearer.org) {
            Some(wearers) => drop(wearers.insert(slot)),
            None => drop(self.wearers_of.insert(wearer.org.clone(), BTreeSet::from([slot]))),
        }
    }

    /// Lets go of what a registration named that is there no more.
    pub fn forget(&mut self, people: &Slots<PersonId, Person>, slot: u32, wearer: &Wearer) {
        for person in named(people, wearer) {
            self.people.remove(&(person, slot));
        }
        if let Some(wearers) = self.wearers_of.get_mut(&wearer.org) {
            wearers.remove(&slot);
        }
    }

    /// The slots of the wearers who may name a person, in order.
    pub fn of_person(&self, person: u32) -> impl Iterator<Item = u32> {
        self.people.range((person, 0)..=(person, u32::MAX)).map(|(_, wearer)| *wearer)
    }

    /// The slots of the wearers of an organisation and all below it, organisation by organisation.
    pub fn under<'a>(&'a self, org: &'a OrgPath) -> impl Iterator<Item = u32> + 'a {
        // In the order of their texts, what is below it follows it.
        let below = self.wearers_of.range(org.clone()..).take_while(|(path, _)| org.contains(path));
        below.flat_map(|(_, wearers)| wearers.iter().copied())
    }
}

/// The slots of everybody whom a registration names.
fn named<'a>(people: &'a Slots<PersonId, Person>, wearer: &'a Wearer) -> impl Iterator<Item = u32> + 'a {
    let agreed = wearer.consents.iter().filter_map(|consent| consent.by.as_ref());
    wearer.guardians.iter().chain(&wearer.doctor).chain(agreed).filter_map(|person| people.slot(person))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_or_has_other_guardians_is_found_where_they_are() {
        let document = r#"{"orgs":[{"path":"/a/","name":"a"},{"path":"/a/b/","name":"b"},{"path":"/ab/","name":"ab"}],
            "people":[{"id":"g1","role":"guardian","name":"g1"},{"id":"g2","role":"guardian","name":"g2"},
                      {"id":"d1","role":"doctor","name":"d1"}],
            "wearers":[{"id":"w7","name":"w7","org":"/a/b/","guardians":["g1"],"doctor":"d1"},
                       {"id":"w3","name":"w3","org":"/a/","guardians":["g1"],
                        "consents":[{"to":"location","by":"g2","how":"paper","given_at":"2026-01-01T08:00:00+08:00"}]},
                       {"id":"w5","name":"w5","org":"/ab/","guardians":["g2"],"doctor":"d1"}]}"#;
        let change = crate::registry::validate_alone(document.as_bytes(), chrono_tz::Tz::Asia__Shanghai).unwrap();
        let mut people = Slots::default();
        for person in change.people {
            people.insert(person.id.clone(), person);
        }
        let mut mentions = Mentions::default();
        let (w7, moved) =
            (&change.wearers[0], Wearer { id: change.wearers[0].id.clone(), ..change.wearers[2].clone() });
        for (slot, wearer) in [7, 3, 5].into_iter().zip(&change.wearers) {
            mentions.note(&people, slot, wearer);
        }
        let told = |mentions: &Mentions| {
            let of = |id: &str| mentions.of_person(people.slot(&PersonId::new(id)).unwrap()).collect::<Vec<_>>();
            let under = |org: &str| mentions.under(&OrgPath::new(org)).collect::<Vec<_>>();
            format!(
                "{:?} {:?} {:?}, {:?} {:?} {:?}",
                of("g1"),
                of("g2"),
                of("d1"),
                under("/a/"),
                under("/a/b/"),
                under("/")
            )
        };
        assert_eq!(told(&mentions), "[3, 7] [3, 5] [5, 7], [3, 7] [7] [3, 7, 5]");
        mentions.forget(&people, 7, w7);
        mentions.note(&people, 7, &moved);
        assert_eq!(told(&mentions), "[3] [3, 5, 7] [5, 7], [3] [] [3, 5, 7]");
    }
}
