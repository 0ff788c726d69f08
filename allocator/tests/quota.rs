//! Quota over the wire: limits hold, guarantees are kept free, both survive a restart.
#![allow(clippy::unwrap_used)]

mod support;

use headroom_proto::v1::{self, Limit, SetQuotaRequest};
use support::{Server, hello, info, resources};

fn limit(cpus: f64) -> Option<Limit> {
    Some(Limit { cpus: Some(cpus), memory_mib: Some(1_000.0), ..Default::default() })
}

#[tokio::test]
async fn a_limit_bounds_offers_and_a_guarantee_is_kept_for_its_role() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path()).await;
    let set =
        |role: &str, guarantee, limit| SetQuotaRequest { role: role.to_owned(), guarantee, limit };
    let answer = first.operator().set_quota(set("batch", None, limit(1.0))).await.unwrap();
    let role = answer.into_inner();
    assert_eq!((role.guarantee, role.limit), (None, limit(1.0)));
    let web = set("web", Some(resources(2.0, 2_000.0)), None);
    first.operator().set_quota(web.clone()).await.unwrap();
    for (wrong, says) in [
        (set("a b", None, limit(1.0)), "role"),
        (set("x", Some(resources(2.0, 0.0)), limit(1.0)), "guarantee passes the limit"),
        (set("x", None, limit(-1.0)), "limit: cpus: -1 is negative"),
        (set("x", Some(resources(f64::NAN, 0.0)), None), "guarantee: cpus: NaN"),
    ] {
        let refused = first.operator().set_quota(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        assert!(refused.message().contains(says), "{}", refused.message());
    }
    first.running.stop().await.unwrap();

    let second = Server::start(dir.path()).await;
    let _agent = second.agent(hello("n1")).await.unwrap();
    let of = |role: &str| v1::FrameworkInfo { role: role.to_owned(), ..info(role) };
    let mut batch = second.framework(of("batch")).await.unwrap();
    assert_eq!(batch.offer().await.resources.unwrap().cpus, 1.0, "no more than its limit");
    let mut other = second.framework(of("other")).await.unwrap();
    assert_eq!(other.offer().await.resources.unwrap().cpus, 1.0, "2 of 3 are kept for web");
    let late = second.framework(of("late")).await.unwrap();
    let subject = "late".to_owned();
    let why = second.operator().why(v1::WhyRequest { subject }).await.unwrap().into_inner();
    let reason = &why.agents[0].reason;
    assert!(reason.contains("what is guaranteed to other roles"), "{reason}");
    let mut web = second.framework(of("web")).await.unwrap();
    assert_eq!(web.offer().await.resources.unwrap().cpus, 2.0);
    second.operator().set_quota(set("batch", None, None)).await.unwrap();
    let roles = second.cluster().await.roles;
    let batch = roles.iter().find(|role| role.name == "batch").unwrap();
    assert_eq!((&batch.guarantee, &batch.limit), (&None, &None));
    assert_eq!(batch.consumed.as_ref().unwrap().cpus, 1.0);
    drop(late);
    second.running.stop().await.unwrap();
}
