//! Operations on a small agent, one by one and at random.

use super::*;
use crate::reservation::{Reservation, Volume};
use proptest::prelude::*;

fn amounts(cpus: u64, disk: u64) -> Resources {
    Amounts([cpus, 0, disk, 0]).into()
}

fn tag(roles: &[&str], volume: Option<&str>) -> Tag {
    let stack = roles.iter().map(|role| Reservation::dynamic(*role)).collect();
    let volume = volume.map(|id| Volume {
        id: id.into(),
        container_path: "data".into(),
        principal: String::new(),
    });
    Tag { stack, volume }
}

fn parts(tag: Tag, resources: Resources) -> Parts {
    Parts::from_iter([(tag, resources)])
}

fn agent() -> Parts {
    let fixed = Tag::of(Reservation::fixed("old"));
    Parts::from_iter([(Tag::default(), amounts(8, 100)), (fixed, amounts(2, 10))])
}

fn done(all: &mut Parts, operation: &Operation) -> Result<(), Fault> {
    let mut free = all.clone();
    operation.apply(all, &mut free)?;
    assert_eq!(*all, free);
    Ok(())
}

#[test]
fn disk_is_reserved_narrowed_made_a_volume_and_given_back() {
    let mut all = agent();
    let plain = all.clone();
    let eng = parts(tag(&["eng"], None), amounts(4, 50));
    let web = parts(tag(&["eng", "eng/web"], None), amounts(1, 20));
    let volume = parts(tag(&["eng", "eng/web"], Some("v1")), amounts(0, 15));
    done(&mut all, &Operation::Reserve(eng.clone())).unwrap();
    done(&mut all, &Operation::Reserve(web.clone())).unwrap();
    done(&mut all, &Operation::Create(volume.clone())).unwrap();
    assert_eq!(all.sum(), plain.sum());
    assert_eq!(all.for_role("eng/web").sum(), amounts(8, 100));
    assert_eq!(all.for_role("other").sum(), amounts(4, 50));
    let again = done(&mut all, &Operation::Create(volume.clone())).unwrap_err();
    assert!(again.to_string().contains("only 0.001 cpus, 0.005 MiB of disk"), "{again}");
    let more = parts(tag(&["eng", "eng/web"], Some("v1")), amounts(0, 5));
    let exists = Fault::VolumeExists { role: "eng/web".into(), id: "v1".into() };
    assert_eq!(done(&mut all, &Operation::Create(more.clone())), Err(exists));
    let half = done(&mut all, &Operation::Destroy(more));
    assert!(matches!(half, Err(Fault::Missing { .. })), "a volume is whole: {half:?}");
    let in_it = done(&mut all, &Operation::Unreserve(volume.clone()));
    assert_eq!(in_it, Err(Fault::Volume("v1".into())));
    for back in [Operation::Destroy(volume), Operation::Unreserve(web), Operation::Unreserve(eng)] {
        done(&mut all, &back).unwrap();
    }
    assert_eq!(all, plain);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let reserve = |roles: &[&str]| {
        done(&mut agent(), &Operation::Reserve(parts(tag(roles, None), amounts(1, 0))))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(reserve(&[]), "0.001 cpus is not reserved for any role");
    assert!(reserve(&["*"]).contains("\"*\" is no role"));
    assert!(reserve(&["a//b"]).contains("no role"));
    assert_eq!(reserve(&["a", "b"]), "role b is not below a, for which it is reserved already");
    assert!(reserve(&["a", "ab"]).contains("not below"));
    assert!(reserve(&["a", "a/b"]).contains("only nothing"), "nothing is reserved for a yet");
    assert!(reserve(&["a"; 17]).contains("more than 16"));
    let fixed = parts(Tag::of(Reservation::fixed("old")), amounts(1, 0));
    let fault = done(&mut agent(), &Operation::Unreserve(fixed.clone()));
    assert_eq!(fault, Err(Fault::Static("old".into())));
    assert_eq!(done(&mut agent(), &Operation::Reserve(fixed)), Err(Fault::Static("old".into())));
    assert_eq!(done(&mut agent(), &Operation::Reserve(Parts::default())), Err(Fault::Nothing));
    let create = |id: &str, resources| {
        done(&mut agent(), &Operation::Create(parts(tag(&["old"], Some(id)), resources)))
    };
    assert_eq!(create("v", amounts(1, 1)), Err(Fault::NotDisk("v".into())));
    assert!(matches!(create("../v", amounts(0, 1)), Err(Fault::VolumeName(_))));
    assert!(matches!(create("", amounts(0, 1)), Err(Fault::VolumeName(_))));
    let bare = parts(Tag::of(Reservation::fixed("old")), amounts(0, 1));
    let destroy = done(&mut agent(), &Operation::Destroy(bare));
    assert!(matches!(destroy, Err(Fault::NoVolume(_))));
}

#[test]
fn what_is_in_use_is_not_touched() {
    let mut all = agent();
    done(&mut all, &Operation::Reserve(parts(tag(&["a"], None), amounts(4, 0)))).unwrap();
    let mut free = all.minus(&parts(tag(&["a"], None), amounts(3, 0)));
    let before = (all.clone(), free.clone());
    let whole = Operation::Unreserve(parts(tag(&["a"], None), amounts(2, 0)));
    assert!(whole.apply(&mut all, &mut free).is_err());
    assert_eq!((&all, &free), (&before.0, &before.1));
    let rest = Operation::Unreserve(parts(tag(&["a"], None), amounts(1, 0)));
    rest.apply(&mut all, &mut free).unwrap();
    assert_eq!(all.get(&tag(&["a"], None)), Some(&amounts(3, 0)));
    assert_eq!(free.get(&tag(&["a"], None)), None);
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let stacks = prop_oneof![
        Just(vec!["a"]),
        Just(vec!["b"]),
        Just(vec!["a", "a/x"]),
        Just(vec!["a", "a/x", "a/x/y"]),
        Just(vec!["a/x"]),
        Just(vec![]),
    ];
    let volumes = prop_oneof![Just(None), Just(Some("v")), Just(Some("w"))];
    (stacks, volumes, 0u64..5, 0u64..5, 0u8..4).prop_map(|(stack, volume, cpus, disk, kind)| {
        let with_volume = kind >= 2;
        let tag = tag(&stack, volume.filter(|_| with_volume || disk == 4));
        let named = parts(tag, amounts(if with_volume { 0 } else { cpus }, disk));
        match kind {
            0 => Operation::Reserve(named),
            1 => Operation::Unreserve(named),
            2 => Operation::Create(named),
            _ => Operation::Destroy(named),
        }
    })
}

proptest! {
    #[test]
    fn sums_stay_and_every_operation_can_be_taken_back(
        operations in prop::collection::vec(any_operation(), 1..60)
    ) {
        let (mut all, whole) = (agent(), agent().sum());
        for operation in &operations {
            let before = all.clone();
            match done(&mut all, operation) {
                Ok(()) => {
                    prop_assert_eq!(all.sum(), whole.clone());
                    prop_assert_ne!(&all, &before);
                    let mut back = all.clone();
                    prop_assert_eq!(done(&mut back, &operation.opposite()), Ok(()));
                    prop_assert_eq!(back, before);
                }
                Err(_) => prop_assert_eq!(&all, &before),
            }
            let volumes = all.iter().filter(|(tag, _)| tag.volume.is_some());
            for (tag, _) in volumes {
                let (role, id) = (tag.role().unwrap(), &tag.volume.as_ref().unwrap().id);
                let same = all.iter().filter(|(other, _)| {
                    other.role() == Some(role) && other.volume.as_ref().is_some_and(|v| v.id == *id)
                });
                prop_assert_eq!(same.count(), 1, "two volumes of one id");
            }
        }
    }

    #[test]
    fn a_draw_is_exactly_what_was_asked(
        operations in prop::collection::vec(any_operation(), 1..40), cpus in 0u64..12, disk in 0u64..120,
    ) {
        let mut all = agent();
        for operation in &operations {
            let _ = done(&mut all, operation);
        }
        for role in ["a", "a/x", "a/x/y", "b", "other"] {
            let may = all.for_role(role);
            let request = amounts(cpus, disk);
            match may.draw(&request) {
                Some(drawn) => {
                    prop_assert_eq!(drawn.sum(), request);
                    prop_assert!(may.contains(&drawn));
                    prop_assert!(drawn.iter().all(|(tag, _)| tag.is_for(role)));
                }
                None => prop_assert!(!request.fits_in(&may.without_volumes().sum())),
            }
        }
    }
}
