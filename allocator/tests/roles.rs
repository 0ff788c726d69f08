//! A framework in several roles, over the wire.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{self, Terms, event::Event};
use std::collections::BTreeMap;
use support::{Framework, Server, hello, info, resources};
use tonic::Code;

fn named(roles: &[&str]) -> Vec<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn of(roles: &[&str]) -> v1::FrameworkInfo {
    v1::FrameworkInfo { roles: named(roles), says_wants: true, ..info("several") }
}

fn wanted(name: &str, role: &str, cpus: f64) -> v1::Wanted {
    let resources = Some(resources(cpus, 64.0));
    v1::Wanted { name: name.to_owned(), resources, role: role.to_owned() }
}

async fn offered(framework: &mut Framework, count: usize) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    while all.len() < count {
        match framework.event().await.unwrap() {
            Event::Offers(offers) => all.extend(
                offers.offers.into_iter().map(|offer| (offer.role, offer.resources.unwrap().cpus)),
            ),
            Event::Rescind(_) | Event::Heartbeat(_) => {}
            other => panic!("not offers: {other:?}"),
        }
    }
    all
}

#[tokio::test]
async fn what_is_wanted_is_offered_in_its_role_and_roles_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let _agent = server.agent(hello("n1")).await.unwrap();
    let mut several = server.framework(of(&["a", "b"])).await.unwrap();
    let caller = several.caller();
    let ask = |wanted| v1::RequestRequest { caller: caller.clone(), wanted };
    let nowhere = several.client.request(ask(vec![wanted("t", "", 1.0)])).await.unwrap_err();
    assert_eq!(nowhere.code(), Code::InvalidArgument);
    assert!(nowhere.message().contains("for which role"), "{}", nowhere.message());
    let both = vec![wanted("t", "a", 1.0), wanted("u", "b", 0.5)];
    several.client.request(ask(both)).await.unwrap();
    let offers = offered(&mut several, 2).await;
    assert_eq!(offers, [("a".to_owned(), 1.0), ("b".to_owned(), 0.5)].into());

    let update = |roles: &[&str], suppressed: &[&str]| v1::UpdateFrameworkRequest {
        caller: caller.clone(),
        framework: Some(of(roles)),
        suppressed_roles: named(suppressed),
    };
    several.client.update_framework(update(&["b", "c"], &["c"])).await.unwrap();
    let Event::Rescind(rescind) = several.event().await.unwrap() else { panic!("not rescinded") };
    assert!(rescind.reason.contains("given up the role"), "{}", rescind.reason);
    several.client.request(ask(vec![wanted("v", "c", 0.25)])).await.unwrap();
    let revive = v1::ReviveRequest { caller: caller.clone(), roles: named(&["c"]) };
    several.client.revive(revive).await.unwrap();
    assert_eq!(offered(&mut several, 1).await, [("c".to_owned(), 0.25)].into());
    let stray = v1::SuppressRequest { caller: caller.clone(), roles: named(&["a"]) };
    let stray = several.client.suppress(stray).await.unwrap_err();
    assert!(stray.message().contains("\"a\" is not one of"), "{}", stray.message());
    server.running.stop().await.unwrap();
}

#[tokio::test]
async fn roles_that_contradict_one_another_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path()).await;
    let terms: BTreeMap<_, _> = [("x".to_owned(), Terms::default())].into();
    for (field, wrong) in [
        ("framework.role", v1::FrameworkInfo { role: "a".to_owned(), ..of(&["b"]) }),
        ("framework.roles[1]", of(&["a", "b c"])),
        ("framework.terms[\"x\"]", v1::FrameworkInfo { terms, ..of(&["a", "b"]) }),
    ] {
        let refused = server.framework(wrong).await.map(drop).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
    server.running.stop().await.unwrap();
}
