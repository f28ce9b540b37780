use std::collections::BTreeSet;

use model::registry::RegistryChange;
use model::{Device, DeviceId, Wearer};

use super::*;
use crate::Among;
use crate::state::queries::LISTED_MAX;

fn wearer(id: &str, org: &str, guardian: &str) -> Wearer {
    let (id, org) = (WearerId::new(id), OrgPath::new(org));
    let like = sample::registry().wearers.remove(0);
    Wearer { id, org, guardians: vec![PersonId::new(guardian)], ..like }
}

fn device(id: &str, wearer: Option<&str>) -> Device {
    let like = sample::registry().devices.remove(0);
    Device { id: DeviceId::new(id), wearer: wearer.map(WearerId::new), ..like }
}

fn change(wearers: Vec<Wearer>, devices: Vec<Device>) -> Record {
    let change = RegistryChange { wearers, devices, ..RegistryChange::default() };
    Record { at: at(1), input: Input::Tick, decisions: vec![Decision::Registry(Box::new(change))] }
}

fn page<K>(after: Option<K>, limit: usize) -> Page<K> {
    Page { after, limit }
}

fn wearers(state: &State, among: Among<'_>) -> Vec<String> {
    let found = state.wearers_among(among, page(None, 100), &|_| true).unwrap();
    assert!(!found.has_more);
    found.items.into_iter().map(|wearer| wearer.id.to_string()).collect()
}

fn devices(state: &State, scope: &str) -> Vec<String> {
    let scope = OrgPath::new(scope);
    let found = state.devices_among(Among::Scope(&scope), page(None, 100), &|_| true).unwrap();
    found.items.into_iter().map(|device| device.id.to_string()).collect()
}

/// Three orgs, the names of two of which begin alike; then one wearer moves, another gets other guardians, and a device
/// goes from hand to hand.
fn moved_about() -> House {
    House::with([
        change(
            vec![
                wearer("w3", "/a/x/", "g1"),
                wearer("w1", "/a/x/", "g1"),
                wearer("w2", "/a/xy/", "g2"),
                wearer("w4", "/b/", "g1"),
            ],
            vec![device("d1", Some("w1")), device("d2", Some("w2")), device("d3", None), device("d4", Some("w4"))],
        ),
        change(vec![wearer("w3", "/b/", "g1"), wearer("w1", "/a/x/", "g3")], vec![device("d4", Some("w2"))]),
    ])
}

fn is_found_as_it_stands(state: &State) {
    let scope = |org: &str| wearers(state, Among::Scope(&OrgPath::new(org)));
    assert_eq!(scope("/a/"), ["w1", "w2"]);
    assert_eq!(
        (scope("/a/x/"), scope("/a/xy/"), scope("/b/")),
        (vec!["w1".into()], vec!["w2".into()], vec!["w3".into(), "w4".into()])
    );
    assert_eq!((scope("/").len(), scope("/c/").len()), (4, 0));
    let of = |person: &str| wearers(state, Among::Person(&PersonId::new(person)));
    assert_eq!((of("g1"), of("g2"), of("g3")), (vec!["w3".into(), "w4".into()], vec!["w2".into()], vec!["w1".into()]));
    assert_eq!(
        (devices(state, "/a/x/"), devices(state, "/a/")),
        (vec!["d1".into()], vec!["d1".into(), "d2".into(), "d4".into()])
    );
}

#[test]
fn whose_somebody_is_is_found_without_looking_at_everybody_and_what_was_so_once_does_not_count() {
    let state = moved_about().projected();
    is_found_as_it_stands(&state);
    // Whoever lists them says whether a device is still on its wearer: that is not the hint's word.
    let on = |wearer: &str, id: &WearerId| {
        let keep = |device: &Device| device.wearer.as_ref() == Some(id);
        state.devices_of(&WearerId::new(wearer), page(None, 10), &keep).unwrap().items.len()
    };
    assert_eq!((on("w4", &WearerId::new("w4")), on("w2", &WearerId::new("w2"))), (0, 2));
    // Page by page, each where the one before ended.
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let listing = state.wearers_among(Among::Scope(&OrgPath::new("/")), page(after, 1), &|_| true).unwrap();
        found.extend(listing.items.iter().map(|wearer| wearer.id.to_string()));
        let Some(next) = listing.next_name() else { break };
        after = Some(WearerId::new(&next));
    }
    assert_eq!(found, ["w1", "w2", "w3", "w4"]);
    let ids = BTreeSet::from([PersonId::new("g1"), PersonId::new("nobody")]);
    assert_eq!(state.people_named(&ids, page(None, 10)).unwrap().items.len(), 0, "people are not in this registry");
}

#[test]
fn a_view_of_before_there_were_hints_gets_them() {
    let house = moved_about();
    let state = house.projected();
    let mut changes = tree::Changes::default();
    for letter in [keys::WEARER_OF_ORG, keys::WEARER_OF_PERSON, keys::DEVICE_OF_WEARER] {
        let (from, to) = keys::all(letter);
        let delete = &mut |key: &[u8], _: &[u8]| {
            changes.delete(key);
            Ok(tree::Scan::Go)
        };
        state.database.scan(&from, &to, delete).unwrap();
    }
    changes.delete(keys::META_HINTS);
    state.database.apply(changes).unwrap();
    assert_eq!(wearers(&state, Among::Scope(&OrgPath::new("/"))), [""; 0]);
    drop(state);
    is_found_as_it_stands(&house.open().0);
}

#[test]
fn a_list_looks_at_so_many_entries_at_once_and_says_where_to_go_on() {
    let ids: Vec<String> = (0..LISTED_MAX + 10).map(|n| format!("w{n:06}")).collect();
    let some = |ids: &[String]| change(ids.iter().map(|id| wearer(id, "/a/", "g1")).collect(), Vec::new());
    let state = House::with(ids.chunks(50).map(some)).projected();
    let last = |wearer: &Wearer| wearer.id.as_str() == ids[LISTED_MAX + 3];
    let root = OrgPath::new("/");
    let pages: [&dyn Fn(Option<WearerId>) -> Listing<Wearer>; 2] =
        [&|after| state.wearers(page(after, 5), &last).unwrap(), &|after| {
            state.wearers_among(Among::Scope(&root), page(after, 5), &last).unwrap()
        }];
    for ask in pages {
        let first = ask(None);
        assert_eq!((first.items.len(), first.next_name()), (0, Some(ids[LISTED_MAX - 1].clone())));
        let second = ask(first.next_name().as_deref().map(WearerId::new));
        assert_eq!((second.items.len(), second.next_name()), (1, None));
    }
}
